# Sourced by test-env.sh: processes, identified by pid and start time, so that a process with a reused pid is never taken for
# one of them, and ports that are reserved for an environment.
# shellcheck shell=bash disable=SC2154

# started PID prints the start time of the process, in ticks since the boot of the machine; nothing if it has ended or is
# a zombie.
started() {
    local line fields
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The name, in parentheses, may contain blanks and parentheses.
    read -ra fields <<<"${line##*) }"
    [ "${fields[0]}" != Z ] && [ "${fields[0]}" != X ] && echo "${fields[19]}"
}

# launch SERVER COMMAND… starts a process that outlives the shell, in a session of its own, and writes its pid file. It must not
# keep the lock or the caller's output open.
launch() {
    local server=$1 pid
    shift
    cd / || exit 1
    setsid "$@" >>"$dir/$server.log" 2>&1 </dev/null 8<&- 9<&- &
    pid=$!
    echo "$pid $(started "$pid")" >"$dir/$server.pid"
}

# running SERVER prints the pid of its process if that is running.
running() {
    local pid start
    { read -r pid start <"$dir/$1.pid"; } 2>/dev/null || return 1
    [ -n "$start" ] && [ "$(started "$pid")" = "$start" ] && echo "$pid"
}

# children PID prints the pids of its child processes.
children() {
    local stat line fields
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        read -ra fields <<<"${line##*) }"
        if [ "${fields[1]}" = "$1" ]; then
            stat=${stat%/stat}
            echo "${stat##*/}"
        fi
    done
}

# gone SERVER SECONDS waits until its process has ended.
gone() {
    local rest=$(($2 * 20))
    while running "$1" >/dev/null; do
        rest=$((rest - 1))
        [ "$rest" -gt 0 ] || return 1
        sleep 0.05
    done
}

# end SERVER SIGNAL sends the signal and waits until the process has ended; after 30 s it kills the process.
end() {
    local pid
    pid=$(running "$1") || return 0
    kill -s "$2" "$pid" 2>/dev/null
    if ! gone "$1" 30; then
        echo "test-env: $1 (pid $pid) ignored SIG$2 for 30 s and is killed" >&2
        crash "$1"
    fi
}

# crash SERVER kills the process and its children, as a crash of the machine would, and waits until all of them have ended.
crash() {
    local pid child all start
    pid=$(running "$1") || return 0
    # Stopped first, so that it cannot start another child before the kill.
    kill -STOP "$pid" 2>/dev/null
    mapfile -t all < <(children "$pid")
    kill -9 "$pid" "${all[@]}" 2>/dev/null
    gone "$1" 10
    for child in "${all[@]}"; do
        start=$(started "$child") || continue
        while [ "$(started "$child")" = "$start" ]; do sleep 0.01; done
    done
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# reserve_port prints a free port of the loopback that no other environment has. It is below the ports that the kernel gives
# to clients, so none of them takes it while its server is stopped.
reserve_port() {
    local port attempt
    for ((attempt = 0; attempt < 1000; attempt++)); do
        port=$((10000 + (RANDOM * 32768 + RANDOM) % 20000))
        if ! listening "$port" && (set -o noclobber && echo "$dir" >"$ports-$port") 2>/dev/null; then
            echo "$port"
            return 0
        fi
    done
    die "found no free port"
}

release_ports() {
    local file owner
    for file in "$ports"-*; do
        if { read -r owner <"$file"; } 2>/dev/null && [ "$owner" = "$dir" ]; then
            rm -f "$file"
        fi
    done
}
