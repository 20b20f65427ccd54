# shellcheck shell=bash
# The cluster's own Redis, on loopback with a password. Sourced by scripts/cluster.
#
# It writes an append-only file, so that a test can restart it with its data or without.

# redis_configure PORT
redis_configure() {
  local folder=$STATE/redis
  mkdir -p "$folder"
  # A password even on loopback: any client of Redis can have it write files.
  (
    umask 077
    cat >"$folder/redis.conf" <<SETTINGS
bind 127.0.0.1
dir $folder
requirepass $REDIS_PASSWORD
appendonly yes
appendfsync everysec
save ""
databases 64
daemonize no
SETTINGS
    if "$TLS"; then
      cat >>"$folder/redis.conf" <<SETTINGS
port 0
tls-port $1
tls-cert-file $STATE/tls/server.crt
tls-key-file $STATE/tls/server.key
tls-ca-cert-file $STATE/tls/ca.crt
tls-auth-clients no
SETTINGS
    else
      printf 'port %s\n' "$1" >>"$folder/redis.conf"
    fi
  )
}

# Starts Redis and waits until it accepts connections; false if the port is in use.
redis_start() {
  local folder=$STATE/redis
  launch "$folder/pid" "$folder/redis.log" "$folder" "$(redis_server)" "$folder/redis.conf"
  wait_until 10 "$folder/pid" redis_ready
}

# Reads it from Redis' log: with TLS a plain PING would not work.
redis_ready() {
  local pid
  pid=$(running_pid "$STATE/redis/pid") || return 1
  grep -qs "^$pid:M .*Ready to accept connections" "$STATE/redis/redis.log"
}

redis_kill() {
  signal_pid KILL "$STATE/redis/pid"
  wait_gone "$STATE/redis/pid" 5
}

redis_forget() { rm -rf "$STATE/redis/appendonlydir"; }
