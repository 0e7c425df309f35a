#!/usr/bin/env bash
# Writes into .env where the middleware is. See --help.
set -euo pipefail
# shellcheck source=scripts/lib/services.sh
. "$(dirname "$0")/lib/services.sh"
# shellcheck source=scripts/lib/settings.sh
. scripts/lib/settings.sh

usage() {
    cat <<EOF
update_config.sh sets for the services where Kafka, PostgreSQL and Redis are. It fills <KAFKA_HOST> and <MIDDLEWARE_HOST> in
configs/*.yaml through the file .env, and leaves the YAML files as they are.

Usage:
  scripts/update_config.sh [OPTIONS] [HOST]    HOST is the machine of all middleware (the one in .env, or localhost)

Options:
  --kafka-host HOST      Kafka is on another machine than the rest
  --postgres-url URL     another database than iot_monitoring on HOST: postgres://user:password@host:5432/database
  --redis-url URL        another cache than that on HOST: redis://host:6379/0
  --tracing-endpoint URL the receiver of traces, such as http://localhost:4318 of Jaeger; none for no traces
  --show                 only say what .env says, without passwords
  --undo                 put back the .env from before the last change
  -h, --help             show this

Files:
  .env                   what is written; other lines stay. .env.before is the file before the last change.

iotmon, everything in one process, needs none of this, and refuses a .env that names a database of the others: run it in
another directory.
EOF
}

host="" kafka="" postgres="" redis="" tracing=""
show() {
    if [ ! -f .env ]; then
        say ".env: there is none; the services look for everything on localhost"
        return 0
    fi
    # A password stands between the last colon of user:password and the @, or is a value by itself.
    sed -n -E -e '/^[[:space:]]*(#|$)/d' -e 's#(://[^:/@]*):[^@]*@#\1:…@#g' -e 's/^([A-Z_]*PASSWORD)=.*/\1=…/' -e p .env
}

undo() {
    [ -f .env.before ] || die "there is no .env.before to put back"
    mv .env.before .env
    say ".env is as it was before:"
    show
}

# value OPTION VALUE refuses an option without one.
value() { [ -n "$2" ] || misused "$1: a value is missing"; }

while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    --show)
        show
        exit 0
        ;;
    --undo)
        undo
        exit 0
        ;;
    --kafka-host) value "$1" "${2:-}" && kafka=$2 && shift ;;
    --postgres-url) value "$1" "${2:-}" && postgres=$2 && shift ;;
    --redis-url) value "$1" "${2:-}" && redis=$2 && shift ;;
    --tracing-endpoint) value "$1" "${2:-}" && tracing=$2 && shift ;;
    -*) misused "$1: unknown option" ;;
    *)
        [ -z "$host" ] || misused "$1: one host is enough"
        host=$1
        ;;
    esac
    shift
done

host=${host:-$(setting MIDDLEWARE_HOST)}
host=${host:-localhost}
kafka=${kafka:-$host}
for name in "$host" "$kafka"; do
    case $name in
    *[!A-Za-z0-9._-]* | -*) misused "$name: not the name or the IPv4 address of a host" ;;
    esac
done

# Where nothing is known, the services look for the middleware of docker-compose.yml on this machine.
literal POSTGRES_PASSWORD
password=$(setting POSTGRES_PASSWORD)
by_itself=()
if [ -z "$postgres" ]; then
    by_itself=("IOTMON_POSTGRES_PASSWORD=")
    case $password in
    *[!A-Za-z0-9._~-]*)
        # A URL would have to encode it.
        by_itself=("IOTMON_POSTGRES_PASSWORD=$(written POSTGRES_PASSWORD)")
        postgres="postgres://iot_user@$host:5432/iot_monitoring"
        ;;
    *)
        if [ "$host" != localhost ] || [ -n "$password" ]; then
            postgres="postgres://iot_user:${password:-iot_password}@$host:5432/iot_monitoring"
        fi
        ;;
    esac
fi
if [ -z "$redis" ] && [ "$host" != localhost ]; then
    redis="redis://$host:6379/0"
fi
for url in "$postgres" "$redis" "$tracing"; do
    case $url in
    *[[:space:]]*) misused "a URL has no blanks and no line ends: write them as %20 and %0A" ;;
    esac
done
case $postgres in
'' | postgres://* | postgresql://*) ;;
*) misused "--postgres-url: must be postgres://user:password@host:5432/database" ;;
esac
case $redis in
'' | redis://* | rediss://*) ;;
*) misused "--redis-url: must be redis://host:6379/0, or rediss:// for TLS" ;;
esac
tracing=${tracing:-$(setting IOTMON_TRACING_ENDPOINT)}
case $tracing in
none) tracing="" ;;
'' | http://* | https://*) ;;
*) misused "--tracing-endpoint: must be http://host:4318, https://, or none" ;;
esac

settings \
    "KAFKA_HOST=$kafka" \
    "MIDDLEWARE_HOST=$host" \
    "IOTMON_POSTGRES_URL=$postgres" \
    ${by_itself[@]+"${by_itself[@]}"} \
    "IOTMON_REDIS_URL=$redis" \
    "IOTMON_TRACING_ENDPOINT=$tracing"
say ".env says:"
show

for service in $core_services; do
    [ -x "bin/$service" ] || continue
    problems=$("bin/$service" -check-config 2>&1) || {
        warn "$service does not accept this; scripts/update_config.sh --undo puts the old .env back:"
        printf '%s\n' "$problems" >&2
        exit 1
    }
done
