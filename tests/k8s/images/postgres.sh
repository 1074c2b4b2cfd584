#!/bin/bash
# As the entry point of postgres: a new PGDATA is set up for POSTGRES_USER, POSTGRES_PASSWORD_FILE and POSTGRES_DB, and the scripts of
# /docker-entrypoint-initdb.d are sourced, on the socket alone.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    install -d -m 0700 "$PGDATA"
    initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-host=scram-sha-256 --no-instructions
    printf '%s\n' "listen_addresses = '*'" "unix_socket_directories = '/var/run/postgresql'" >>"$PGDATA/postgresql.conf"
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
    createdb -U "$POSTGRES_USER" --maintenance-db=postgres "$POSTGRES_DB"
    for script in /docker-entrypoint-initdb.d/*.sh; do
        # shellcheck disable=SC1090
        . "$script"
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec postgres "$@"
