# shellcheck shell=bash
# nginx in front of the instances, with deploy/nginx.conf. Sourced by scripts/cluster.

# An instance that refused a connection is left out for this long (deploy/compose
# states the same). Short, because it is back in a moment; not zero, because a
# host that is gone makes each try wait.
NGINX_FAIL_TIMEOUT_SECONDS=1

# nginx_configure PORT
nginx_configure() {
  local folder=$STATE/nginx instance address
  mkdir -p "$folder"
  cp "$ROOT/deploy/nginx.conf" "$folder/nginx.conf"
  printf 'listen 127.0.0.1:%s;\n' "$1" >"$folder/listen.conf"
  : >"$folder/instances-for-requests.conf"
  : >"$folder/instances-for-sockets.conf"
  for instance in $(instances); do
    address=127.0.0.1:$(cat "$STATE/instance-$instance/port")
    printf 'server %s max_fails=1 fail_timeout=%ss;\n' "$address" "$NGINX_FAIL_TIMEOUT_SECONDS" \
      >>"$folder/instances-for-requests.conf"
    printf 'server %s max_fails=0;\n' "$address" >>"$folder/instances-for-sockets.conf"
  done
}

# Waits until it listens; false if the port is taken. In the foreground of a
# session of its own, so that its log is a file without nginx opening one.
nginx_start() {
  local folder=$STATE/nginx deadline=$((SECONDS + 10)) port
  port=$(sed 's/.*:\([0-9]*\);/\1/' "$folder/listen.conf")
  launch "$folder/pid" "$folder/nginx.log" "$folder" \
    "$(nginx_bin)" -p "$folder" -c "$folder/nginx.conf" -e stderr -g 'daemon off;'
  until [ -s "$folder/nginx.pid" ] && port_in_use "$port"; do
    running_pid "$folder/pid" >/dev/null || return 1
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.02
  done
}
