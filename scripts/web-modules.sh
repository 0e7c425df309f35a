#!/usr/bin/env bash
# Installs what checks the dashboard into web/node_modules: the compiler for the types of its modules, and what the browser tests
# load into the page. What is there already is left alone. npm begins by deleting it, so those who come at once wait.
set -euo pipefail
cd "$(dirname "$0")/../web"

exec 9<package-lock.json
flock 9
# A checkout renews the time of a file, so what was installed is compared.
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --no-audit --no-fund --loglevel=error </dev/null 9<&-
    cp package-lock.json node_modules/.installed
fi
