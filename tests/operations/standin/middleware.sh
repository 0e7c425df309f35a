#!/usr/bin/env bash
# Makes stand-ins for the images of docker-compose.yml, with the same names, from Debian's packages and from the Kafka that
# scripts/test-env.sh has brought: for engines that can reach no registry. Their versions are not those of the names.
#
#   tests/operations/standin/middleware.sh && scripts/full_deployment.sh full
#
# It needs root, debootstrap, and a Temurin Java of 17 or newer.
set -euo pipefail
cd "$(dirname "$0")/../../.."

here=tests/operations/standin
cache=${XDG_CACHE_HOME:-$HOME/.cache}/iotmon-test
debian=$cache/standin-debian
kafka=$(printf '%s\n' "$cache"/kafka-4.*/lib | tail -n 1)
[ -d "$kafka" ] || { echo "there is no Kafka: run scripts/test-env.sh up kafka first" >&2; exit 1; }
# One that has all of itself in its directory, unlike Debian's.
java=$(printf '%s\n' /usr/lib/jvm/temurin-* | tail -n 1)
[ -x "$java/bin/java" ] || { echo "there is no Java in /usr/lib/jvm/temurin-*" >&2; exit 1; }

if [ ! -d "$debian" ]; then
    packages=postgresql,redis-server,prometheus,prometheus-alertmanager,prometheus-node-exporter,netcat-openbsd,wget
    debootstrap --variant=minbase --include="$packages" bookworm "$debian.new" >/dev/null
    rm -rf "$debian.new"/var/cache/apt/* "$debian.new"/usr/share/{doc,man,locale}
    mv "$debian.new" "$debian"
fi
tar -c --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' -C "$debian" . \
    -C "$(dirname "$java")" --transform "s#^$(basename "$java")#./java#S" "$(basename "$java")" \
    -C "$(dirname "$kafka")" --transform 's#^lib#./kafka/lib#S' lib |
    docker import - iotmon-standin:base >/dev/null

image() { sed -n "s#^    image: \($1:.*\)#\1#p" docker-compose.yml; }
# make IMAGE SERVER
make() {
    docker build -q -t "$(image "$1")" -f - $here >/dev/null <<EOF
FROM iotmon-standin:base
COPY entry.sh answer.pl /standin/
ENTRYPOINT ["bash", "/standin/entry.sh", "$2"]
EOF
    echo "made $(image "$1")"
}
make apache/kafka kafka
make redis redis
make postgres postgres
make prom/prometheus prometheus
make prom/alertmanager prometheus-alertmanager
make prom/node-exporter prometheus-node-exporter
make grafana/grafana grafana
make jaegertracing/jaeger jaeger
