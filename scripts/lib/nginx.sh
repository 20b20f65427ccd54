# shellcheck shell=bash
# nginx in front of the instances, with deploy/nginx.conf. Sourced by scripts/cluster.

# For how long nginx skips an instance that refused a connection (deploy/compose has the
# same value). Short, because a restarted instance is back in a moment; not zero, because
# each attempt at a host that is down waits for a timeout.
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

# Starts nginx and waits until it listens; false if the port is in use. `daemon off`, so that
# its output goes to the log that `launch` opens.
nginx_start() {
  local folder=$STATE/nginx port
  port=$(sed 's/.*:\([0-9]*\);/\1/' "$folder/listen.conf")
  launch "$folder/pid" "$folder/nginx.log" "$folder" \
    "$(nginx_bin)" -p "$folder" -c "$folder/nginx.conf" -e stderr -g 'daemon off;'
  wait_until 10 "$folder/pid" nginx_listens "$port"
}

# nginx writes its pid file after it has bound its ports, so that no other process on the
# port is mistaken for it.
nginx_listens() { [ -s "$STATE/nginx/nginx.pid" ] && port_in_use "$1"; }
