#!/usr/bin/env bash
# Renders the Helm chart into plain manifests. See --help.
set -euo pipefail
# shellcheck source=scripts/lib/services.sh
. "$(dirname "$0")/lib/services.sh"
# shellcheck source=scripts/lib/chart.sh
. scripts/lib/chart.sh

usage() {
    cat <<EOF
render-k8s.sh renders the chart in k8s/chart into plain manifests, for those without Helm.

Usage:
  scripts/render-k8s.sh                         write k8s/{common,producer,consumer,websocket,web} with the chart's own values, and
                                                bring the rules of monitoring/alerts into the chart
  scripts/render-k8s.sh -o DIR [ARGUMENT...]    write into DIR; arguments are values as for Helm: --values FILE, --set KEY=VALUE
  scripts/render-k8s.sh --lint [ARGUMENT...]    only look for mistakes in the chart, as helm lint --strict does, with such values

Exit status:
  0 done; 1 the chart does not render; 2 misused
EOF
}

out=k8s
case ${1-} in
-h | --help)
    usage
    exit 0
    ;;
-o)
    [ $# -gt 1 ] || misused "-o: needs a directory"
    out=$2
    shift 2
    ;;
--lint)
    shift
    provide_chart
    exec "$chart" lint "$@" k8s/chart
    ;;
"") ;;
*) misused "$1: unknown option" ;;
esac

provide_chart
# A chart can use only what is in its own directory.
if [ "$out" = k8s ]; then
    mkdir -p k8s/chart/files
    cp monitoring/alerts/*.rules.yml k8s/chart/files/
fi
rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT
"$chart" template -o "$rendered" -namespace iotmon "$@" iotmon k8s/chart
for part in common producer consumer websocket web operators; do
    rm -rf "${out:?}/$part"
    if [ -d "$rendered/iotmon/templates/$part" ]; then
        mkdir -p "$out/$part"
        cp "$rendered/iotmon/templates/$part"/*.yaml "$out/$part/"
    fi
done
