#!/bin/bash
# Starts PostgreSQL, having made its data folder on the first start: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and
# PGDATA mean what they mean in the official image; *.sql and *.sh in /docker-entrypoint-initdb.d run once.
set -euo pipefail
[ "${1:-postgres}" = postgres ] || exec "$@"
user=${POSTGRES_USER:-postgres}
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /run/postgresql
  chown postgres:postgres "$PGDATA" /run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD to a value that is not empty}"
  initdb --username "$user" --pwfile <(printf '%s\n' "$POSTGRES_PASSWORD") --auth-local trust --auth-host scram-sha-256 --no-sync >/dev/null
  printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  pg_ctl -w -s -o "-c listen_addresses=''" start
  [ "${POSTGRES_DB:=$user}" = postgres ] || createdb --username "$user" "$POSTGRES_DB"
  shopt -s nullglob
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sql) psql --username "$user" --dbname "$POSTGRES_DB" -v ON_ERROR_STOP=1 -f "$script" ;;
      *.sh) bash "$script" ;;
    esac
  done
  pg_ctl -w -s stop
fi
exec postgres -c listen_addresses='*' "${@:2}"
