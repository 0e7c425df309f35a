# Sourced by the scripts that use Docker, after services.sh.
# shellcheck shell=bash

# without_docker says what can be done instead, and ends the script.
without_docker() {
    warn "$1"
    cat >&2 <<EOF
Everything also runs without Docker, in one process with nothing else installed:
    scripts/build.sh iotmon && scripts/start-services.sh iotmon
and then at http://localhost:8080; scripts/stop-services.sh stops it.
EOF
    exit 1
}

# need_docker makes sure that there is an engine.
need_docker() {
    have docker || without_docker "Docker is missing: https://docs.docker.com/engine/install"
    local problem
    problem=$(docker version 2>&1 >/dev/null) || without_docker "the Docker engine does not answer: $problem"
}
