#!/usr/bin/env bash
# Makes stand-ins for the images that the Dockerfile begins with, from what this machine has: for engines that can reach no
# registry. They have the same names, so that the Dockerfile is used as it is:
#
#   tests/operations/standin/bases.sh
#   DOCKER_BUILD_ARGS='--build-arg GOPROXY=file:///goproxy' scripts/test-docker-build.sh
#
# The builder is a busybox with this machine's Go and the modules that go.mod names; the runtime a busybox. Nothing here
# says anything of the real images.
set -euo pipefail
cd "$(dirname "$0")/../../.."

busybox=$(command -v busybox) || { echo "busybox is missing: apt-get install busybox-static" >&2; exit 1; }
name() { sed -n "s/^ARG $1=//p" Dockerfile; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shell DIR lays out what a shell script needs.
shell() {
    mkdir -p "$1/bin" "$1/etc/ssl/certs" "$1/root"
    mkdir -m 1777 "$1/tmp"
    cp "$busybox" "$1/bin/busybox"
    local applet
    for applet in $("$busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
    done
    cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
    echo "root:x:0:0::/root:/bin/sh" >"$1/etc/passwd"
}

shell "$work/runtime"
tar -C "$work/runtime" -c . | docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$(name RUNTIME_IMAGE)" >/dev/null

shell "$work/build"
mkdir -p "$work/build/usr/local" "$work/build/goproxy"
cp -R "$(go env GOROOT)" "$work/build/usr/local/go"
# A directory of modules in the form of the proxy's protocol.
cache=$(go env GOMODCACHE)/cache/download
# The descriptions of all modules, as the graph of requirements leads far beyond those that are needed.
(cd "$cache" && find . -name '*.mod' -o -name '*.info' | tar -cf - -T -) | tar -xf - -C "$work/build/goproxy"
go mod download -json | sed -n 's/^\t"\(Info\|GoMod\|Zip\)": "\(.*\)",\?$/\2/p' | while read -r file; do
    to=$work/build/goproxy/${file#"$cache/"}
    mkdir -p "$(dirname "$to")"
    cp "$file" "$to"
done
tar -C "$work/build" -c . |
    docker import --change 'ENV PATH=/usr/local/go/bin:/bin' --change 'ENV GOSUMDB=off' - "$(name GO_IMAGE)" >/dev/null
echo "made $(name GO_IMAGE) and $(name RUNTIME_IMAGE)"
