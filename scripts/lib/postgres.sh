# shellcheck shell=bash
# The cluster's own PostgreSQL: a data folder in the state folder, on loopback,
# with a password of its own. Sourced by scripts/cluster.
#
# With a standby there are two such folders, postgres and postgres-2, of which either may be the
# primary's. POSTGRES is the one that a function acts on: the primary's, unless its caller sets
# another.
#
# Durable as in production (fsync is on), so that tests that kill it, and measurements, are
# valid.

# Each test creates a database of its own with a connection pool, and many run at once.
POSTGRES_MAX_CONNECTIONS=300

# PostgreSQL refuses to run as root: then it runs as the account that its package created,
# or as nobody.
as_postgres() {
  if [ "$(id -u)" != 0 ]; then
    "$@"
  elif id postgres >/dev/null 2>&1; then
    (cd / && runuser -u postgres -- "$@")
  else
    (cd / && runuser -u nobody -- "$@")
  fi
}

pg_ctl() {
  as_postgres "$(postgres_bin)/pg_ctl" -D "$POSTGRES/data" -s -w "$@" </dev/null >/dev/null 2>>"$POSTGRES/pg_ctl.log"
}

postgres_pid() {
  local pid
  read -r pid 2>/dev/null <"$POSTGRES/data/postmaster.pid" || return 1
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$POSTGRES/data" ] && printf '%s\n' "$pid"
}

postgres_create() {
  local folder=$POSTGRES
  mkdir -p "$folder"
  if [ "$(id -u)" = 0 ]; then
    as_postgres test -x "$STATE" ||
      fail "PostgreSQL does not run as root, and its account cannot enter $STATE: choose another --dir"
    chown "$(as_postgres id -u)" "$folder"
  fi
  chmod 700 "$folder"
  POSTGRES_PASSWORD=$(random_hex 16)
  printf '%s\n' "$POSTGRES_PASSWORD" | as_postgres tee "$folder/password" >/dev/null
  # --no-sync: only a crash of the whole machine in the next second would make a difference.
  as_postgres "$(postgres_bin)/initdb" --pgdata="$folder/data" --username=postgres --encoding=UTF8 --locale=C.UTF-8 \
    --auth=scram-sha-256 --pwfile="$folder/password" --no-sync --no-instructions >"$STATE/initdb.log" 2>&1 ||
    fail "initdb failed: $(tail -n 3 "$STATE/initdb.log")"
  rm "$folder/password" "$STATE/initdb.log"
}

# postgres_configure PORT
postgres_configure() {
  local folder=$POSTGRES socket_folder=$POSTGRES
  # The path of a Unix socket has at most 107 bytes.
  if [ ${#folder} -gt 85 ]; then socket_folder=''; fi
  as_postgres tee "$folder/data/cluster.conf" >/dev/null <<SETTINGS
port = $1
listen_addresses = '127.0.0.1'
unix_socket_directories = '$socket_folder'
max_connections = $POSTGRES_MAX_CONNECTIONS
shared_buffers = 128MB
log_timezone = 'UTC'
timezone = 'UTC'
SETTINGS
  if "$TLS"; then
    as_postgres tee -a "$folder/data/cluster.conf" >/dev/null <<SETTINGS
ssl = on
ssl_cert_file = '$folder/server.crt'
ssl_key_file = '$folder/server.key'
SETTINGS
    as_postgres sed -i 's/^host /hostssl /' "$folder/data/pg_hba.conf"
  fi
  as_postgres grep -q cluster.conf "$folder/data/postgresql.conf" ||
    printf "include 'cluster.conf'\n" | as_postgres tee -a "$folder/data/postgresql.conf" >/dev/null
}

# Starts PostgreSQL and waits until it accepts connections; false if the port is in use.
postgres_start() { pg_ctl -t 30 -l "$POSTGRES/postgres.log" start; }

# postgres_stop MODE: `fast` disconnects clients and writes a checkpoint; `immediate` ends as
# in a crash.
postgres_stop() {
  if postgres_pid >/dev/null; then pg_ctl -t 30 -m "$1" stop; fi
}

# postgres_signal SIGNAL: signals the server and all its processes. Each has a process group
# of its own, and if only the first were stopped the others would still respond.
postgres_signal() {
  local pid children
  pid=$(postgres_pid) || return 0
  if [ "$1" = STOP ]; then kill -STOP "$pid"; fi
  children=$(cat "/proc/$pid/task/$pid/children")
  # shellcheck disable=SC2086 # many pids
  kill -s "$1" "$pid" $children 2>/dev/null || true
}

postgres_create_database() {
  PGPASSWORD=$POSTGRES_PASSWORD "$(postgres_bin)/psql" -qX -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres \
    -c 'CREATE DATABASE numeneon' postgres
}

# --- standby ------------------------------------------------------------------

# Prints the folder that is not the primary's.
standby_folder() {
  if [ "$POSTGRES" = "$STATE/postgres" ]; then printf '%s\n' "$STATE/postgres-2"; else printf '%s\n' "$STATE/postgres"; fi
}

# Prints the port in the configuration of POSTGRES.
postgres_port() { as_postgres sed -n 's/^port = //p' "$POSTGRES/data/cluster.conf"; }

# in_psql DATABASE STATEMENT…: executes statements on POSTGRES, each in a transaction of its own.
in_psql() {
  local database=$1 statement options=()
  shift
  for statement in "$@"; do options+=(-c "$statement"); done
  PGPASSWORD=$POSTGRES_PASSWORD "$(postgres_bin)/psql" -qAtX -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$(postgres_port)" -U postgres \
    "${options[@]}" "$database" </dev/null
}

# standby_start PORT: creates a streaming standby of POSTGRES in the other folder, without what was
# there, and starts it; false if the port is in use.
standby_start() {
  local primary_port folder
  primary_port=$(postgres_port)
  folder=$(standby_folder)
  rm -rf "$folder"
  mkdir -p "$folder"
  if [ "$(id -u)" = 0 ]; then chown "$(as_postgres id -u)" "$folder"; fi
  chmod 700 "$folder"
  # Not an argument of the command, which every user may see.
  PGPASSWORD=$POSTGRES_PASSWORD as_postgres "$(postgres_bin)/pg_basebackup" --pgdata="$folder/data" --write-recovery-conf \
    --checkpoint=fast --no-sync -h 127.0.0.1 -p "$primary_port" -U postgres >/dev/null || fail "pg_basebackup failed"
  (
    POSTGRES=$folder
    postgres_configure "$1"
    printf '%s\n' "wal_retrieve_retry_interval = 200ms" | as_postgres tee -a "$folder/data/cluster.conf" >/dev/null
    postgres_start
  )
}

# Ends the replication: what is committed from now on is lost by a failover. Waits first until the
# standby has received what was committed before: after a restart of the primary it connects late.
standby_cut() {
  local lag="SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= '"
  lag+=$(in_psql postgres 'SELECT pg_current_wal_flush_lsn()')"'"
  for _ in {1..1000}; do
    if [ "$(in_psql postgres "$lag")" != 0 ]; then break; fi
    sleep 0.02
  done
  [ "$(in_psql postgres "$lag")" != 0 ] || fail "the standby does not follow"
  (
    POSTGRES=$(standby_folder)
    in_psql postgres "ALTER SYSTEM SET primary_conninfo = ''" 'SELECT pg_reload_conf()' >/dev/null
    for _ in {1..500}; do
      if [ "$(in_psql postgres 'SELECT count(*) FROM pg_stat_wal_receiver')" = 0 ]; then exit 0; fi
      sleep 0.02
    done
    fail "the standby goes on receiving"
  )
}

# Promotes the standby, which is the primary from now on, and waits until it accepts writes.
standby_promote() {
  POSTGRES=$(standby_folder)
  pg_ctl -t 30 promote
  printf '%s\n' "${POSTGRES##*/}" >"$STATE/primary"
}

# --- dumps --------------------------------------------------------------------

# postgres_tool NAME argument…: a client program, connected to the service's database.
postgres_tool() {
  local name=$1
  shift
  PGPASSWORD=$POSTGRES_PASSWORD "$(postgres_bin)/$name" --dbname="host=127.0.0.1 port=$(postgres_port) user=postgres dbname=numeneon" "$@"
}

postgres_dump() { postgres_tool pg_dump --format=custom --file="$STATE/dump"; }

# As docs/operations/upgrade-and-back-up.md has it, also while instances run: all or nothing.
postgres_restore() { postgres_tool pg_restore --clean --if-exists --no-owner --single-transaction "$STATE/dump"; }
