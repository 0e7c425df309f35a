#!/usr/bin/env bash
# Compares the processor time that iotmon and Telegraf take to receive the same from the same server, in turns.
#
#   tests/performance/telegraf.sh mqtt [MESSAGES [TURNS]]
#   tests/performance/telegraf.sh modbus [SECONDS [TURNS]]
#
# mqtt: MESSAGES of QoS 1 with one value each, from a Mosquitto. modbus: 1,000 float32 of one device, polled every 100 ms for SECONDS from the server
# of the tests, by pymodbus.
#
# iotmon is the whole program: source, log on disk, processor and live view. Telegraf has one input, and an output that discards ("discard") or that
# writes lines to a file ("file"). It is built from the Go module proxy, with these plugins only. TELEGRAF names another one. RUN is put before each
# command, such as RUN='taskset -c 1' for one processor. PORT is the first of two ports. PYTHON is one with pymodbus.
set -euo pipefail
protocol=${1:?mqtt or modbus}
turns=${3:-3}
read -ra run <<<"${RUN:-}"
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
port=${PORT:-18830}
web=127.0.0.1:$((port + 1))
pids=()
finish() {
    ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT

# Each protocol below sets these: what is counted, as a word and as a pattern of Telegraf's lines; the plugins that Telegraf is built with; the source
# of iotmon and the input of Telegraf. Its function measured NAME PID prints how many of them the program has received while it was measured, and how many
# ticks of the clock it has taken.
unit='' values='' plugins='' source='' input=''

# ticks PID prints the processor time of a process so far, received NAME how much the program has received so far.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
received() {
    case $1 in
    iotmon) curl -fsS "http://$web/api/v1/sources" | jq '.items[0].readings' ;;
    telegraf-file) grep -oE "$values" "$work/lines" | wc -l ;;
    esac
}

mqtt() {
    unit=message plugins=inputs.mqtt_consumer,parsers.json values='current='
    messages=${1:-300000}
    printf 'listener %s 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 0\nlog_type error\n' "$port" >"$work/mosquitto.conf"
    "$(command -v mosquitto || echo /usr/sbin/mosquitto)" -c "$work/mosquitto.conf" &
    pids+=($!)
    source='  - name: plant
    mqtt: {url: "tcp://127.0.0.1:'$port'", client_id: measured, topics: ["plant/#"], clean: true}
    map: [{field: current, device: "{{topic 3}}", type: current_sensor, unit: A}]'
    input='  flush_interval = "1s"
[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:'$port'"]
  topics = ["plant/#"]
  qos = 1
  client_id = "measured"
  persistent_session = false
  max_undelivered_messages = 20000
  data_format = "json"'
    # mosquitto_pub ends too early after more than 65,535.
    seq "$messages" | awk '{ printf "{\"current\": %d.%d}\n", $1 % 50, $1 % 10 }' | split -l 50000 - "$work/messages."

    measured() { # From before the first message until the program is idle again.
        local before now last
        before=$(ticks "$2")
        for part in "$work"/messages.*; do
            mosquitto_pub -h 127.0.0.1 -p "$port" -q 1 -t plant/hall-1/line-1/telemetry -l <"$part"
        done
        last=$before
        while sleep 2; do
            now=$(ticks "$2")
            ((now - last > 20)) || break # A tenth of a core.
            last=$now
        done
        case $1 in
        telegraf-discard) echo "$messages" ;; # Nothing counts what is discarded.
        *) received "$1" ;;
        esac
        echo $((now - before))
    }
}

modbus() {
    unit=value plugins=inputs.modbus values='v[0-9]+='
    seconds=${1:-30}
    count=1000
    local i python=${PYTHON:-$(echo "$HOME"/.cache/iotmon-test/pymodbus-*/bin/python)}
    mkfifo "$work/input"
    "$python" tests/testenv/testdata/pymodbus_server.py <"$work/input" >"$work/server" 2>&1 &
    pids+=($!)
    exec 9>"$work/input" # The server ends with its input.
    # 20.5 as a float32 is 0x41a40000.
    jq -cn --argjson n "$count" --argjson port "$port" \
        '{port: $port, records: "/dev/null", behaviour: {}, units: {"1": {holding: {"0": [range($n) | 16804, 0]}}}}' >&9
    until grep -q ready "$work/server"; do sleep 0.2; done
    source=$(
        printf '  - name: meters\n    modbus:\n      address: "tcp://127.0.0.1:%s"\n      every: 100ms\n      registers:\n' "$port"
        for ((i = 0; i < count; i++)); do
            echo "        - {address: holding/$((2 * i)), type: float32, device: meter-$i, device_type: temperature_sensor}"
        done
    )
    input=$(
        printf '  interval = "100ms"\n  flush_interval = "1s"\n[[inputs.modbus]]\n  name = "meters"\n  controller = "tcp://127.0.0.1:%s"\n  configuration_type = "request"\n' "$port"
        printf '  [[inputs.modbus.request]]\n    slave_id = 1\n    byte_order = "ABCD"\n    register = "holding"\n    measurement = "meters"\n    fields = [\n'
        for ((i = 0; i < count; i++)); do
            echo "      {address = $((2 * i)), name = \"v$i\", type = \"FLOAT32\"},"
        done
        printf '    ]\n'
    )

    measured() {
        local before from=0
        before=$(ticks "$2")
        [ "$1" = telegraf-discard ] || from=$(received "$1")
        sleep "$seconds"
        case $1 in
        telegraf-discard) echo $((seconds * 10 * count)) ;; # By the interval.
        *) echo $(($(received "$1") - from)) ;;
        esac
        echo $(($(ticks "$2") - before))
    }
}

# measure NAME COMMAND… prints the processor time that the command takes for a message or value.
measure() {
    local name=$1 pid
    shift
    rm -rf "$work/data" "$work/lines"
    "${run[@]}" "$@" >"$work/output" 2>&1 &
    pid=$!
    pids+=("$pid")
    sleep 5
    kill -0 "$pid" 2>/dev/null || { cat "$work/output" >&2; exit 1; }
    measured "$name" "$pid" | paste -s | awk -v name="$name" -v hz="$(getconf CLK_TCK)" -v unit="$unit" \
        '{ printf "%-17s %6.2f µs a %s, %d of them\n", name, $2 / hz / $1 * 1e6, unit, $1 }'
    kill "$pid"
    wait "$pid" || true
}

cd "$root"
case $protocol in
mqtt | modbus) "$protocol" ${2:+"$2"} ;;
*) echo "$protocol: want mqtt or modbus" >&2; exit 2 ;;
esac
telegraf=${TELEGRAF:-$work/telegraf}
if [ ! -x "$telegraf" ]; then
    GOBIN=$work go install -tags "custom,$plugins,outputs.discard,outputs.file,serializers.influx" github.com/influxdata/telegraf/cmd/telegraf@v1.37.2
fi
CGO_ENABLED=0 go build -trimpath -tags grpcnotrace -o "$work/iotmon" ./cmd/iotmon

printf 'data_dir: %s/data\narchive: {enabled: false}\nsources:\n%s\n' "$work" "$source" >"$work/iotmon.yaml"
for output in discard file; do
    printf '[agent]\n  metric_batch_size = 1000\n  metric_buffer_limit = 100000\n  omit_hostname = true\n  logtarget = "file"\n  logfile = "%s/telegraf.log"\n%s\n[[outputs.%s]]\n' \
        "$work" "$input" "$output" >"$work/telegraf-$output.conf"
done
printf '  files = ["%s/lines"]\n  data_format = "influx"\n' "$work" >>"$work/telegraf-file.conf"
for ((turn = 1; turn <= turns; turn++)); do
    measure iotmon "$work/iotmon" -no-simulator -addr "$web" -config "$work/iotmon.yaml"
    measure telegraf-discard "$telegraf" --config "$work/telegraf-discard.conf"
    measure telegraf-file "$telegraf" --config "$work/telegraf-file.conf"
done
