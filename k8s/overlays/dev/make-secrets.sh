#!/bin/sh
# A key for the simulated exchange and passwords for Postgres, new ones, in secrets/ beside this. What is there is kept.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
[ -s secrets/private-key.pem ] || openssl genpkey -algorithm ed25519 -out secrets/private-key.pem
for who in owner sink; do
    [ -s "secrets/$who-password" ] || openssl rand -hex 24 | tr -d '\n' >"secrets/$who-password"
done
