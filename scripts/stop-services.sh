#!/usr/bin/env bash
# Stops the services that start-services.sh has started. See --help.
set -euo pipefail
# shellcheck source=scripts/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

usage() {
    cat <<EOF
stop-services.sh stops the services that scripts/start-services.sh has started here, in good order, and no other process.

Usage:
  scripts/stop-services.sh [OPTIONS] [SERVICE...]    all of them if none is named

Options:
  --wait SECONDS  how long a service may take; then it is killed, which loses nothing that was acknowledged (25)
  -h, --help      show this

Exit status:
  0 none of them runs any more; 1 one could not be stopped; 2 misused
EOF
}

services="" patience=25
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
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
services=${services:-$all_services}

# gone SERVICE SECONDS waits until the process has ended, and fails if it does not.
gone() {
    local begun=$SECONDS
    while running "$1" >/dev/null; do
        [ $((SECONDS - begun)) -lt "$2" ] || return 1
        sleep 0.1
    done
}

# stop SERVICE
stop() {
    local service=$1 pid
    if ! pid=$(running "$service"); then
        if [ -e "$pids/$service.pid" ]; then
            say "$service: had ended by itself; logs/$service.log may say why"
            rm -f "$pids/$service.pid"
        fi
        return 0
    fi
    kill -TERM "$pid" 2>/dev/null || true # It may have ended meanwhile.
    if ! gone "$service" "$patience"; then
        warn "$service: not stopped after $patience s; killing it"
        kill -KILL "$pid" 2>/dev/null || true
        gone "$service" 10 || {
            warn "$service: pid $pid cannot be killed"
            return 1
        }
    fi
    rm -f "$pids/$service.pid"
    say "$service: stopped"
}

alone
failed=0
for service in $services; do
    stop "$service" || failed=1
done
exit "$failed"
