#!/usr/bin/env bash
# Checks the types of the dashboard's modules and runs the tests of those that never touch the page.
set -euo pipefail
cd "$(dirname "$0")/../web"

if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error </dev/null
fi
npx --no-install tsc --noEmit
node --test test/*.test.js
