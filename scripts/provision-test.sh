#!/usr/bin/env bash
# Installs what the tests need besides Go and Node, on Debian and its derivatives: a C compiler for the race detector,
# Chromium for the dashboard, promtool for the metrics, shellcheck for the scripts, fonts for Chinese, jq for the tutorial, Helm's
# packages for the chart, and the servers that scripts/test-env.sh starts.
# It skips what is already installed, so it can be repeated at no cost. It starts no service.
set -euo pipefail

library=$(dirname "$(readlink -f "$0")")/lib
# shellcheck source=lib/debian.sh
. "$library/debian.sh"
# shellcheck source=lib/servers.sh
. "$library/servers.sh"
# shellcheck source=lib/chart.sh
. "$library/chart.sh"
# shellcheck source=lib/python.sh
. "$library/python.sh"
# shellcheck source=lib/node.sh
. "$library/node.sh"

if ! have node || ! have npm; then
    echo "provision: node and npm are missing; install Node 20 or newer (https://nodejs.org)" >&2
    exit 1
fi
node_major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$node_major" -lt 20 ]; then
    echo "provision: Node 20 or newer is needed (found $(node --version))" >&2
    exit 1
fi

mapfile -t missing < <(missing_packages kafka postgres redis nginx haproxy mosquitto faketime pymodbus pysparkplug asyncua aiosmtpd alertmanager)
have cc || have gcc || missing+=(gcc libc6-dev)
have chromium-headless-shell || have headless-shell || missing+=(chromium-headless-shell)
have promtool || missing+=(prometheus)
have shellcheck || missing+=(shellcheck)
have jq || missing+=(jq)
if ! { have fc-list && fc-list :lang=zh family 2>/dev/null | grep -q .; }; then
    missing+=(fontconfig fonts-noto-cjk)
fi
install_packages provision "${missing[@]}"
provide_chart
provide_python pymodbus
provide_python pysparkplug
provide_node sparkplug-client
provide_python asyncua
provide_python aiosmtpd
provide_node node-opcua
