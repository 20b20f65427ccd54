# shellcheck shell=bash
# Messages, paths of programs, processes by recorded pid, waiting, free ports and one
# HTTP request: what every script here uses. Sourced, never run.

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "${0##*/}: $*"
  exit 1
}

# --- programs ---------------------------------------------------------------

# Prints the folder of PostgreSQL's server programs, the newest version's.
postgres_bin() {
  local folder
  while IFS= read -r folder; do
    if [ -x "$folder/initdb" ]; then
      printf '%s\n' "$folder"
      return
    fi
  done < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV)
  if type -P initdb >/dev/null; then dirname "$(type -P initdb)"; fi
}

redis_server() { type -P redis-server || type -P valkey-server || true; }

# Debian installs nginx in a folder that is not in every user's PATH.
nginx_bin() { PATH=$PATH:/usr/sbin:/usr/local/sbin type -P nginx || true; }

pgbouncer_bin() { PATH=$PATH:/usr/sbin type -P pgbouncer || true; }

chromium_bin() { type -P chromium || type -P chromium-browser || type -P google-chrome || true; }

# Prints the path of cargo-deny, if it is installed: by scripts/install or otherwise.
cargo_deny_bin() {
  local own=$ROOT/target/tools/cargo-deny/bin/cargo-deny
  if [ -x "$own" ]; then printf '%s\n' "$own"; else type -P cargo-deny || true; fi
}

# build_programs [cargo's options]: builds all programs in the dev profile. One test too: then
# cargo unites the features of dependencies as `cargo test --workspace` does, and what that has
# built is not built again with other features.
build_programs() {
  cargo build --workspace --bins --test architecture --locked --quiet --manifest-path "$ROOT/Cargo.toml" "$@"
}

# --- processes --------------------------------------------------------------
# A pid file holds a pid and the start time of that process in clock ticks since boot,
# so that another process that has been given the same pid since is never signalled.

started_at() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # The name in parentheses may hold spaces; field 22 is the 20th after it.
  stat=${stat##*) }
  # shellcheck disable=SC2086 # split into words
  set -- $stat
  [ "$1" != Z ] && printf '%s\n' "${20}"
}

record_pid() { printf '%s %s\n' "$2" "$(started_at "$2")" >"$1"; }

# Prints the pid in a pid file if that same process still runs.
running_pid() {
  local pid ticks
  read -r pid ticks 2>/dev/null <"$1" || return 1
  [ -n "$ticks" ] && [ "$(started_at "$pid")" = "$ticks" ] && printf '%s\n' "$pid"
}

signal_pid() {
  local pid
  if pid=$(running_pid "$2"); then kill -s "$1" "$pid" 2>/dev/null || true; fi
}

# wait_gone PIDFILE SECONDS: waits until the process has ended; false after that time.
wait_gone() {
  local deadline=$((SECONDS + $2))
  while running_pid "$1" >/dev/null; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.02
  done
}

# wait_until SECONDS PIDFILE command argument…: runs the command until it succeeds; false
# after that time, or once the process of the pid file has ended. The process is looked at
# first: after it has ended another one may listen on its port.
wait_until() {
  local deadline=$((SECONDS + $1)) pid_file=$2
  shift 2
  while running_pid "$pid_file" >/dev/null && [ "$SECONDS" -lt "$deadline" ]; do
    if "$@"; then return; fi
    sleep 0.02
  done
  return 1
}

# launch PIDFILE LOG FOLDER program argument…: runs a program in the background that
# outlives this script. It has a session of its own (Ctrl-C at the script does not reach
# it) and none of the caller's files open (a pipe from this script ends when it does).
launch() {
  local pid_file=$1 log=$2 folder=$3
  shift 3
  (
    cd "$folder" || exit 1
    for descriptor in /proc/self/fd/*; do
      descriptor=${descriptor##*/}
      if [ "$descriptor" -gt 2 ]; then eval "exec $descriptor>&-"; fi
    done
    exec setsid "$@"
  ) </dev/null >>"$log" 2>&1 &
  record_pid "$pid_file" $!
  # Without this the shell would print a line when it ends.
  disown $!
}

# --- ports ------------------------------------------------------------------

# port_in_use PORT: true if a process on loopback accepts connections on it.
port_in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints a port on which no process listens. Between 20000 and 31999: below the range that
# Linux uses for outgoing connections, so that a load test's own sockets do not occupy it
# while its server restarts. Another process may still bind it before the caller does:
# callers start their server in a loop around this.
free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 12000))
    if ! port_in_use "$port"; then
      printf '%s\n' "$port"
      return
    fi
  done
  fail "no free port between 20000 and 31999"
}

# --- HTTP -------------------------------------------------------------------

# http_status PORT PATH: prints the status of a GET from loopback, or 000 if none comes
# within a second. Callers poll, and a longer timeout would only hide a server that hangs.
http_status() {
  local line=''
  {
    exec 3<>"/dev/tcp/127.0.0.1/$1" &&
      printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3 &&
      IFS= read -r -t 1 line <&3
  } 2>/dev/null || true
  exec 3>&- 2>/dev/null || true
  [[ $line =~ ^HTTP/1\.[01]\ ([0-9]{3}) ]] && printf '%s\n' "${BASH_REMATCH[1]}" || printf '000\n'
}

# responds PORT PATH: true if the status is 200.
responds() { [ "$(http_status "$1" "$2")" = 200 ]; }

# uses_redis PORT: whether the instance on this port is ready, and publishes and receives through
# Redis.
uses_redis() {
  local body=''
  {
    exec 3<>"/dev/tcp/127.0.0.1/$1" &&
      printf 'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3 &&
      body=$(timeout 2 cat <&3)
  } 2>/dev/null || true
  exec 3>&- 2>/dev/null || true
  [[ $body =~ \"status\":\"ready\".*\"channel_layer\":\"ok\" ]]
}

# random_hex BYTES
random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
