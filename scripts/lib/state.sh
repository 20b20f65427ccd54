# shellcheck shell=bash
# The folder that holds all state of a cluster: creating, describing, finding and removing it.
# Sourced by scripts/cluster.

create_state() {
  NEW_FOLDER=true
  if [ -z "$STATE" ]; then
    STATE=$(mktemp -d "${TMPDIR:-/tmp}/numeneon-cluster.XXXXXXXX")
    REMEMBER=true
  else
    REMEMBER=false
    if [ -d "$STATE" ]; then NEW_FOLDER=false; else mkdir -p "$STATE"; fi
  fi
  STATE=$(realpath "$STATE")
  [[ $STATE =~ ^[A-Za-z0-9_./+@:-]+$ ]] || fail "the folder's name must not contain spaces or quotes: $STATE"
  [ ! -e "$STATE/postgres" ] || fail "there already is a cluster in $STATE: scripts/cluster stop --dir $STATE"
  # PostgreSQL's own account has to pass through; secrets have mode 600 or 700.
  if "$NEW_FOLDER"; then chmod 711 "$STATE"; fi
  printf '%s\n' "$NEW_FOLDER" >"$STATE/new_folder"
  printf '%s\n' "$BINARY" >"$STATE/binary"
  SECRET_KEY=${SECRET_KEY:-$(random_hex 32)}
  POSTGRES=$STATE/postgres
}

find_state() {
  if [ -z "$STATE" ]; then
    [ -d "$LATEST" ] || fail "no cluster was started here; name its folder with --dir"
    STATE=$LATEST
  fi
  STATE=$(realpath "$STATE")
  if [ -e "$STATE/cluster.env" ]; then
    # shellcheck source=/dev/null
    . "$STATE/cluster.env"
  elif [ ! -e "$STATE/new_folder" ]; then
    fail "no cluster in $STATE"
  fi
  # Read by postgres.sh.
  # shellcheck disable=SC2034
  POSTGRES=$STATE/$(cat "$STATE/primary" 2>/dev/null || printf postgres)
}

remember_state() {
  if "$REMEMBER"; then
    mkdir -p "$(dirname "$LATEST")"
    ln -sfn "$STATE" "$LATEST"
  fi
}

# Tests search all logs in the end: see scripts/check-secrets.
keep_logs() {
  local log
  [ -n "${TEST_LOG_FOLDER:-}" ] || return 0
  for log in "$STATE"/instance-*/log; do
    [ -e "$log" ] || continue
    cp "$log" "$(mktemp "$TEST_LOG_FOLDER/cluster-XXXXXXXX.log")"
  done
}

# Removes the state of a cluster, and the folder itself if it was created for it.
remove_state() {
  local new_folder
  new_folder=$(cat "$STATE/new_folder")
  if [ -L "$LATEST" ] && [ "$(realpath -m "$LATEST")" = "$STATE" ]; then rm "$LATEST"; fi
  keep_logs
  rm -rf "$STATE"/{postgres,postgres-2,primary,dump,redis,nginx,tls,cluster.env,cluster.json,binary,new_folder,initdb.log} "$STATE"/instance-*
  if "$new_folder"; then rmdir "$STATE" 2>/dev/null || rm -rf "$STATE"; fi
}

name_urls() {
  local parameters='' scheme=redis
  if "$TLS"; then
    parameters='?sslmode=require'
    scheme=rediss
  fi
  local hosts=127.0.0.1:$POSTGRES_PORT
  if "$STANDBY"; then hosts+=,127.0.0.1:$STANDBY_PORT; fi
  DATABASE_URL="postgres://postgres:$POSTGRES_PASSWORD@$hosts/numeneon$parameters"
  REDIS_URL="$scheme://:$REDIS_PASSWORD@127.0.0.1:$REDIS_PORT/0"
}

# Writes URLs and secrets to cluster.env, to be sourced.
write_env() {
  local instance
  (
    umask 077
    {
      printf 'CLUSTER_DIR=%s\n' "$STATE"
      if [ -n "${NGINX_PORT:-}" ]; then printf 'NGINX_URL=http://127.0.0.1:%s\n' "$NGINX_PORT"; fi
      for instance in $(instances); do
        printf 'INSTANCE_%s_URL=http://127.0.0.1:%s\n' "$instance" "$(cat "$STATE/instance-$instance/port")"
      done
      printf 'DATABASE_URL=%q\nREDIS_URL=%q\n' "$DATABASE_URL" "$REDIS_URL"
      printf 'POSTGRES_PORT=%s\nPOSTGRES_PASSWORD=%s\n' "$POSTGRES_PORT" "$POSTGRES_PASSWORD"
      if "$STANDBY"; then printf 'STANDBY_PORT=%s\n' "$STANDBY_PORT"; fi
      printf 'REDIS_PORT=%s\nREDIS_PASSWORD=%s\n' "$REDIS_PORT" "$REDIS_PASSWORD"
      printf 'SECRET_KEY=%q\nTLS=%s\n' "$SECRET_KEY" "$TLS"
    } >"$STATE/cluster.env"
  )
}

# Prints a text as it is written between the quotes of a JSON string.
json_text() {
  local text=${1//\\/\\\\}
  printf '%s' "${text//\"/\\\"}"
}

# Writes the same to cluster.json, with the current pids (null: not running). Each command writes a
# new file and moves it into place, so that no reader sees half of it.
write_json() {
  local instance comma='' file
  file=$(mktemp "$STATE/.cluster.json.XXXXXX")
  {
    printf '{\n  "dir": "%s",\n' "$STATE"
    printf '  "database_url": "%s",\n  "redis_url": "%s",\n' "$DATABASE_URL" "$REDIS_URL"
    printf '  "secret_key": "%s",\n' "$(json_text "$SECRET_KEY")"
    printf '  "postgres": {"pid": %s, "port": %s},\n' "$(postgres_pid || printf null)" "$(postgres_port)"
    printf '  "redis": {"pid": %s, "port": %s},\n' "$(running_pid "$STATE/redis/pid" || printf null)" "$REDIS_PORT"
    if [ -e "$STATE/nginx/pid" ]; then
      printf '  "nginx": {"pid": %s, "url": "%s"},\n' "$(running_pid "$STATE/nginx/pid" || printf null)" \
        "${NGINX_URL:-http://127.0.0.1:${NGINX_PORT:-}}"
    else
      printf '  "nginx": null,\n'
    fi
    printf '  "instances": ['
    for instance in $(instances); do
      printf '%s\n    {"number": %s, "url": "http://127.0.0.1:%s", "pid": %s, "log": "%s"}' "$comma" "$instance" \
        "$(cat "$STATE/instance-$instance/port")" \
        "$(running_pid "$STATE/instance-$instance/pid" || printf null)" "$STATE/instance-$instance/log"
      comma=,
    done
    printf '\n  ]\n}\n'
  } >"$file"
  mv "$file" "$STATE/cluster.json"
}

# Creates a CA and a certificate for 127.0.0.1, valid for two days: longer than any test.
create_certificates() {
  local folder=$STATE/tls
  mkdir -p "$folder"
  (
    umask 077
    cd "$folder"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=numeneon cluster CA' \
      -keyout ca.key -out ca.crt
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=127.0.0.1 -keyout server.key -out server.csr
    openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out server.crt \
      -extfile <(printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  ) >/dev/null 2>&1 || fail "openssl could not create certificates"
  mkdir -p "$STATE/postgres"
  cp "$folder/server.crt" "$folder/server.key" "$STATE/postgres/"
  if [ "$(id -u)" = 0 ]; then chown "$(as_postgres id -u)" "$STATE/postgres"/server.*; fi
}
