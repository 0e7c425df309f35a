#!/usr/bin/env bash
# Compares the benchmarks of the work tree with those of a commit. See --help.
set -euo pipefail
# shellcheck source=scripts/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

usage() {
    cat <<EOF
bench-compare.sh runs Go benchmarks of a commit and of the work tree in turn, and compares the two with benchstat. In turn,
because a machine is not equally fast all the time.

Usage:
  scripts/bench-compare.sh [OPTIONS] [BASE]    BASE is a commit; HEAD if none is named

Options:
  --bench REGEXP     which benchmarks (.)
  --package PATTERN  of which packages (./...)
  --count N          how often (6)
  -h, --help         show this

Exit status: 0 if it could be measured, whatever came out; 1 if not; 2 misused
EOF
}

base=HEAD bench=. package=./... count=6
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    --bench | --package | --count)
        [ $# -gt 1 ] || misused "$1: needs a value"
        case $1 in
        --bench) bench=$2 ;;
        --package) package=$2 ;;
        --count) count=$2 ;;
        esac
        shift
        ;;
    -*) misused "$1: unknown option" ;;
    *) base=$1 ;;
    esac
    shift
done
commit=$(git rev-parse --verify --quiet "$base^{commit}") || misused "$base: no such commit"
[[ $count =~ ^[1-9][0-9]*$ ]] || misused "--count: must be a number (got '$count')"

work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2>/dev/null; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/base" "$commit"

# measure DIR FILE runs the benchmarks in DIR once and appends their output to FILE.
measure() {
    (cd "$1" && go test -run '^$' -bench "$bench" -benchmem "$package") >>"$2" || {
        tail -20 "$2" >&2
        exit 1
    }
}
for run in $(seq "$count"); do
    echo "run $run of $count" >&2
    measure "$work/base" "$work/before"
    measure . "$work/after"
done
go run "$benchstat" "$base=$work/before" "now=$work/after"
