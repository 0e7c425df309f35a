#!/bin/bash
# What the stand-in images of middleware.sh run: the server of the first argument, configured by the same variables and arguments
# as the image that it stands in for.
set -euo pipefail
name=$1
shift

kafka() {
    local variable file=/tmp/server.properties
    # KAFKA_LOG_DIRS is log.dirs.
    for variable in $(compgen -e KAFKA_); do
        [ "$variable" = KAFKA_HEAP_OPTS ] || printf '%s=%s\n' "$(sed 's/^KAFKA_//; s/_/./g' <<<"${variable,,}" | sed 's/^kafka\.//')" "${!variable}"
    done >"$file"
    local java=(/java/bin/java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC)
    "${java[@]}" -cp '/kafka/lib/*' kafka.tools.StorageTool format -t "$CLUSTER_ID" -c "$file" --ignore-formatted
    # shellcheck disable=SC2086 # A list of options.
    exec "${java[@]}" $KAFKA_HEAP_OPTS -cp '/kafka/lib/*' kafka.Kafka "$file"
}

postgres() {
    local bin data=/var/lib/postgresql/data as=(setpriv --reuid postgres --regid postgres --init-groups) script
    bin=$(echo /usr/lib/postgresql/*/bin)
    export PATH=$bin:$PATH
    if [ ! -e "$data/PG_VERSION" ]; then
        chown postgres "$data"
        printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
        chown postgres /tmp/password
        "${as[@]}" initdb -D "$data" -E UTF8 --locale C.UTF-8 -U "$POSTGRES_USER" -A scram-sha-256 --auth-local trust --pwfile /tmp/password >/dev/null
        echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
        # While it is made the server listens on its socket alone, as the image's does.
        "${as[@]}" pg_ctl -D "$data" -o "-c listen_addresses=" -w start >/dev/null
        createdb -U "$POSTGRES_USER" "$POSTGRES_DB"
        for script in /docker-entrypoint-initdb.d/*.sh; do
            bash "$script"
        done
        "${as[@]}" pg_ctl -D "$data" -w stop >/dev/null
    fi
    exec "${as[@]}" postgres -D "$data" -c listen_addresses='*'
}

case $name in
kafka | postgres) "$name" ;;
# The image of the real one is built to take connections from outside the container.
redis) exec "$@" --protected-mode no ;;
prometheus | prometheus-alertmanager | prometheus-node-exporter) exec "$name" "$@" ;;
# Nobody has these two for Debian: they answer what full_deployment.sh asks, and say nothing of the real ones.
grafana | jaeger) exec perl /standin/answer.pl "$name" ;;
esac
