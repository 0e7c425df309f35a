#!/usr/bin/env bash
# Compares the processor time that a value of Modbus costs in iotmon and in Telegraf: the same server, the same registers, in turns.
#
#   tests/performance/telegraf-modbus.sh [SECONDS [TURNS]]
#
# The server is that of the tests, by pymodbus, with 1,000 float32 of one device, which are polled every 100 ms; SECONDS is how long each program is
# measured, after five seconds. iotmon is the whole program: source, log on disk, processor and live view. Telegraf has its Modbus input, and an output that
# discards ("discard") or that writes lines to a file ("file"). It is built from the Go module proxy, with these plugins only. TELEGRAF names another
# one. RUN is put before each command, such as RUN='chrt -f 50 taskset -c 1' for one processor before other work. PYTHON is one with pymodbus.
set -euo pipefail
seconds=${1:-30}
turns=${2:-3}
values=1000
read -ra run <<<"${RUN:-}"
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
port=${PORT:-15020}
python=${PYTHON:-$(echo "$HOME"/.cache/iotmon-test/pymodbus-*/bin/python)}
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
    GOBIN=$work go install -tags custom,inputs.modbus,outputs.discard,outputs.file,serializers.influx github.com/influxdata/telegraf/cmd/telegraf@v1.37.2
fi
CGO_ENABLED=0 go build -trimpath -tags grpcnotrace -o "$work/iotmon" ./cmd/iotmon

# 20.5 as a float32 is 0x41a40000.
jq -cn --argjson n "$values" --argjson port "$port" \
    '{port: $port, records: "/dev/null", behaviour: {}, units: {"1": {holding: {"0": [range($n) | 16804, 0]}}}}' >"$work/server.json"
mkfifo "$work/input"
"$python" tests/testenv/testdata/pymodbus_server.py <"$work/input" >"$work/server" 2>&1 &
pids+=($!)
exec 9>"$work/input" # The server ends with its input.
cat "$work/server.json" >&9
until grep -q ready "$work/server"; do sleep 0.2; done

{
    printf 'data_dir: %s/data\narchive: {enabled: false}\nsources:\n  - name: meters\n    modbus:\n      address: "tcp://127.0.0.1:%s"\n      every: 100ms\n      registers:\n' "$work" "$port"
    for ((i = 0; i < values; i++)); do
        echo "        - {address: holding/$((2 * i)), type: float32, device: meter-$i, device_type: temperature_sensor}"
    done
} >"$work/iotmon.yaml"
for output in discard file; do
    {
        printf '[agent]\n  interval = "100ms"\n  flush_interval = "1s"\n  metric_batch_size = 1000\n  metric_buffer_limit = 100000\n  omit_hostname = true\n'
        printf '  logtarget = "file"\n  logfile = "%s/telegraf.log"\n' "$work"
        printf '[[inputs.modbus]]\n  name = "meters"\n  controller = "tcp://127.0.0.1:%s"\n  configuration_type = "request"\n' "$port"
        printf '  [[inputs.modbus.request]]\n    slave_id = 1\n    byte_order = "ABCD"\n    register = "holding"\n    measurement = "meters"\n    fields = [\n'
        for ((i = 0; i < values; i++)); do
            echo "      {address = $((2 * i)), name = \"v$i\", type = \"FLOAT32\"},"
        done
        printf '    ]\n'
    } >"$work/telegraf-$output.conf"
done
echo '[[outputs.discard]]' >>"$work/telegraf-discard.conf"
printf '[[outputs.file]]\n  files = ["%s/lines"]\n  data_format = "influx"\n' "$work" >>"$work/telegraf-file.conf"

# ticks PID prints the processor time of a process, in ticks of the clock.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# received NAME prints how many values the program has received so far; nothing counts what is discarded.
received() {
    case $1 in
    iotmon) curl -fsS "http://127.0.0.1:$((port + 1))/api/v1/sources" | jq '.items[0].readings' ;;
    telegraf-file) grep -o 'v[0-9]*=' "$work/lines" | wc -l ;;
    *) echo "$(($(date +%s%3N) * values / 100))" ;;
    esac
}

# measure NAME COMMAND… prints the microseconds of processor time that the command uses for a value.
measure() {
    local name=$1 pid before from
    shift
    rm -rf "$work/data" "$work/lines"
    "${run[@]}" "$@" >"$work/output" 2>&1 &
    pid=$!
    pids+=("$pid")
    sleep 5
    kill -0 "$pid" 2>/dev/null || { cat "$work/output" >&2; exit 1; }
    before=$(ticks "$pid")
    from=$(received "$name")
    sleep "$seconds"
    awk -v name="$name" -v ticks=$(($(ticks "$pid") - before)) -v hz="$(getconf CLK_TCK)" -v n=$(($(received "$name") - from)) -v seconds="$seconds" \
        'BEGIN { printf "%-17s %6.2f µs a value, %7.0f values/s\n", name, ticks / hz / n * 1e6, n / seconds }'
    kill "$pid"
    wait "$pid" || true
}

for ((turn = 1; turn <= turns; turn++)); do
    measure iotmon "$work/iotmon" -no-simulator -addr "127.0.0.1:$((port + 1))" -config "$work/iotmon.yaml"
    measure telegraf-discard "$telegraf" --config "$work/telegraf-discard.conf"
    measure telegraf-file "$telegraf" --config "$work/telegraf-file.conf"
done
