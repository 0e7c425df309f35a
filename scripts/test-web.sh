#!/usr/bin/env bash
# Checks the types of the dashboard's modules and runs the tests of those that never touch the page.
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")

"$scripts/web-modules.sh"
cd "$scripts/../web"
npx --no-install tsc --noEmit

# Node only warns when it cannot report the coverage, so the report itself is looked at. Every module counts: a test loads them all.
least=60
report=$(mktemp)
trap 'rm -f "$report"' EXIT
npm run -s coverage | tee "$report"
awk -F'|' -v least="$least" '
    /all files/ { lines = $2 + 0; found = 1 }
    END {
        if (!found) print "test-web: no coverage was reported" >"/dev/stderr"
        else if (lines < least) print "test-web: " lines "% of the lines are covered, less than " least "%" >"/dev/stderr"
        exit !found || lines < least
    }' "$report"
