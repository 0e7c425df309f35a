#!/usr/bin/env bash
# Starts the middleware in containers. See --help.
set -euo pipefail
# shellcheck source=scripts/lib/services.sh
. "$(dirname "$0")/lib/services.sh"
# shellcheck source=scripts/lib/docker.sh
. scripts/lib/docker.sh
# shellcheck source=scripts/lib/settings.sh
. scripts/lib/settings.sh

usage() {
    cat <<EOF
deploy_middleware.sh starts the middleware of docker-compose.yml on this machine, waits until it is healthy, and replaces the
documented passwords by its own, which it prints and keeps in .env. It may be run again at any time.

Usage:
  scripts/deploy_middleware.sh recommended    Kafka, Redis, PostgreSQL and Prometheus
  scripts/deploy_middleware.sh full           and Grafana, Jaeger, Alertmanager, and what measures this machine
  scripts/deploy_middleware.sh --down         stops all of it; the data stays
  scripts/deploy_middleware.sh --status       says how each part is

Options:
  --wait SECONDS    how long it may take to be healthy, once the images are there (180)
  -h, --help        show this

The way back is --down. docker-compose down -v removes the data as well.
EOF
}

basic="kafka redis postgres prometheus"
extra="grafana jaeger alertmanager node-exporter"

# ports SERVICE prints the ports that a service uses on this machine.
ports() {
    case $1 in
    kafka) echo 9092 ;;
    redis) echo 6379 ;;
    postgres) echo 5432 ;;
    prometheus) echo 9090 ;;
    grafana) echo 3000 ;;
    jaeger) echo "16686 4317 4318" ;;
    alertmanager) echo 9093 ;;
    node-exporter) echo 9100 ;;
    esac
}

status() {
    local service
    for service in $basic $extra; do
        printf '%-14s %s\n' "$service" "$(state "$service")"
    done
}

# check ends the script if another program has one of the ports.
check() {
    local service port
    for service in $services; do
        case $(state "$service") in
        missing | created | exited | dead) ;;
        *) continue ;; # The port is its own.
        esac
        for port in $(ports "$service"); do
            ! port_open "$port" || die "$service needs port $port, which another program has; nothing was started"
        done
    done
    local host
    host=$(setting KAFKA_HOST)
    if [ "${host:-localhost}" != localhost ] && [ -z "$(setting MIDDLEWARE_BIND)" ]; then
        die ".env says that Kafka is on $host. Either that is elsewhere, and there is nothing to start here, or this machine is
    $host: then set MIDDLEWARE_BIND in .env to the address by which others reach it. For this machine alone:
    scripts/update_config.sh localhost"
    fi
}

secret() { head -c 18 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# passwords creates the passwords that are not in .env yet.
passwords() {
    local name
    literal POSTGRES_PASSWORD POSTGRES_READER_PASSWORD GRAFANA_ADMIN_PASSWORD
    for name in POSTGRES_PASSWORD POSTGRES_READER_PASSWORD GRAFANA_ADMIN_PASSWORD; do
        [ -n "$(setting "$name")" ] || settings "$name=$(secret)"
    done
}

# await waits until every service is healthy.
await() {
    local service left=$services still now begun=$SECONDS
    while :; do
        still=""
        for service in $left; do
            now=$(state "$service")
            case $now in
            healthy | running) say "$service: $now after $((SECONDS - begun)) s" ;;
            *) still="$still $service" ;;
            esac
        done
        left=$still
        [ -n "$left" ] || return 0
        if [ $((SECONDS - begun)) -ge "$patience" ]; then
            for service in $left; do
                warn "$service: $(state "$service") after $patience s; its log:"
                compose logs --tail=10 "$service" >&2 || true
            done
            die "not healthy:$left. It goes on trying; $program --status says how it is, --down stops it"
        fi
        sleep 1
    done
}

# apply sets the present passwords in servers whose data is older.
apply() {
    # The image's variables may be older than .env. The socket inside the container needs no password.
    # In quotes, psql reads a doubled quote as one quote, and a backslash as the beginning of an escape.
    printf '%s\n' "\\set password '$(setting POSTGRES_PASSWORD | sed "s/[\\\\']/&&/g")'" "ALTER ROLE iot_user PASSWORD :'password';" |
        compose exec -T postgres psql -q -X -v ON_ERROR_STOP=1 -U iot_user -d iot_monitoring >/dev/null ||
        die "PostgreSQL does not take its password"
    compose exec -T postgres bash /docker-entrypoint-initdb.d/10-reader.sh ||
        die "PostgreSQL does not take the password of its reader"
    case " $services " in *" grafana "*) ;; *) return 0 ;; esac
    local login
    login="admin:$(setting GRAFANA_ADMIN_PASSWORD | sed 's/[\\"]/\\&/g')"
    if have curl && ! printf 'user = "%s"\n' "$login" | curl -sf -o /dev/null -K - http://127.0.0.1:3000/api/org; then
        setting GRAFANA_ADMIN_PASSWORD |
            compose exec -T grafana grafana cli admin reset-admin-password --password-from-stdin >/dev/null ||
            warn "Grafana keeps a password from before; sign in with that, and change it"
    fi
}

announce() {
    say "the middleware is ready:"
    say "  Kafka        localhost:9092"
    say "  Redis        localhost:6379"
    say "  PostgreSQL   localhost:5432, database iot_monitoring, user iot_user, password $(setting POSTGRES_PASSWORD)"
    say "  Prometheus   http://localhost:9090"
    case " $services " in *" grafana "*) ;; *) return 0 ;; esac
    say "  Grafana      http://localhost:3000, user admin, password $(setting GRAFANA_ADMIN_PASSWORD)"
    say "  Jaeger       http://localhost:16686"
    say "  Alertmanager http://localhost:9093"
}

mode="" patience=180
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
    recommended | full | --down | --status)
        [ -z "$mode" ] || misused "$1: $mode is enough"
        mode=$1
        ;;
    -*) misused "$1: unknown option" ;;
    *) misused "$1: must be recommended or full" ;;
    esac
    shift
done

# All services are named below, so that those of the profile are found even if they were not started.
export COMPOSE_PROFILES=full
case ${mode:-recommended} in
recommended) services=$basic ;;
full) services="$basic $extra" ;;
--status)
    need_compose
    status
    exit 0
    ;;
--down)
    need_compose
    only_one "deployment of middleware"
    compose down
    say "the middleware is stopped; its data is kept. docker-compose down -v removes that too"
    exit 0
    ;;
esac

need_compose
only_one "deployment of middleware"
check
passwords
say "starting $services; the first time downloads the images…"
# shellcheck disable=SC2086 # A list of names.
compose up -d $services || die "docker compose could not start it; $program --down takes back what was started"
await
apply
announce
say "next: scripts/update_config.sh writes it into the settings of the services"
