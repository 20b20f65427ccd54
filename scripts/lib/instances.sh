# shellcheck shell=bash
# The instances of the service. Sourced by scripts/cluster.
#
# Each has a folder instance-K in the state folder: `port`, `env` (its settings, one a
# line), `pid`, `log`. That folder is also its working folder, so that it does not read a
# `.env` of whoever runs this.

# How long an instance may take until it is ready: it runs migrations first.
READY_TIMEOUT_SECONDS=30
# Above the longest stop of the service itself (SHUTDOWN_DELAY_SECONDS +
# SHUTDOWN_SPREAD_SECONDS + SHUTDOWN_REQUESTS_SECONDS).
STOP_TIMEOUT_SECONDS=40

instances() {
  local folder
  for folder in "$STATE"/instance-*/; do
    [ -e "$folder/port" ] || continue
    folder=${folder%/}
    printf '%s\n' "${folder##*instance-}"
  done | sort -n
}

# Prints the settings in the caller's environment that the service reads (every word in
# capitals in its --help), without those that the cluster itself sets.
inherited_settings() {
  local name
  for name in $("$BINARY" --help | grep -oE '\b[A-Z][A-Z0-9_]{2,}\b' | sort -u) RUST_BACKTRACE SSL_CERT_FILE; do
    case $name in
      HOST | PORT | DATABASE_URL | REDIS_URL | SECRET_KEY | PATH | HOME) ;;
      *) if [ -n "${!name+set}" ]; then printf '%s=%s\n' "$name" "${!name}"; fi ;;
    esac
  done
}

# Prints settings that turn all limits off: load and fault tests on loopback come from one
# address.
no_limits() {
  "$BINARY" --help | sed -n -E 's/^  (LIMIT_[A-Z_]+) \(.*/\1=off/p; s/^  (MAX_SOCKETS[A-Z_]*|MAX_REQUESTS_BY_PERSON) \(.*/\1=1000000/p'
}

# instance_create K PORT
instance_create() {
  local folder=$STATE/instance-$1
  mkdir -p "$folder"
  (
    umask 077
    {
      printf 'HOST=127.0.0.1\nPORT=%s\n' "$2"
      printf 'DATABASE_URL=%s\nREDIS_URL=%s\n' "$DATABASE_URL" "$REDIS_URL"
      # Before the caller's settings, which take precedence.
      printf 'SECRET_KEY=%s\nTRUSTED_PROXIES=1\n' "$SECRET_KEY"
      no_limits
      inherited_settings
    } >"$folder/env"
  )
  printf '%s\n' "$2" >"$folder/port"
}

# instance_set K NAME=VALUE…: changes settings, from the next start on.
instance_set() {
  local folder=$STATE/instance-$1 setting
  shift
  for setting in "$@"; do
    [[ $setting =~ ^[A-Z][A-Z0-9_]*= ]] || fail "not NAME=VALUE: $setting"
    printf '%s\n' "$setting" >>"$folder/env"
  done
}

# Starts an instance without waiting for it.
instance_launch() {
  local folder=$STATE/instance-$1 settings
  running_pid "$folder/pid" >/dev/null && fail "instance $1 is already running"
  mapfile -t settings <"$folder/env"
  # Of the caller's environment only what any program needs.
  launch "$folder/pid" "$folder/log" "$folder" \
    env -i PATH="$PATH" HOME="${HOME:-/}" TZ=UTC "${settings[@]}" "$(cat "$STATE/binary")" serve
}

# Waits until an instance is ready; false if it ended, or is not ready in time.
instance_wait_ready() {
  local folder=$STATE/instance-$1
  wait_until "$READY_TIMEOUT_SECONDS" "$folder/pid" responds "$(cat "$folder/port")" /readyz
}

instance_start() {
  instance_launch "$1"
  instance_wait_ready "$1" || fail "instance $1 did not become ready: $(tail -n 5 "$STATE/instance-$1/log")"
}

# Sends SIGTERM and waits until the instance has completed its graceful stop.
instance_stop() {
  signal_pid TERM "$STATE/instance-$1/pid"
  wait_gone "$STATE/instance-$1/pid" "$STOP_TIMEOUT_SECONDS" ||
    fail "instance $1 still runs $STOP_TIMEOUT_SECONDS s after SIGTERM"
}

instance_kill() {
  signal_pid KILL "$STATE/instance-$1/pid"
  wait_gone "$STATE/instance-$1/pid" 5
}
