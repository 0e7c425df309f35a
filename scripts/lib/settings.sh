# Sourced, after services.sh, by the scripts that write .env, which the services and docker compose read.
# shellcheck shell=bash

# written NAME prints the text after NAME= in .env, if the variable is there.
written() {
    [ -f .env ] || return 0
    sed -n "s/^$1=//p" .env | tail -n 1
}

# setting NAME prints the value of a variable in .env, without the quotes around it.
setting() { written "$1" | sed -E "s/^'([^']*)'[[:space:]]*\$/\1/; t; s/^\"([^\"]*)\"[[:space:]]*\$/\1/"; }

# literal NAME… ends the script if .env has a value that docker compose and the services would not read as it is written:
# outside of single quotes they expand $NAME, remove a comment after #, and interpret backslashes.
literal() {
    local name value
    for name in "$@"; do
        value=$(written "$name")
        case $value in
        \'*\') continue ;;
        \"*\") value=${value#\"} && value=${value%\"} ;;
        esac
        case $value in
        *[\'\"\\\$\#\`[:space:]]*) die ".env: $name: put the value in single quotes: $name='…'" ;;
        esac
    done
}

# settings NAME=VALUE… is write_settings under a lock: concurrent calls wait.
settings() {
    if ! have flock; then
        write_settings "$@"
        return
    fi
    mkdir -p "$pids" && (flock 7 && write_settings "$@") 7>"$pids/env.lock"
}

# write_settings NAME=VALUE… writes variables to .env, all or none. It replaces existing lines, keeps other lines, and removes
# the line of a variable without a value. The file has passwords: only its owner may read it. The previous file is kept as
# .env.before.
write_settings() {
    local pair name
    local old=.env new
    [ -f .env ] || old=.env.example
    new=$(umask 077 && mktemp .env.XXXXXX) || return 1
    if [ -f "$old" ]; then
        cat "$old" >"$new"
    fi
    for pair in "$@"; do
        name=${pair%%=*}
        PAIR=$pair awk -v name="$name" '
            index($0, name "=") != 1 { print; next }
            !done && ENVIRON["PAIR"] != name "=" { print ENVIRON["PAIR"]; done = 1 }
            END { if (!done && ENVIRON["PAIR"] != name "=") print ENVIRON["PAIR"] }
        ' "$new" >"$new.next" && cat "$new.next" >"$new" && rm -f "$new.next" || return 1
    done
    if [ -f .env ] && cmp -s .env "$new"; then
        rm -f "$new"
        return 0
    fi
    if [ -f .env ]; then
        cp -p .env .env.before
    fi
    mv "$new" .env
}
