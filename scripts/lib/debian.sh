# Sourced by the scripts that install what the tests need. Debian and its descendants only.
# shellcheck shell=bash

have() { command -v "$1" >/dev/null 2>&1; }

# as_root runs a command as root, with sudo if the caller is not root.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# install_packages NAME PACKAGE… installs Debian packages without starting or enabling the services that they bring. NAME
# is the script's name, for messages. Concurrent calls wait for each other.
install_packages() {
    local name=$1
    shift
    if [ $# -eq 0 ]; then
        return 0
    fi
    if ! have apt-get; then
        echo "$name: these Debian packages are missing, and there is no apt-get to install them with: $*" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ] && ! { have sudo && sudo -n true 2>/dev/null; }; then
        echo "$name: run as root, or allow sudo without a password, to install: $*" >&2
        echo "$name: or install them yourself: apt-get install $*" >&2
        return 1
    fi
    echo "$name: installing $*" >&2
    (
        # With two installations at a time, the first to end would remove the policy of the other.
        exec 7</var/lib/dpkg
        flock 7
        install_quietly "$@" 7<&-
    ) </dev/null >&2
}

install_quietly() {
    # Several packages start a server when they are installed. This file prevents it.
    local policy=/usr/sbin/policy-rc.d services=/etc/systemd/system/multi-user.target.wants before=""
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
    fi
    before=$(ls "$services" 2>/dev/null || true)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q || return 1
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "$@" || return 1
    # The servers must not start with the machine either.
    local service
    for service in "$services"/*.service; do
        service=${service##*/}
        if have systemctl && [ "$service" != '*.service' ] && ! grep -qxF "$service" <<<"$before"; then
            as_root systemctl disable "$service" >/dev/null 2>&1 || true
        fi
    done
}
