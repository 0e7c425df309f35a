#!/usr/bin/env bash
# Checks the types of the dashboard's modules and runs the tests of those that never touch the page.
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")

"$scripts/web-modules.sh"
cd "$scripts/../web"
npx --no-install tsc --noEmit
node --test test/*.test.js
