# Sourced by the scripts that need Helm. It comes from Go's own module proxy, checked against Go's checksum database.
# shellcheck shell=bash

helm_version=v4.3.1
helm_home="${XDG_CACHE_HOME:-$HOME/.cache}/iotmon-test/helm-$helm_version"

# provide_helm sets helm to a Helm of that version, which the first call builds. That takes two minutes.
provide_helm() {
    helm=$helm_home/helm
    if [ -x "$helm" ]; then
        return
    fi
    echo "helm: building $helm_version" >&2
    mkdir -p "$helm_home"
    (
        flock 7
        [ -x "$helm" ] || GOFLAGS='' GOBIN=$helm_home CGO_ENABLED=0 go install "helm.sh/helm/v4/cmd/helm@$helm_version"
    ) 7>"$helm_home.lock" >&2
}
