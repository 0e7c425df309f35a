#!/usr/bin/env bash
# Compares the processor time that a message of MQTT costs in iotmon and in Telegraf: the same Mosquitto, the same messages with QoS 1, in turns.
#
#   tests/performance/telegraf.sh [MESSAGES [TURNS]]
#
# iotmon is the whole program: source, log on disk, processor and live view. Telegraf has the MQTT consumer, its JSON parser, and an output that
# discards ("discard") or that writes lines to a file ("file"). It is built from the Go module proxy, with these plugins only. TELEGRAF names another
# one. RUN is put before each command, such as RUN='chrt -f 50 taskset -c 1' for one processor before other work.
set -euo pipefail
messages=${1:-300000}
turns=${2:-3}
read -ra run <<<"${RUN:-}"
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
port=${PORT:-18830}
pids=()
finish() {
    ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT

cd "$root"
telegraf=${TELEGRAF:-$work/telegraf}
if [ ! -x "$telegraf" ]; then
    GOBIN=$work go install -tags custom,inputs.mqtt_consumer,outputs.discard,outputs.file,parsers.json,serializers.influx \
        github.com/influxdata/telegraf/cmd/telegraf@v1.37.2
fi
CGO_ENABLED=0 go build -trimpath -tags grpcnotrace -o "$work/iotmon" ./cmd/iotmon

cat >"$work/mosquitto.conf" <<EOF
listener $port 127.0.0.1
allow_anonymous true
max_inflight_messages 1000
max_queued_messages 0
log_type error
EOF
"$(command -v mosquitto || echo /usr/sbin/mosquitto)" -c "$work/mosquitto.conf" &
pids+=($!)

cat >"$work/iotmon.yaml" <<EOF
data_dir: $work/data
archive: {enabled: false}
sources:
  - name: plant
    mqtt: {url: "tcp://127.0.0.1:$port", client_id: measured, topics: ["plant/#"], clean: true}
    map: [{field: current, device: "{{topic 3}}", type: current_sensor, unit: A}]
EOF
for output in discard file; do
    cat >"$work/telegraf-$output.conf" <<EOF
[agent]
  flush_interval = "1s"
  metric_batch_size = 1000
  metric_buffer_limit = 100000
  omit_hostname = true
  logtarget = "file"
  logfile = "$work/telegraf.log"
[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:$port"]
  topics = ["plant/#"]
  qos = 1
  client_id = "measured-$output"
  persistent_session = false
  max_undelivered_messages = 20000
  data_format = "json"
EOF
done
echo '[[outputs.discard]]' >>"$work/telegraf-discard.conf"
printf '[[outputs.file]]\n  files = ["%s/lines"]\n  data_format = "influx"\n' "$work" >>"$work/telegraf-file.conf"

seq "$messages" | awk '{ printf "{\"current\": %d.%d}\n", $1 % 50, $1 % 10 }' | split -l 50000 - "$work/messages." # mosquitto_pub ends too early after more than 65,535.

# ticks PID prints the processor time of a process, in ticks of the clock.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# measure NAME COMMAND… prints the microseconds of processor time that the command uses for a message: from before the first one until it is idle again.
measure() {
    local name=$1 pid before now last
    shift
    rm -rf "$work/data" "$work/lines"
    "${run[@]}" "$@" >"$work/output" 2>&1 &
    pid=$!
    pids+=("$pid")
    sleep 5
    kill -0 "$pid" 2>/dev/null || { cat "$work/output" >&2; exit 1; }
    before=$(ticks "$pid")
    for part in "$work"/messages.*; do
        mosquitto_pub -h 127.0.0.1 -p "$port" -q 1 -t plant/hall-1/line-1/telemetry -l <"$part"
    done
    last=$before
    while sleep 2; do
        now=$(ticks "$pid")
        ((now - last > 20)) || break # A tenth of a core.
        last=$now
    done
    case $name in
    iotmon) got=$(curl -fsS "http://127.0.0.1:$((port + 1))/api/v1/sources" | jq '.items[0].readings') ;;
    telegraf-file) got=$(wc -l <"$work/lines") ;;
    *) got=$messages ;; # Nothing counts what is discarded.
    esac
    if [ "$got" -ne "$messages" ]; then
        echo "$name has made $got readings of $messages messages" >&2
    fi
    kill "$pid"
    wait "$pid" || true
    awk -v name="$name" -v ticks=$((now - before)) -v hz="$(getconf CLK_TCK)" -v n="$messages" 'BEGIN { printf "%-17s %6.2f µs a message\n", name, ticks / hz / n * 1e6 }'
}

for ((turn = 1; turn <= turns; turn++)); do
    measure iotmon "$work/iotmon" -no-simulator -addr "127.0.0.1:$((port + 1))" -config "$work/iotmon.yaml"
    measure telegraf-discard "$telegraf" --config "$work/telegraf-discard.conf"
    measure telegraf-file "$telegraf" --config "$work/telegraf-file.conf"
done
