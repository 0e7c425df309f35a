# Sourced by the scripts that build, start and stop the services on this machine. They work in the project's directory, or
# in any other that has scripts/, bin/ and configs/ beside each other.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

# Every program there is. Those a plant needs come first in the order in which they are stopped: who brings readings goes
# before who takes them.
all_services="producer consumer web websocket iotmon"
# shellcheck disable=SC2034 # For those who source this.
core_services="consumer web producer"

program=$(basename "$0")
# Files that tell which process is which; see started.
pids=run

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$program" "$*" >&2; }
die() {
    warn "$*"
    exit 1
}
# misused is die for what the caller wrote.
misused() {
    warn "$*; $program --help tells more"
    exit 2
}

# must_be_seconds FLAG VALUE
must_be_seconds() {
    case $2 in
    '' | *[!0-9]*) misused "$1: must be a number of seconds (got '$2')" ;;
    esac
}

have() { command -v "$1" >/dev/null 2>&1; }

# is_service NAME
is_service() {
    case " $all_services " in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

# started PID prints when a process was started, so that a number that is used again is not taken for the process that had
# it before; nothing if there is none, or only one that waits to be buried.
started() {
    local line fields
    if [ -r /proc/self/stat ]; then
        { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
        # The name, in parentheses, may hold anything.
        read -ra fields <<<"${line##*) }"
        [ "${fields[0]}" != Z ] && [ "${fields[0]}" != X ] && printf '%s\n' "${fields[19]}"
    else
        ps -o lstart= -p "$1" 2>/dev/null
    fi
}

# running SERVICE prints the pid if the process that the pid file names is still there.
running() {
    local pid start
    { read -r pid && read -r start; } 2>/dev/null <"$pids/$1.pid" || return 1
    case $pid in
    '' | *[!0-9]*) return 1 ;;
    esac
    [ -n "$start" ] && [ "$(started "$pid")" = "$start" ] && printf '%s\n' "$pid"
}

# note SERVICE PID writes the pid file, whole or not at all.
note() {
    local start
    start=$(started "$2") || return 1
    printf '%s\n%s\n' "$2" "$start" >"$pids/$1.pid.new" && mv "$pids/$1.pid.new" "$pids/$1.pid"
}

# alone makes sure that no other start or stop is under way here, as far as the system can tell.
alone() {
    mkdir -p "$pids" || die "cannot make the directory $PWD/$pids"
    exec 9>"$pids/lock" || die "cannot write to $PWD/$pids"
    if have flock && ! flock -w 60 9; then
        die "another start or stop of services is under way in $PWD"
    fi
}

# only_one WHAT makes sure that nobody else does the same here, as far as the system can tell. What is started meanwhile and
# stays must not keep descriptor 8 open.
only_one() {
    mkdir -p "$pids" || die "cannot make the directory $PWD/$pids"
    exec 8>"$pids/${1// /-}.lock" || die "cannot write to $PWD/$pids"
    if have flock && ! flock -n 8; then
        die "another $1 is under way in $PWD; wait until it has ended"
    fi
}
