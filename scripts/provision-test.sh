#!/usr/bin/env bash
# Installs what the tests need beside Go and Node, on Debian and its descendants: a C compiler for the race detector,
# Chromium for the dashboard, promtool for the metrics, what checks scripts and units, and fonts for Chinese. What is there
# already is left alone, so that running it again costs nothing. Starts no service.
set -euo pipefail

have() { command -v "$1" >/dev/null 2>&1; }

missing=()
have cc || have gcc || missing+=(gcc libc6-dev)
have chromium || have chromium-browser || have google-chrome || missing+=(chromium)
have promtool || missing+=(prometheus)
have shellcheck || missing+=(shellcheck)
have systemd-analyze || missing+=(systemd)
if ! { have fc-list && fc-list :lang=zh family 2>/dev/null | grep -q .; }; then
    missing+=(fontconfig fonts-noto-cjk)
fi

if ! have node || ! have npm; then
    echo "provision: node and npm are missing; install Node 20 or newer (https://nodejs.org)" >&2
    exit 1
fi
node_major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$node_major" -lt 20 ]; then
    echo "provision: Node 20 or newer is needed (found $(node --version))" >&2
    exit 1
fi

if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if ! have apt-get; then
    echo "provision: these are missing, and there is no apt-get to install them with: ${missing[*]}" >&2
    exit 1
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! have sudo || ! sudo -n true 2>/dev/null; then
        echo "provision: run as root, or allow sudo without a password, to install: ${missing[*]}" >&2
        echo "provision: or install them yourself: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    root=(sudo -n)
fi

echo "provision: installing ${missing[*]}"
# The package of promtool starts a server when it is installed. This file asks Debian not to.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
    "${root[@]}" chmod +x "$policy"
    trap '"${root[@]}" rm -f "$policy"' EXIT
fi
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
if [[ " ${missing[*]} " == *" prometheus "* ]] && have systemctl; then
    "${root[@]}" systemctl disable prometheus >/dev/null 2>&1 || true # Without systemd running there is nothing to disable.
fi
