# shellcheck shell=bash
# The cluster's own PostgreSQL: a data folder in the state folder, on loopback,
# with a password of its own. Sourced by scripts/cluster.
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
  as_postgres "$(postgres_bin)/pg_ctl" -D "$STATE/postgres/data" -s -w "$@" </dev/null >/dev/null 2>>"$STATE/postgres/pg_ctl.log"
}

postgres_pid() {
  local pid
  read -r pid 2>/dev/null <"$STATE/postgres/data/postmaster.pid" || return 1
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$STATE/postgres/data" ] && printf '%s\n' "$pid"
}

postgres_create() {
  local folder=$STATE/postgres
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
  local folder=$STATE/postgres socket_folder=$STATE/postgres
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
postgres_start() { pg_ctl -t 30 -l "$STATE/postgres/postgres.log" start; }

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
