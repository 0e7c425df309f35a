#!/usr/bin/env bash
# Deploys everything on this machine, and proves that it works. See --help.
set -euo pipefail
# shellcheck source=scripts/lib/services.sh
. "$(dirname "$0")/lib/services.sh"
# shellcheck source=scripts/lib/docker.sh
. scripts/lib/docker.sh
# shellcheck source=scripts/lib/settings.sh
. scripts/lib/settings.sh

usage() {
    cat <<EOF
full_deployment.sh deploys the whole system on this machine: the middleware in containers, the services beside it. At the end
it sends a reading and looks for it where it must arrive. It may be run again at any time.

Usage:
  scripts/full_deployment.sh recommended    with Kafka, Redis, PostgreSQL and Prometheus
  scripts/full_deployment.sh full           and Grafana, Jaeger and Alertmanager
  scripts/full_deployment.sh --check        only sends the reading and looks for it
  scripts/full_deployment.sh --down         stops services and middleware; the data stays

Options:
  -h, --help    show this

Steps, each a script that can be run by itself:
  1. deploy_middleware.sh    2. update_config.sh    3. build.sh    4. start-services.sh    5. the check
EOF
}

# step N TEXT
step() {
    say ""
    say "[$1/5] $2 ($SECONDS s)"
}

# within SECONDS COMMAND… tries a command until it succeeds.
within() {
    local patience=$1 begun=$SECONDS
    shift
    until "$@"; do
        [ $((SECONDS - begun)) -lt "$patience" ] || return 1
        sleep 0.3
    done
}

# ports_free ends the script if another program has one of the services' ports.
ports_free() {
    local service port
    while read -r service port; do
        running "$service" >/dev/null || ! port_open "$port" ||
            die "$service needs port $port, which another program has; nothing was started"
    done <<EOF
web 8080
consumer 8081
producer 8084
EOF
}

get() { curl -sf --max-time 5 "$1"; }

web=http://127.0.0.1:8080
# jaeger is the address of Jaeger, which receives the services' traces.
jaeger=http://localhost:4318
seen=""
viewer=""
cleanup() {
    [ -z "$viewer" ] || kill "$viewer" 2>/dev/null || true
    [ -z "$seen" ] || rm -f "$seen"
}
trap cleanup EXIT

# view connects to the WebSocket as a browser does, and writes the messages to a file. Frames from a server are not masked.
view() {
    seen=$(mktemp)
    (
        exec 3<>/dev/tcp/127.0.0.1/8080 || exit 1
        printf '%s\r\n' 'GET /ws HTTP/1.1' 'Host: 127.0.0.1:8080' 'Upgrade: websocket' 'Connection: Upgrade' \
            'Sec-WebSocket-Version: 13' 'Sec-WebSocket-Key: aW90bW9uLWlvdG1vbi1jaA==' '' >&3
        exec cat <&3
    ) >"$seen" 2>/dev/null &
    viewer=$!
    within 10 grep -qa '"type":"hello"' "$seen" || die "the WebSocket at ws://127.0.0.1:8080/ws sends no hello"
}

# reading prints a reading with the given time, like the last one of an existing device, or of a new device if there is none.
reading() {
    local last
    last=$(get "$web/api/v1/devices?status=online&limit=1" | sed -n 's/^{"items":\[\({.*\),"since":.*/\1}/p')
    if [ -z "$last" ]; then
        last='{"device_id":"deployment-check","device_type":"temperature_sensor","timestamp":"","value":21.5}'
    fi
    printf '%s\n' "$last" | sed "s/\"timestamp\":\"[^\"]*\"/\"timestamp\":\"$1\"/"
}

arrived() { grep -qaF "$1" "$seen"; }

archived() {
    [ "$(compose exec -T postgres psql -X -At -U iot_user -d iot_monitoring \
        -c "SELECT count(*) FROM readings WHERE time = '$1'" 2>/dev/null)" = 1 ]
}

# trace is the trace id of the last reading sent.
trace=""

# deliver sends a reading with a trace, and waits for it. The device may send a newer one at the same moment, so that ours is not shown:
# then deliver sends another.
deliver() {
    local attempt at
    for attempt in 1 2 3 4 5; do
        # To the microsecond. The last digit is not zero, because trailing zeros are not written.
        at=$(date -u +%Y-%m-%dT%H:%M:%S.%N)
        case $at in
        *N) at=$(date -u +%Y-%m-%dT%H:%M:%S.)$(printf '%05d' "$RANDOM") ;;
        esac
        at=$(printf '%.25s7Z' "$at")
        trace=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
        reading "$at" | curl -sf --max-time 10 -o /dev/null -H 'Content-Type: application/json' \
            -H "traceparent: 00-$trace-0000000000000001-01" --data-binary @- \
            "$web/api/v1/readings" || die "POST $web/api/v1/readings is refused"
        if within 4 arrived "$at"; then
            say "  a reading of $at was posted and has come over the WebSocket"
            within 20 archived "$at" || die "the reading has not come to PostgreSQL within 20 s"
            say "  and is in PostgreSQL"
            return 0
        fi
        say "  not seen yet, attempt $attempt"
    done
    die "no reading came over the WebSocket; logs/*.log may say why"
}

# traced succeeds if Jaeger has the last reading's trace up to a socket.
traced() { get "http://127.0.0.1:16686/api/traces/$trace" | grep -q '"send websocket"'; }

scraped() { [ "$(get "http://127.0.0.1:9090/api/v1/query?query=sum(up%7Bjob%3D%22iotmon%22%7D)" | sed -n 's/.*,"\([0-9]*\)"\].*/\1/p')" -ge 3 ] 2>/dev/null; }

dashboards() {
    printf 'user = "admin:%s"\n' "$(setting GRAFANA_ADMIN_PASSWORD | sed 's/[\\"]/\\&/g')" |
        curl -sf --max-time 5 -K - "http://127.0.0.1:3000/api/search?tag=iotmon" |
        grep -o '"uid":"iotmon-[a-z]*"' | wc -l
}
has_dashboards() { [ "$(dashboards)" -ge 3 ]; }

check() {
    local service
    for service in web consumer producer; do
        [ -x "bin/$service" ] || die "nothing is deployed here: bin/$service is missing"
        "bin/$service" -probe /ready >/dev/null || die "$service is not ready"
    done
    view
    deliver
    within 30 scraped || die "Prometheus does not scrape the three services; see http://localhost:9090/targets"
    say "  Prometheus scrapes the three services"
    [ "$(COMPOSE_PROFILES=full state grafana)" != missing ] || return 0
    within 60 has_dashboards || die "Grafana does not show its three dashboards to admin"
    say "  Grafana has its three dashboards"
    within 30 get http://127.0.0.1:16686/ >/dev/null || die "Jaeger does not answer at http://localhost:16686"
    [ "$(setting IOTMON_TRACING_ENDPOINT)" = "$jaeger" ] || return 0
    within 30 traced || die "Jaeger does not know the way of the reading, trace $trace"
    say "  Jaeger knows its way: http://localhost:16686/trace/$trace"
}

mode=""
for argument in "$@"; do
    case $argument in
    -h | --help)
        usage
        exit 0
        ;;
    recommended | full | --check | --down)
        [ -z "$mode" ] || misused "$argument: $mode is enough"
        mode=$argument
        ;;
    -*) misused "$argument: unknown option" ;;
    *) misused "$argument: must be recommended or full" ;;
    esac
done
mode=${mode:-recommended}

need_compose
[ "$mode" = --check ] || only_one deployment
if [ "$mode" = --down ]; then
    scripts/stop-services.sh
    scripts/deploy_middleware.sh --down
    exit 0
fi
have curl || die "curl is missing"
if [ "$mode" = --check ]; then
    check
    exit 0
fi
have "${GO:-go}" || [ -x bin/consumer ] || die "Go is missing, and nothing is built: install it from https://go.dev/dl"
ports_free

step 1 "the middleware"
scripts/deploy_middleware.sh "$mode"
step 2 "the configuration"
case $mode:$(setting IOTMON_TRACING_ENDPOINT) in
full:) scripts/update_config.sh --tracing-endpoint "$jaeger" ;;
"recommended:$jaeger") scripts/update_config.sh --tracing-endpoint none ;;
*) scripts/update_config.sh ;;
esac
step 3 "the programs"
if have "${GO:-go}"; then
    scripts/build.sh
else
    say "Go is missing; those in bin/ are used as they are"
fi
step 4 "the services"
# Stops services of an older version or configuration.
scripts/stop-services.sh producer consumer web
scripts/start-services.sh
step 5 "the check"
check

say ""
say "deployed in $SECONDS s:"
say "  dashboard    http://localhost:8080"
say "  Prometheus   http://localhost:9090"
if [ "$mode" = full ]; then
    say "  Grafana      http://localhost:3000, user admin, password $(setting GRAFANA_ADMIN_PASSWORD)"
    say "  Jaeger       http://localhost:16686"
    say "  Alertmanager http://localhost:9093"
fi
say "$0 --down stops everything and keeps the data"
