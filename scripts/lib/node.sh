# Sourced by the scripts that provide the servers of the tests that are written in JavaScript: each comes from npm, at one version, into
# a directory of its own, which all checkouts of the user share.
# shellcheck shell=bash

# node_version prints the version of a package; it fails if the tests do not use that package.
node_version() {
    case $1 in
    sparkplug-client) echo 3.2.4 ;;
    node-opcua) echo 2.186.4 ;;
    *) return 1 ;;
    esac
}

node_home() { echo "${XDG_CACHE_HOME:-$HOME/.cache}/iotmon-test/$1-$(node_version "$1")"; }

# provide_node PACKAGE installs a package, once.
provide_node() {
    local home
    home=$(node_home "$1")
    if [ -e "$home/complete" ]; then
        return
    fi
    echo "node: installing $1 $(node_version "$1")" >&2
    mkdir -p "$home"
    (
        flock 7
        [ -e "$home/complete" ] && exit
        npm install --prefix "$home" --no-audit --no-fund --loglevel=error "$1@$(node_version "$1")" && : >"$home/complete"
    ) 7>"$home.lock" >&2
}
