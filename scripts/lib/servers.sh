# Sourced by the scripts that provide the servers of the tests: where their programs are, and which Debian packages contain
# the missing ones.
# shellcheck shell=bash

# postgres_bin prints the directory of the newest PostgreSQL's programs, which Debian keeps out of the path.
postgres_bin() {
    local dir newest=""
    for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V); do
        [ -x "$dir/initdb" ] && newest=$dir
    done
    if [ -z "$newest" ] && have initdb; then
        newest=$(dirname "$(readlink -f "$(command -v initdb)")")
    fi
    [ -n "$newest" ] && echo "$newest"
}

# java_major prints the major version of a java program.
java_major() {
    "$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1
}

# find_java prints a Java that runs every tested Kafka: 17 or 21, or else a newer one in the path.
find_java() {
    local java major
    for java in "${JAVA_HOME:-/nonexistent}/bin/java" /usr/lib/jvm/java-17-*/bin/java /usr/lib/jvm/java-21-*/bin/java java; do
        have "$java" || continue
        major=$(java_major "$java")
        if [ "${major:-0}" -ge 17 ]; then
            command -v "$java"
            return 0
        fi
    done
    return 1
}

# missing_packages SERVER… prints the Debian packages with the missing programs of the servers, and with the programs that
# tests use as clients.
missing_packages() {
    local server
    for server in "$@"; do
        case $server in
        kafka)
            find_java >/dev/null || echo default-jre-headless
            have mvn || echo maven
            have openssl || echo openssl
            have kcat || echo kcat
            ;;
        postgres)
            [ -n "$(postgres_bin)" ] || echo postgresql
            have psql || echo postgresql-client
            ;;
        redis)
            have redis-server || echo redis-server
            have redis-cli || echo redis-tools
            ;;
        nginx)
            have nginx || [ -x /usr/sbin/nginx ] || echo nginx
            have curl || echo curl
            ;;
        mosquitto)
            have mosquitto || [ -x /usr/sbin/mosquitto ] || echo mosquitto
            have mosquitto_pub || echo mosquitto-clients
            ;;
        alertmanager)
            have prometheus-alertmanager || echo prometheus-alertmanager
            ;;
        faketime)
            have faketime || echo faketime
            ;;
        haproxy)
            have haproxy || [ -x /usr/sbin/haproxy ] || echo haproxy
            ;;
        pymodbus | pysparkplug | asyncua | aiosmtpd)
            can_make_environments || echo python3 python3-venv | tr ' ' '\n'
            ;;
        esac
    done
}
