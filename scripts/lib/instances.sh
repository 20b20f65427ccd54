# shellcheck shell=bash
# The instances of the service. Sourced by scripts/cluster.
#
# Each has a folder instance-K in the state folder: `port`, `env` (a setting a
# line, as it is started with every time), `pid`, `log`. Its working folder is
# that folder, so that no `.env` of the person who runs this is read.

# How long an instance may take until it is ready: it migrates first.
READY_SECONDS=30
# Above the service's own longest stop (SHUTDOWN_DELAY_SECONDS +
# SHUTDOWN_SPREAD_SECONDS + SHUTDOWN_REQUESTS_SECONDS).
STOP_SECONDS=40

instances() {
  local folder
  for folder in "$STATE"/instance-*/; do
    [ -e "$folder/port" ] || continue
    folder=${folder%/}
    printf '%s\n' "${folder##*instance-}"
  done | sort -n
}

# Prints those settings of the caller's environment that the service knows (every
# word in capitals in its --help), without those that the cluster itself decides.
passed_through() {
  local name
  for name in $("$BINARY" --help | grep -oE '\b[A-Z][A-Z0-9_]{2,}\b' | sort -u) RUST_BACKTRACE SSL_CERT_FILE; do
    case $name in
      HOST | PORT | DATABASE_URL | REDIS_URL | SECRET_KEY | PATH | HOME) ;;
      *) if [ -n "${!name+set}" ]; then printf '%s=%s\n' "$name" "${!name}"; fi ;;
    esac
  done
}

# Prints settings that switch all limits off: whoever loads or torments a cluster on
# loopback does so from one address.
no_limits() {
  "$BINARY" --help | sed -n -E 's/^  (LIMIT_[A-Z_]+) \(.*/\1=off/p; s/^  (MAX_SOCKETS[A-Z_]*) \(.*/\1=1000000/p'
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
      # Before what the caller passes, which wins.
      printf 'SECRET_KEY=%s\nTRUSTED_PROXIES=1\n' "$SECRET_KEY"
      no_limits
      passed_through
    } >"$folder/env"
  )
  printf '%s\n' "$2" >"$folder/port"
}

# instance_set K NAME=VALUE…: from its next start on.
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
  running_pid "$folder/pid" >/dev/null && fail "instance $1 runs already"
  mapfile -t settings <"$folder/env"
  # Nothing of the caller's environment but what a program needs to run at all.
  launch "$folder/pid" "$folder/log" "$folder" \
    env -i PATH="$PATH" HOME="${HOME:-/}" TZ=UTC "${settings[@]}" "$(cat "$STATE/binary")" serve
}

# Waits until an instance is ready; false if it ended or did not get there in time.
instance_wait_ready() {
  local folder=$STATE/instance-$1 port deadline=$((SECONDS + READY_SECONDS))
  port=$(cat "$folder/port")
  while true; do
    running_pid "$folder/pid" >/dev/null || return 1
    if [ "$(http_status "$port" /readyz)" = 200 ]; then return; fi
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.05
  done
}

instance_start() {
  instance_launch "$1"
  instance_wait_ready "$1" || fail "instance $1 did not become ready: $(tail -n 5 "$STATE/instance-$1/log")"
}

# SIGTERM, then waits until the instance has finished what it had.
instance_stop() {
  signal_pid TERM "$STATE/instance-$1/pid"
  wait_gone "$STATE/instance-$1/pid" "$STOP_SECONDS" || fail "instance $1 still runs $STOP_SECONDS s after SIGTERM"
}

instance_kill() {
  signal_pid KILL "$STATE/instance-$1/pid"
  wait_gone "$STATE/instance-$1/pid" 5
}
