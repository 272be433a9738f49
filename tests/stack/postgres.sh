#!/bin/sh
# Runs the contract tests of the platform again, on PostgreSQL. The server is temporary and listens on loopback.
set -eu

folder=$(mktemp -d)
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
. tests/stack/path.sh
find_programs
for program in initdb postgres psql pg_dump pg_restore pg_basebackup; do
  command -v "$program" >/dev/null || { echo "\`$program\` is missing: run \`make postgres\`" >&2; exit 1; }
done

# The server refuses to run as root.
as=
if [ "$(id -u)" -eq 0 ]; then
  as='setpriv --reuid=65534 --regid=65534 --clear-groups'
  chown 65534:65534 "$folder"
fi
server=
finish() {
  test -z "$server" || { kill -INT "$server" && wait "$server" || true; }
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 1' INT TERM

$as initdb --pgdata "$folder/data" --username tests --auth trust --no-sync >"$folder/initdb.log"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# No data needs to survive a crash of the machine.
$as postgres -D "$folder/data" -k "$folder" -h 127.0.0.1 -p "$port" -c fsync=off -c max_connections=500 \
  >"$folder/server.log" 2>&1 &
server=$!
address=postgres://tests@127.0.0.1:$port
tries=0
until psql --quiet --command 'SELECT 1' "$address/postgres" >/dev/null 2>&1; do
  tries=$((tries + 1))
  test "$tries" -lt 300 || { cat "$folder/server.log" >&2; exit 1; }
  sleep 0.1
done

# Left out: tests that read the bytes of SQLite's file, fill its disk, lock it or corrupt it with their own trigger, and
# tests that start their own servers.
TENANTRY_TEST_POSTGRES=$address cargo test --test it -- platform:: \
  --skip erasure:: --skip failover:: --skip tenant_isolation:: --skip a_locked_database --skip a_full_disk --skip sim:: \
  --skip status_advice:: --skip connect:: --skip an_answer_that_fails_behind_a_commit
