#!/usr/bin/env bash
# The servers that the tests talk to: a real Apache Kafka, PostgreSQL and Redis on free ports of the loopback, in a
# directory of their own. They end with "down", or by themselves.
set -uo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/test-env.sh COMMAND

  up [SERVER…]      start the servers, or those that do not run; installs what is missing (default: all of them)
  down              stop them and remove their directory
  status            list them
  directory         print where it is, or would be
  env               print how to reach them, for: eval "$(scripts/test-env.sh env)"
  stop SERVER [-9]  stop one, or kill it, for a test of an outage; its port and data stay
  start SERVER      start it again
  logs SERVER       print what it has logged
  run COMMAND…      up, the command, and down, unless the servers were there before or others still use them
  provision [NAME…] install and download what a server needs, and start nothing; nginx, haproxy, faketime, pymodbus, pysparkplug, asyncua, aiosmtpd, alertmanager, sparkplug-client and node-opcua are names, too
  python PACKAGE    install a server that is a Python package, and print the path of the Python that has it
  node PACKAGE      install a package of npm that the tests use, and print the directory of its modules

SERVER is kafka, postgres or redis. The environment is one per checkout, below $TMPDIR, or the one in
$TESTENV_DIR, a directory that is new, empty or an environment. It ends by itself $TESTENV_TTL
(default 60m) after the last up, and once the process $TESTENV_OWNER is gone, if that is set.
$TESTENV_KAFKA_VERSION is 4 (default), 3 or an exact version.
USAGE
}

die() {
    echo "test-env: $*" >&2
    exit 1
}

script=$(readlink -f "$0")
checkout=$(dirname "$(dirname "$script")")
library=$checkout/scripts/lib
# shellcheck source=lib/debian.sh
. "$library/debian.sh"
# shellcheck source=lib/servers.sh
. "$library/servers.sh"
# shellcheck source=lib/python.sh
. "$library/python.sh"
# shellcheck source=lib/node.sh
. "$library/node.sh"
# shellcheck source=lib/process.sh
. "$library/process.sh"
# shellcheck source=lib/kafka.sh
. "$library/kafka.sh"
# shellcheck source=lib/postgres.sh
. "$library/postgres.sh"
# shellcheck source=lib/redis.sh
. "$library/redis.sh"

servers=(kafka postgres redis)
temporary=$(readlink -f "${TMPDIR:-/tmp}")
# ports is the beginning of the names of the files that reserve a port.
ports=$temporary/iotmon-test-port-$(id -u)
dir=${TESTENV_DIR:-$temporary/iotmon-test-env-$(id -u)-$(cksum <<<"$checkout" | cut -d ' ' -f 1)}
case $dir in
*\'*) die "TESTENV_DIR: no name for a directory of servers: $dir" ;;
/*) dir=$(readlink -m "$dir") ;;
*) die "TESTENV_DIR: want an absolute path (got $dir)" ;;
esac
mark=$dir/.iotmon-test-env

# lock lets one command change the environment at a time. The file is removed with the environment, so the locked file may
# no longer exist: then lock tries again.
lock() {
    mkdir -p "$(dirname "$dir")"
    while :; do
        exec 9>"$dir.lock" || die "cannot write $dir.lock"
        flock 9
        if [ "$dir.lock" -ef "/proc/$BASHPID/fd/9" ]; then
            return 0
        fi
    done
}

unlock() { exec 9>&-; }

exists() { [ -e "$mark" ]; }

# make_dir creates the directory. Other users may enter it, because PostgreSQL's user must.
make_dir() {
    if exists; then
        [ -O "$dir" ] || die "$dir belongs to somebody else"
        return 0
    fi
    mkdir -p "$dir" || die "cannot make $dir"
    if [ -n "$(ls -A "$dir")" ]; then
        die "$dir is neither empty nor a test environment"
    fi
    chmod 711 "$dir"
    : >"$mark" || die "cannot write to $dir"
}

seconds() {
    local number=${1%[smh]}
    [[ $number =~ ^[0-9]+$ ]] || die "TESTENV_TTL: want a time such as 90s, 60m or 2h (got $1)"
    case $1 in
    *h) echo $((number * 3600)) ;;
    *m) echo $((number * 60)) ;;
    *) echo "$number" ;;
    esac
}

is_server() {
    local server
    for server in "${servers[@]}"; do
        [ "$server" = "$1" ] && return 0
    done
    die "no such server: $1 (there are: ${servers[*]})"
}

install_missing() {
    local packages
    mapfile -t packages < <(missing_packages "$@")
    install_packages test-env "${packages[@]}" || die "cannot install what is missing: ${packages[*]}"
    PATH=$PATH:/usr/sbin:/sbin
}

up() {
    local server ttl failed=0 pids=()
    ttl=$(seconds "${TESTENV_TTL:-60m}") || exit 1
    install_missing "$@"
    lock
    make_dir
    echo $((EPOCHSECONDS + ttl)) >"$dir/end"
    if [ -n "${TESTENV_OWNER:-}" ]; then
        echo "$TESTENV_OWNER $(started "$TESTENV_OWNER")" >"$dir/owner.pid"
    fi
    running watchdog >/dev/null || (launch watchdog "$BASH" "$script" watch)
    for server in "$@"; do
        (bring_up "$server") &
        pids+=($!)
    done
    for server in "${pids[@]}"; do
        wait "$server" || failed=1
    done
    echo $((EPOCHSECONDS + ttl)) >"$dir/end" # Its time begins now.
    unlock
    return "$failed"
}

# bring_up starts a server and waits until it answers.
bring_up() {
    local server=$1 rest=600
    mkdir -p "$dir/$server"
    "${server}_prepare"
    running "$server" >/dev/null || "${server}_start"
    until "${server}_ready"; do
        rest=$((rest - 1))
        if [ "$rest" -le 0 ] || ! running "$server" >/dev/null; then
            tail -n 30 "$dir/$server.log" >&2
            crash "$server"
            die "$server does not start; above is the end of its log"
        fi
        sleep 0.1
    done
}

down() {
    lock
    exists && take_down
    forget
    unlock
}

# take_down ends all servers, by force if necessary, and removes their data.
take_down() {
    local watchdog
    watchdog=$(running watchdog) || true
    if [ -n "$watchdog" ] && [ "$watchdog" != $$ ]; then
        crash watchdog
    fi
    crash kafka
    crash redis
    # After QUIT, unlike KILL, PostgreSQL releases its shared memory.
    end postgres QUIT
    postgres_sweep
    release_ports
    rm -rf "$dir"
}

# watch ends the environment when its time is over, its owner has ended or its directory was removed. It starts as few processes as it
# can, because it runs beside each environment all the time.
watch() {
    local server process
    declare -A known
    while sleep 1 && exists && ! is_over; do
        for server in "${servers[@]}" watchdog; do
            # A directory is removed file by file: servers whose pid file is already removed must be ended too.
            { read -r process <"$dir/$server.pid"; } 2>/dev/null && known[$server]=$process
        done
    done
    if exists; then
        lock
        if exists && ! is_over; then
            unlock # Another command has just started it again.
            watch
            return
        fi
    else
        lock
        make_dir
        for server in "${!known[@]}"; do
            echo "${known[$server]}" >"$dir/$server.pid"
        done
    fi
    take_down
    forget
}

# forget removes what is beside the directory; the last are the programs that package testenv builds.
forget() {
    rm -f "$dir.users" "$dir.lock"
    rm -rf "$dir.programs"
}

is_over() {
    local end
    { read -r end <"$dir/end"; } 2>/dev/null || return 1
    if [ -e "$dir/owner.pid" ] && ! running owner >/dev/null; then
        return 0
    fi
    [ "$EPOCHSECONDS" -ge "$end" ]
}

status() {
    local server pid some=1
    exists || { echo "no environment in $dir" && return 1; }
    echo "environment in $dir"
    for server in "${servers[@]}"; do
        if pid=$(running "$server"); then
            some=0
            echo "$server: running, pid $pid, port $(cat "$dir/$server/port")"
        elif [ -e "$dir/$server/port" ]; then
            echo "$server: stopped, port $(cat "$dir/$server/port")"
        fi
    done
    return "$some"
}

variable() { printf "export %s='%s'\n" "$1" "$2"; }

print_env() {
    local server
    exists || die "no environment in $dir; start one: scripts/test-env.sh up"
    variable TESTENV_DIR "$dir"
    for server in "${servers[@]}"; do
        if [ -e "$dir/$server.pid" ]; then
            "${server}_env"
        fi
    done
}

stop() {
    local server=$1 signal=TERM
    exists || die "no environment in $dir"
    # INT is PostgreSQL's fast shutdown, which does not wait for clients.
    [ "$server" = postgres ] && signal=INT
    lock
    if [ "${2:-}" = -9 ]; then crash "$server"; else end "$server" "$signal"; fi
    unlock
}

start() {
    [ -e "$dir/$1/port" ] || die "$1 was never started in $dir; use: scripts/test-env.sh up $1"
    lock
    (bring_up "$1")
    local code=$?
    unlock
    return "$code"
}

# run runs a command with the servers. Every user of an environment holds a shared lock on $dir.users, as package testenv
# does, so that the environment is removed only after its last user.
run() {
    local code kept=0 starting
    exists && running watchdog >/dev/null && kept=1
    mkdir -p "$(dirname "$dir")"
    exec 8>"$dir.users"
    flock -s 8
    trap : INT TERM # They end the command, but not this script.
    # The command starts at the same time: it can compile meanwhile, and its tests start the servers that they need.
    up "${servers[@]}" 8<&- &
    starting=$!
    TESTENV_DIR=$dir "$@" 8<&-
    code=$?
    wait "$starting" || code=1
    if [ "$kept" -eq 0 ] && [ "$dir.users" -ef "/proc/$BASHPID/fd/8" ] && flock -n -x 8; then
        down
    fi
    return "$code"
}

provision() {
    [ $# -gt 0 ] || set -- "${servers[@]}" nginx haproxy mosquitto faketime pymodbus pysparkplug asyncua aiosmtpd alertmanager sparkplug-client node-opcua
    install_missing "$@"
    local name version
    for name in "$@"; do
        if python_version "$name" >/dev/null; then
            provide_python "$name" || die "cannot install $name"
        fi
        if node_version "$name" >/dev/null; then
            provide_node "$name" || die "cannot install $name"
        fi
        [ "$name" = kafka ] || continue
        for version in 4 3; do
            version=$(TESTENV_KAFKA_VERSION=$version kafka_version)
            kafka_resolve "$version"
            kafka_train "$version"
        done
    done
}

main() {
    [ $# -gt 0 ] || set -- unknown
    local server
    case $1 in
    up)
        shift
        for server in "$@"; do is_server "$server"; done
        [ $# -gt 0 ] || set -- "${servers[@]}"
        up "$@"
        ;;
    down) down ;;
    status) status ;;
    directory) echo "$dir" ;;
    env) print_env ;;
    stop | start | logs)
        is_server "${2:-}"
        case $1 in
        stop) stop "$2" "${3:-}" ;;
        start) start "$2" ;;
        logs) cat "$dir/$2.log" ;;
        esac
        ;;
    run)
        shift
        run "$@"
        ;;
    provision)
        shift
        provision "$@"
        ;;
    python)
        python_version "${2:-}" >/dev/null || die "no such package: ${2:-}"
        provision "$2"
        echo "$(python_home "$2")/bin/python"
        ;;
    node)
        node_version "${2:-}" >/dev/null || die "no such package: ${2:-}"
        provision "$2"
        echo "$(node_home "$2")/node_modules"
        ;;
    watch) watch ;; # Only for up.
    help | -h | --help) usage ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
}

main "$@"
exit
