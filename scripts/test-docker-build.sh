#!/usr/bin/env bash
# Builds the images of the services and tries each. See --help.
set -euo pipefail
# shellcheck source=scripts/lib/services.sh
. "$(dirname "$0")/lib/services.sh"
# shellcheck source=scripts/lib/docker.sh
. scripts/lib/docker.sh

usage() {
    cat <<EOF
test-docker-build.sh builds the images of the services and checks of each that it is small, and that it runs, becomes
healthy and stops in good order as nobody in particular, on a root file system that cannot be written, without any
capability.

Usage:
  scripts/test-docker-build.sh [OPTIONS] [SERVICE...]    producer, consumer, web, websocket, iotmon; all if none is named

Options:
  --no-build    only check the images that are there
  -h, --help    show this

Environment:
  DOCKER_BUILD_ARGS, IMAGE_PREFIX, VERSION    as for make docker-build-all

Exit status:
  0 every image is good; 1 one is not, or there is no Docker; 2 misused
EOF
}

services="" build=1
for argument in "$@"; do
    case $argument in
    -h | --help)
        usage
        exit 0
        ;;
    --no-build) build=0 ;;
    -*) misused "$argument: unknown option" ;;
    *)
        is_service "$argument" || misused "$argument: no such service; there are $all_services"
        services="$services $argument"
        ;;
    esac
done
services=${services:-$all_services}
prefix=${IMAGE_PREFIX:-iotmon/}
# In bytes, as Docker counts. A test may use a smaller base image: our part must fit on Alpine, which has 8.5 MB.
largest=50000000
largest_of_ours=41500000

need_docker
have make || die "make is missing"

container="iotmon-image-test-$$"
trap 'docker rm -f "$container" >/dev/null 2>&1 || true' EXIT

failed=0
# wrong MESSAGE reports a fault of an image, and continues.
wrong() {
    warn "$*"
    failed=1
}

# try SERVICE starts a container, waits until it is healthy, and stops it.
try() {
    local service=$1 image=$prefix$1 size ours user health="" status begun
    size=$(docker image inspect -f '{{.Size}}' "$image") || {
        wrong "$service: there is no image $image"
        return
    }
    [ "$size" -lt "$largest" ] || wrong "$service: the image has $((size / 1000000)) MB, want less than $((largest / 1000000))"
    ours=$(docker history --human=false --format '{{.Size}} {{.CreatedBy}}' "$image" | awk '/COPY \/rootfs/ { print $1; exit }')
    [ "${ours:-0}" -lt "$largest_of_ours" ] || wrong "$service: $((ours / 1000000)) MB on top of its base, want less than $((largest_of_ours / 1000000))"
    user=$(docker image inspect -f '{{.Config.User}}' "$image")
    case $user in
    '' | 0 | 0:* | root | root:*) wrong "$service: it runs as root" ;;
    esac
    # No server is running: a service starts without them, and reports that it is not ready.
    docker run -d --name "$container" --read-only --cap-drop ALL --security-opt no-new-privileges --pids-limit 200 \
        --memory 512m --tmpfs /data:uid=65532,gid=65532 --health-interval 1s -e KAFKA_HOST=kafka.invalid \
        "$image" >/dev/null
    begun=$SECONDS
    while [ "$health" != healthy ] && [ $((SECONDS - begun)) -lt 60 ]; do
        sleep 0.5
        health=$(docker inspect -f '{{.State.Health.Status}}' "$container")
        [ "$(docker inspect -f '{{.State.Running}}' "$container")" = true ] || break
    done
    if [ "$health" != healthy ]; then
        wrong "$service: $health after $((SECONDS - begun)) s; its log:"
        docker logs --tail 20 "$container" >&2
    fi
    docker stop -t 25 "$container" >/dev/null
    status=$(docker inspect -f '{{.State.ExitCode}}' "$container")
    [ "$status" = 0 ] || wrong "$service: it stopped with status $status, want 0"
    docker rm -f "$container" >/dev/null
    say "$service: $((size / 1000000)) MB, $((ours / 1000000)) MB of them ours, user $user, $health, stopped with status $status"
}

for service in $services; do
    if [ "$build" = 1 ]; then
        say "building $prefix$service…"
        make -s "docker-build-$service" || die "$service: the image could not be built"
    fi
done
for service in $services; do
    try "$service"
done
[ "$failed" = 0 ] && say "every image is good"
exit "$failed"
