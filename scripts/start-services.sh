#!/usr/bin/env bash
# Starts the services on this machine. See --help.
set -euo pipefail
# shellcheck source=scripts/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

usage() {
    cat <<EOF
start-services.sh starts services on this machine, in the background, and says where they are.

Usage:
  scripts/start-services.sh [OPTIONS] [SERVICE...]

Services:
  producer, consumer and web if none is named; websocket, for a push tier of its own; iotmon, everything in one process
  without Kafka, PostgreSQL or Redis. A service that runs already is left alone.

Options:
  --wait SECONDS  how long a service may take to be ready (60)
  --status        only say which services run and whether they are ready
  -h, --help      show this

Files:
  bin/SERVICE           the programs, by scripts/build.sh
  configs/SERVICE.yaml  their configuration, and .env, by scripts/update_config.sh
  logs/SERVICE.log      what they write; started again, they append to it
  run/SERVICE.pid       their processes, for scripts/stop-services.sh

Exit status:
  0 all are ready; 1 one cannot start, or is not ready in time and goes on trying; 2 misused
EOF
}

# start SERVICE
start() {
    local service=$1 pid
    if pid=$(running "$service"); then
        say "$service: runs already, pid $pid"
        return 0
    fi
    if "bin/$service" -probe /health >/dev/null 2>&1; then
        warn "$service: its address is in use by a service that these scripts have not started"
        return 1
    fi
    # The file may be of a process that has ended, and whose pid another process has now.
    rm -f "$pids/$service.pid"
    nohup "bin/$service" >>"logs/$service.log" 2>&1 </dev/null 8>&- 9>&- &
    pid=$!
    if note "$service" "$pid"; then
        say "$service: started, pid $pid, logs/$service.log"
        return 0
    fi
    complain "$service"
}

# complain SERVICE prints the end of a service's log after the service has ended.
complain() {
    warn "$1: ended at once; logs/$1.log ends with:"
    tail -n 5 "logs/$1.log" | sed 's/^/    /' >&2
    rm -f "$pids/$1.pid"
    return 1
}

# await SERVICE waits until the service is ready.
await() {
    local service=$1 answer
    while running "$service" >/dev/null; do
        if answer=$("bin/$service" -probe /ready 2>/dev/null); then
            say "$service: ready"
            return 0
        fi
        if [ $((SECONDS - begun)) -ge "$patience" ]; then
            warn "$service: not ready after $patience s, and goes on trying: ${answer:-no answer}"
            return 1
        fi
        sleep 0.2
    done
    complain "$service"
}

status() {
    local service pid state
    for service in $all_services; do
        [ -x "bin/$service" ] || continue
        if ! pid=$(running "$service"); then
            state="not running"
        elif "bin/$service" -probe /ready >/dev/null 2>&1; then
            state="ready, pid $pid"
        else
            state="not ready, pid $pid; see logs/$service.log"
        fi
        printf '%-10s %s\n' "$service" "$state"
    done
}

services="" patience=60
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    --status)
        status
        exit 0
        ;;
    --wait)
        patience=${2:-}
        must_be_seconds --wait "$patience"
        shift
        ;;
    -*) misused "$1: unknown option" ;;
    *)
        is_service "$1" || misused "$1: no such service; there are $all_services"
        services="$services $1"
        ;;
    esac
    shift
done
services=${services:-$core_services}

# Everything is checked before anything is started.
for service in $services; do
    [ -x "bin/$service" ] || die "bin/$service is missing; build it with scripts/build.sh"
    problems=$("bin/$service" -check-config 2>&1) ||
        die "$service: its configuration is not valid; nothing was started:"$'\n'"$problems"
done
mkdir -p logs
alone

begun=$SECONDS failed=0 begotten=""
for service in $services; do
    if start "$service"; then
        begotten="$begotten $service"
    else
        failed=1
    fi
done
for service in $begotten; do
    await "$service" || failed=1
done
exit "$failed"
