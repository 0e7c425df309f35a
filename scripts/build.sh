#!/usr/bin/env bash
# Builds the services into bin/. See --help.
set -euo pipefail
# shellcheck source=scripts/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

usage() {
    cat <<EOF
build.sh builds the services into bin/, as static programs that need nothing else installed.

Usage:
  scripts/build.sh [SERVICE...]    producer, consumer, web, websocket, iotmon; all of them if none is named

Options:
  -h, --help    show this

Environment:
  GO            the Go command (go)
  VERSION       what the programs say to -version (what git describes, or else devel)
  GOPROXY       where modules come from, as for every Go command
  GOOS, GOARCH  another system to build for
EOF
}

services=""
for argument in "$@"; do
    case $argument in
    -h | --help)
        usage
        exit 0
        ;;
    -*) misused "$argument: unknown option" ;;
    *)
        is_service "$argument" || misused "$argument: no such service; there are $all_services"
        services="$services $argument"
        ;;
    esac
done
services=${services:-$all_services}

go=${GO:-go}
have "$go" || die "Go is missing: install it from https://go.dev/dl, or build the images instead with make docker-build-all"
# An older Go downloads the version that go.mod names, unless GOTOOLCHAIN forbids it.
"$go" list -m >/dev/null || die "this Go, $("$go" version), cannot build the project"

# fetch downloads the modules, with retries, because the network may fail for a moment.
fetch() {
    local attempt
    for attempt in 1 2 3; do
        "$go" mod download && return 0
        [ "$attempt" = 3 ] && return 1
        warn "the download of the modules failed; trying again in $((attempt * 5)) s"
        sleep $((attempt * 5))
    done
}
say "downloading modules…"
fetch || die "the modules could not be downloaded; is GOPROXY ($("$go" env GOPROXY)) reachable?"

version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || true)}
mkdir -p bin
begun=$SECONDS
for service in $services; do
    say "building $service…"
    # The same flags as in the Makefile, which explains them.
    CGO_ENABLED=0 "$go" build -trimpath -tags grpcnotrace -ldflags "-s -w -X iotmon/internal/app/command.version=$version" -o bin/ "./cmd/$service"
done
say "built in $((SECONDS - begun)) s:"
for service in $services; do
    for file in "bin/$service" "bin/$service.exe"; do
        [ -f "$file" ] && say "  $file  $(($(wc -c <"$file") / 1048576)) MB"
    done
done
say "start them with scripts/start-services.sh, or everything in one process with bin/iotmon"
