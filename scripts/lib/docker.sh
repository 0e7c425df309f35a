# Sourced by the scripts that use Docker, after services.sh.
# shellcheck shell=bash

# without_docker prints what can be done without Docker, and ends the script.
without_docker() {
    warn "$1"
    cat >&2 <<EOF
Everything also runs without Docker, in one process with nothing else installed:
    scripts/build.sh iotmon && scripts/start-services.sh iotmon
and then at http://localhost:8080; scripts/stop-services.sh stops it.
EOF
    exit 1
}

# need_docker ends the script if there is no engine.
need_docker() {
    have docker || without_docker "Docker is missing: https://docs.docker.com/engine/install"
    local problem
    problem=$(docker version 2>&1 >/dev/null) || without_docker "the Docker engine does not answer: $problem"
}

# need_compose ends the script if there is neither docker compose nor docker-compose.
need_compose() {
    need_docker
    if docker compose version >/dev/null 2>&1; then
        compose_command="docker compose"
    elif have docker-compose; then
        compose_command="docker-compose"
    else
        without_docker "docker compose is missing: https://docs.docker.com/compose/install"
    fi
}

compose() { $compose_command "$@"; }

# port_open PORT succeeds if a program listens on the port on this machine.
port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# state SERVICE prints the state of a service in Docker: healthy, starting, unhealthy, exited, …, or missing.
state() {
    local id
    id=$(compose ps -a -q "$1" 2>/dev/null | head -n 1)
    if [ -z "$id" ]; then
        echo missing
        return
    fi
    docker inspect -f '{{if eq .State.Status "running"}}{{if .State.Health}}{{.State.Health.Status}}{{else}}running{{end}}{{else}}{{.State.Status}}{{end}}' "$id"
}
