#!/usr/bin/env bash
# Makes the user by which Grafana reads the archive, or gives it its password. The image of PostgreSQL runs this when it makes
# the database; scripts/deploy_middleware.sh does whenever the passwords may have changed. Both may happen any number of
# times.
set -euo pipefail

# The socket inside the container asks for no password. psql quotes the password, which no argument list shows.
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'EOF'
SET client_min_messages = warning;
\getenv password POSTGRES_READER_PASSWORD
SELECT 'CREATE ROLE iot_reader LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'iot_reader') \gexec
ALTER ROLE iot_reader PASSWORD :'password';
GRANT pg_read_all_data TO iot_reader;
EOF
