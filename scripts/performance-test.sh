#!/usr/bin/env bash
# Measures the documented figures on this machine. See --help.
set -euo pipefail
# shellcheck source=scripts/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

usage() {
    cat <<EOF
performance-test.sh measures with iotmon bench what the documentation claims, on this machine, and compares. Each run also
proves that every reading is in exactly one summary. It takes about two minutes and two cores, and leaves nothing behind.

Usage:
  scripts/performance-test.sh [SCENARIO...]

Scenarios; all of them if none is named:
  throughput    as many readings as this machine takes from 10,000 devices; documented: 100,000 a second
  latency       1,000 devices every 5 s, one viewer; documented: below 50 ms to the screen
  viewers       the same with 1,000 viewers; documented: 1,000 connections
  devices       10,000 devices every 5 s, archived; documented: below 1 GB of memory and 30 % of the processor
  services      memory of producer, consumer and web with 10,000 devices every 5 s on real servers; documented: 50, 100 and
                80 MB; only if it is named, and as: scripts/test-env.sh run scripts/performance-test.sh services
  scale         how the cost of a reading changes with devices and partitions, as a table; only if it is named
  small         what a gateway with 100 devices every 5 s needs, as a table over time, in --minutes; documented: below 60 MB of
                memory, 15 KB written a second and 2 % of a core; only if it is named

Options:
  --duration D      how long each takes (20s)
  --minutes N       how long small takes (40)
  --speed N         small in fast-forward: N times as many readings; then only memory is compared, over time. Six hours of
                    readings in 18 minutes: --minutes 18 --speed 20
  --brokers LIST    use this Kafka instead of the embedded broker
  -h, --help        show this

Exit status: 0 if all that is documented is reached, 1 if not.
EOF
}

all="throughput latency viewers devices"
scenarios="" duration=20s minutes=40 speed=1
options=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    --duration | --brokers | --minutes | --speed)
        [ $# -gt 1 ] || misused "$1: needs a value"
        case $1 in
        --duration) duration=$2 ;;
        --brokers) options=(-brokers "$2") ;;
        --minutes) must_be_seconds "$1" "$2" && minutes=$2 ;;
        --speed) must_be_seconds "$1" "$2" && speed=$2 ;;
        esac
        shift
        ;;
    -*) misused "$1: unknown option" ;;
    *)
        case " $all services scale small " in
        *" $1 "*) scenarios="$scenarios $1" ;;
        *) misused "$1: no such scenario; there are $all services scale small" ;;
        esac
        ;;
    esac
    shift
done
scenarios=${scenarios:-$all}
[ -x bin/iotmon ] || die "bin/iotmon is missing: build it with scripts/build.sh iotmon"

failed=0
report=""
# measure FLAGS… runs a benchmark and stores its report in the variable report.
measure() {
    say "iotmon bench $*"
    report=$(bin/iotmon bench -json -duration "$duration" "${options[@]}" "$@" 2>/dev/null) ||
        die "the benchmark failed, or a number is wrong: run it without -json to see which"
}

# value KEY [OBJECT] prints a number in the report, or in an object of it.
value() {
    local text=$report
    [ -z "${2:-}" ] || text=${text#*"\"$2\":"}
    text=${text#*"\"$1\":"}
    printf '%s\n' "${text%%[,\}]*}"
}

# compare WHAT VALUE UNIT MOST|LEAST BOUND
compare() {
    local verdict
    verdict=$(awk -v v="$2" -v b="$5" -v how="$4" 'BEGIN { print (how == "most" ? v <= b : v >= b) ? "reached" : "MISSED" }')
    [ "$verdict" = reached ] || failed=1
    printf '  %-28s %12.1f %-12s documented: at %s %s: %s\n' "$1" "$2" "$3" "$4" "$5" "$verdict"
}

# row DEVICES PARTITIONS measures and prints a row of the table.
row() {
    report=$(bin/iotmon bench -json -duration "$duration" "${options[@]}" -devices "$1" -partitions "$2" 2>/dev/null) ||
        die "the benchmark failed, or a number is wrong: run it without -json to see which"
    awk -v d="$1" -v p="$2" -v r="$(value readings_per_second)" -v c="$(value cpu_us_per_reading)" -v m="$(value peak_rss_bytes)" \
        'BEGIN { printf "| %d | %d | %.0f | %.2f | %.0f |\n", d, p, r, c, m / 1048576 }'
}

# serve NAME runs a service until the script ends.
serve() {
    "bin/$1" -config "$work/config.yaml" -addr 127.0.0.1:0 >"$work/$1.log" 2>&1 &
    started+=("$!")
}

# services runs the three on the servers of the test environment, and compares their memory.
services() {
    local name=performance_$$ service
    for service in producer consumer web; do
        [ -x "bin/$service" ] || die "bin/$service is missing: build it with scripts/build.sh"
    done
    eval "$(scripts/test-env.sh env)"
    if [ -z "${TESTENV_KAFKA:-}" ] || [ -z "${TESTENV_POSTGRES:-}" ] || [ -z "${TESTENV_REDIS:-}" ]; then
        die "Kafka, PostgreSQL and Redis do not all run: scripts/test-env.sh run scripts/performance-test.sh services"
    fi
    work=$(mktemp -d)
    trap 'kill "${started[@]}" 2>/dev/null; wait; psql -q -X -d "$TESTENV_POSTGRES" -c "DROP DATABASE IF EXISTS performance_$$" >&2; rm -rf "$work"' EXIT
    psql -q -X -d "$TESTENV_POSTGRES" -c "CREATE DATABASE $name"
    cat >"$work/config.yaml" <<EOF
kafka:
  brokers: [$TESTENV_KAFKA]
  topic: $name-readings
  dead_letters_topic: $name-dlq
  aggregates_topic: $name-aggregates
  alerts_topic: $name-alerts
  states_topic: $name-states
  in_force_topic: $name-in-force
  sources_topic: $name-sources
  maps_topic: $name-maps
  group_id: $name
postgres: {url: "${TESTENV_POSTGRES/\/postgres?//$name?}"}
redis: {url: "$TESTENV_REDIS"}
device_simulator: {device_count: 10000, send_interval: 5s}
EOF
    for service in producer consumer web; do serve "$service"; done
    say "10,000 devices every 5 s for a minute"
    sleep 60
    set -- 50 100 80
    for service in producer consumer web; do
        compare "memory of $service" "$(awk '/VmHWM/ { print $2 / 1024 }' "/proc/${started[0]}/status")" MB most "$1"
        kill "${started[0]}"
        started=("${started[@]:1}")
        shift
    done
}

# usage_of PID prints resident, its anonymous part and that of files in KiB, bytes written, and hundredths of seconds of a core.
usage_of() {
    awk '/^VmRSS/ { rss = $2 } /^RssAnon/ { anon = $2 } /^RssFile/ { file = $2 } /^write_bytes/ { written = $2 }
        FILENAME ~ /stat$/ { sub(/.*\) /, ""); cpu = $12 + $13 }
        END { print rss, anon, file, written, cpu }' "/proc/$1/status" "/proc/$1/io" "/proc/$1/stat"
}

# small runs iotmon with a hundred devices, and prints its usage in every minute.
small() {
    local minute now before=(0 0 0 0 0) half=() middle=0 end=0
    work=$(mktemp -d)
    trap 'kill "${started[@]}" 2>/dev/null; wait; rm -rf "$work"' EXIT
    bin/iotmon -devices 100 -interval "$((5000 / speed))ms" -addr 127.0.0.1:0 -data-dir "$work/data" >"$work/log" 2>&1 &
    started+=("$!")
    say "100 devices every $((5000 / speed)) ms for $minutes minutes"
    say "| minute | resident, MB | anonymous | of files | written, KB/s | of a core, % |"
    say "|---|---|---|---|---|---|"
    for ((minute = 1; minute <= minutes; minute++)); do
        sleep 60
        read -ra now <<<"$(usage_of "${started[0]}")"
        awk -v m="$minute" -v now="${now[*]}" -v before="${before[*]}" 'BEGIN { split(now, n); split(before, b)
            printf "| %d | %.1f | %.1f | %.1f | %.1f | %.2f |\n", m, n[1]/1024, n[2]/1024, n[3]/1024, (n[4]-b[4])/60/1000, (n[5]-b[5])/60 }'
        before=("${now[@]}")
        [ "$minute" -ne $((minutes / 2)) ] || half=("${now[@]}")
        if [ "$minute" -gt $((minutes / 3)) ] && [ "$minute" -le $((2 * minutes / 3)) ]; then
            middle=$((now[0] > middle ? now[0] : middle))
        elif [ "$minute" -gt $((2 * minutes / 3)) ]; then
            end=$((now[0] > end ? now[0] : end))
        fi
    done
    compare "growth in the last third" "$(awk -v a="$middle" -v b="$end" 'BEGIN { print (b - a) / 1024 }')" MB most 2
    [ "$speed" = 1 ] || return 0
    compare "memory" "$(awk -v v="$end" 'BEGIN { print v / 1024 }')" MB most 60
    set -- "$(awk -v a="${half[3]}" -v b="${now[3]}" -v s=$((60 * (minutes - minutes / 2))) 'BEGIN { print (b - a) / s / 1000 }')" \
        "$(awk -v a="${half[4]}" -v b="${now[4]}" -v s=$((60 * (minutes - minutes / 2))) 'BEGIN { print (b - a) / s }')"
    compare "written in the last half" "$1" KB/s most 15
    compare "processor in the last half" "$2" "% of a core" most 2
}

started=() work=""
for scenario in $scenarios; do
    say ""
    say "[$scenario]"
    case $scenario in
    throughput)
        measure -devices 10000
        compare "readings" "$(value readings_per_second)" "a second" least 100000
        ;;
    latency)
        measure -devices 1000 -rate 200 -clients 1
        compare "reading to screen, 99 %" "$(value p99_ms created_to_socket)" ms most 50
        compare "reading to alert, 99 %" "$(value p99_ms created_to_alert)" ms most 50
        ;;
    viewers)
        measure -devices 1000 -rate 200 -clients 1000
        compare "connections kept" "$((1000 - $(value connections_lost viewers)))" "" least 1000
        compare "reading to screen, half" "$(value p50_ms created_to_socket)" ms most 100
        ;;
    services) services ;;
    small) small ;;
    scale)
        say "| devices | partitions | readings/s | CPU µs a reading | memory, MB |"
        say "|---|---|---|---|---|"
        for devices in 1000 10000 100000; do row $devices 10; done
        for partitions in 1 2 50; do row 10000 $partitions; done
        ;;
    devices)
        measure -devices 10000 -rate 2000 -archive
        compare "memory" "$(awk -v v="$(value peak_rss_bytes)" 'BEGIN { print v / 1048576 }')" MB most 1024
        compare "processor, of all cores" "$(awk -v v="$(value cores)" -v n="$(getconf _NPROCESSORS_ONLN)" 'BEGIN { print 100 * v / n }')" % most 30
        ;;
    esac
done
exit $failed
