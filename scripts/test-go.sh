#!/usr/bin/env bash
# Runs go test with the given arguments. If a test fails, the failures are repeated at the end, because the logs of the
# servers that a failed test prints would hide them.
set -uo pipefail

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
"${GO:-go}" test "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
((status == 0)) && exit 0
echo
echo "What failed, in short:"
awk '
    /^WARNING: DATA RACE/ { lines = 12 }
    /^panic: / { lines = 20 }
    lines-- > 0 || /^ *--- FAIL: / || /^(FAIL|---)\t/ || /^FAIL.*\[/ || /^ +[a-z_]+_test\.go:[0-9]+: / && !/: the log of / {
        print substr($0, 1, 600)
    }' "$log" | tail -n 100
exit "$status"
