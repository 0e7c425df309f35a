# Sourced by test-env.sh: a PostgreSQL.
# shellcheck shell=bash disable=SC2154

# as_postgres runs a command as the user postgres where the caller is root: then PostgreSQL refuses to run.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid postgres --regid postgres --init-groups "$@"
    else
        "$@"
    fi
}

postgres_prepare() {
    local at=$dir/postgres
    if [ -e "$at/prepared" ]; then
        return 0
    fi
    if [ "$(id -u)" -eq 0 ]; then
        id postgres >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin postgres ||
            die "PostgreSQL does not run as root, and the user postgres could not be made"
        chown postgres "$at"
        as_postgres test -x "$at" || die "the user postgres cannot enter $at; choose another TESTENV_DIR"
    fi
    reserve_port >"$at/port"
    rm -rf "$at/data"
    (cd / && as_postgres "$(postgres_bin)/initdb" -D "$at/data" -U iotmon -A trust -E UTF8 --locale=C --no-sync) \
        >"$at/initdb.log" 2>&1 9<&- || die "initdb failed: $(cat "$at/initdb.log")"
    : >"$at/prepared"
}

# Without fsync a crash of the machine loses data; a crash of the server does not, as long as a commit waits until its log is
# written. No test crashes the machine.
postgres_start() {
    local at=$dir/postgres port
    read -r port <"$at/port"
    # Left by a kill. The server would refuse to start while the killed process is a zombie.
    rm -f "$at/data/postmaster.pid"
    local command=("$(postgres_bin)/postgres" -D "$at/data" -p "$port" -c listen_addresses=127.0.0.1
        -c "unix_socket_directories=" -c fsync=off -c full_page_writes=off -c max_connections=200
        -c dynamic_shared_memory_type=mmap -c shared_buffers=128MB -c max_wal_size=1GB)
    if [ "$(id -u)" -eq 0 ]; then
        command=(setpriv --reuid postgres --regid postgres --init-groups "${command[@]}")
    fi
    launch postgres "${command[@]}"
}

postgres_ready() {
    local port
    read -r port <"$dir/postgres/port"
    listening "$port" && psql -q -X -w -h 127.0.0.1 -p "$port" -U iotmon -d postgres -c 'SELECT 1' >/dev/null 2>&1 9<&-
}

# postgres_sweep removes the shared memory of a server that was killed and not started again.
postgres_sweep() {
    local id
    id=$(awk 'NR == 7 {print $2}' "$dir/postgres/data/postmaster.pid" 2>/dev/null) || return 0
    if [ -n "$id" ]; then
        ipcrm -m "$id" 2>/dev/null || true
    fi
}

postgres_env() {
    variable TESTENV_POSTGRES "postgres://iotmon@127.0.0.1:$(cat "$dir/postgres/port")/postgres?sslmode=disable"
}
