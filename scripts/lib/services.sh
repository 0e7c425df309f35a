# Sourced by the scripts that build, start and stop the services on this machine. They work in the project's directory, or
# in any other that has scripts/, bin/ and configs/ beside each other.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

# All programs. Those that a plant needs come first, in the order in which they are stopped: a program that sends readings
# before the programs that process them.
all_services="producer consumer web websocket iotmon"
# shellcheck disable=SC2034 # For those who source this.
core_services="consumer web producer"

program=$(basename "$0")
# The directory of the pid files.
pids=run

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$program" "$*" >&2; }
die() {
    warn "$*"
    exit 1
}
# misused is die for a mistake in the arguments.
misused() {
    warn "$*; $program --help says more"
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

# started PID prints the start time of a process, so that a process with a reused pid is not taken for the earlier one. It
# prints nothing if there is no such process, or only a zombie.
started() {
    local line fields
    if [ -r /proc/self/stat ]; then
        { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
        # The name, in parentheses, may contain blanks and parentheses.
        read -ra fields <<<"${line##*) }"
        [ "${fields[0]}" != Z ] && [ "${fields[0]}" != X ] && printf '%s\n' "${fields[19]}"
    else
        ps -o lstart= -p "$1" 2>/dev/null
    fi
}

# running SERVICE prints the pid if the process of the pid file is still running.
running() {
    local pid start
    { read -r pid && read -r start; } 2>/dev/null <"$pids/$1.pid" || return 1
    case $pid in
    '' | *[!0-9]*) return 1 ;;
    esac
    [ -n "$start" ] && [ "$(started "$pid")" = "$start" ] && printf '%s\n' "$pid"
}

# note SERVICE PID writes the pid file, atomically.
note() {
    local start
    start=$(started "$2") || return 1
    printf '%s\n%s\n' "$2" "$start" >"$pids/$1.pid.new" && mv "$pids/$1.pid.new" "$pids/$1.pid"
}

# alone ends the script if another start or stop is in progress here, as far as the system can see.
alone() {
    mkdir -p "$pids" || die "cannot make the directory $PWD/$pids"
    exec 9>"$pids/lock" || die "cannot write to $PWD/$pids"
    if have flock && ! flock -w 60 9; then
        die "another start or stop of services is under way in $PWD"
    fi
}

# only_one WHAT ends the script if another process does the same here, as far as the system can see. A process that is
# started meanwhile and stays must not keep descriptor 8 open.
only_one() {
    mkdir -p "$pids" || die "cannot make the directory $PWD/$pids"
    exec 8>"$pids/${1// /-}.lock" || die "cannot write to $PWD/$pids"
    if have flock && ! flock -n 8; then
        die "another $1 is under way in $PWD; wait until it has ended"
    fi
}
