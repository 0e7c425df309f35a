# Sourced by test-env.sh: a Redis.
# shellcheck shell=bash disable=SC2154

redis_prepare() {
    if [ ! -e "$dir/redis/port" ]; then
        reserve_port >"$dir/redis/port"
    fi
}

# Every write is in the file before its response, so that a kill loses no data of a test.
redis_start() {
    local port
    read -r port <"$dir/redis/port"
    launch redis "$(command -v redis-server)" --port "$port" --bind 127.0.0.1 --dir "$dir/redis" --daemonize no \
        --appendonly yes --appendfsync no --save '' --databases 64
}

redis_ready() {
    local port
    read -r port <"$dir/redis/port"
    listening "$port" && [ "$(redis-cli -h 127.0.0.1 -p "$port" PING 2>/dev/null)" = PONG ]
}

redis_env() {
    variable TESTENV_REDIS "redis://127.0.0.1:$(cat "$dir/redis/port")/0"
}
