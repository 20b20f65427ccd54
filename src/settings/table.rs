//! The table of all settings: what `--help` prints, where defaults come from, and
//! what the documentation is checked against.

use std::fmt::Write;

/// One setting as an operator sees it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The variable's name.
    pub name: &'static str,
    /// What its number counts, or what its text is.
    pub unit: &'static str,
    /// Its value when it is not set; in brackets, words for one that depends.
    pub default: &'static str,
    /// What it decides.
    pub meaning: &'static str,
}

macro_rules! settings {
    ($($name:literal, $unit:literal, $default:literal, $meaning:literal;)*) => {
        &[$(Setting { name: $name, unit: $unit, default: $default, meaning: $meaning }),*]
    };
}

/// Every setting.
pub const SETTINGS: &[Setting] = settings![
    "HOST", "address", "127.0.0.1", "where to listen";
    "PORT", "number", "8000", "where to listen; 0 takes a free port";
    "WORKERS", "threads", "[cores]", "threads that serve HTTP and sockets";
    "MAX_CONNECTIONS", "connections", "18000", "TCP connections held at once; further ones wait in the kernel";
    "DATABASE_URL", "URL", "sqlite://numeneon.sqlite3", "postgres://… or sqlite://<path of a file>";
    "DATABASE_POOL_SIZE", "connections", "16", "database connections held at most";
    "DATABASE_WAIT_MS", "ms", "2000", "how long a request waits for one of them; then 503";
    "DATABASE_CONNECT_TIMEOUT_SECONDS", "s", "2", "how long a new database connection may take; 2 at least";
    "DATABASE_STATEMENT_TIMEOUT_MS", "ms", "5000", "how long a statement may take; then 503";
    "DATABASE_LOCK_TIMEOUT_MS", "ms", "3000", "how long a statement waits for a lock; then 503";
    "REDIS_URL", "URL", "", "redis://… or rediss://…, between several instances; unset: one process alone";
    "SECRET_KEY", "text", "", "signs tokens; 32 bytes or more, needed with PostgreSQL or Redis; on a laptop made once";
    "SECRET_KEY_FALLBACKS", "list", "", "keys that signed before, divided by commas: their tokens stay good until they expire";
    "SERVICE_KEYS", "list", "", "other services that may publish events, each name:key; a key has 32 bytes or more; unset: none";
    "ALLOWED_ORIGINS", "list", "https://numeneon-frontend.vercel.app,https://numeneon-backend.onrender.com,https://numeneon-frontend*.vercel.app,http://localhost:*,http://127.0.0.1:*", "origins whose pages may read answers (CORS); * stands for a part of a label, or a port";
    "ALLOWED_HOSTS", "list", "localhost,127.0.0.1,*.onrender.com,*.vercel.app", "names under which the service answers; others get 400";
    "ALLOWED_WS_ORIGINS", "list", "", "origins whose pages may open a socket; unset: any";
    "TRUSTED_PROXIES", "proxies", "0", "proxies in front that add to X-Forwarded-For; the client is that entry from its end";
    "MAX_BODY_BYTES", "bytes", "65536", "a request's body at most; then 413";
    "MAX_MESSAGE_CHARACTERS", "characters", "10000", "a message at most; then 400";
    "ACCESS_TOKEN_SECONDS", "s", "3600", "how long an access token is good";
    "REFRESH_TOKEN_SECONDS", "s", "604800", "how long a refresh token is good";
    "PASSWORD_HASHES_AT_ONCE", "threads", "[cores - 1]", "passwords hashed at the same time, 20 MiB each; further ones wait";
    "LIMIT_FAILED_LOGINS_BY_EMAIL", "rate", "20/15m", "wrong passwords for one email, then 429; 20/15m: 20 at once, and 20 again over 15 minutes; off: none";
    "LIMIT_FAILED_LOGINS_BY_ADDRESS", "rate", "100/15m", "wrong passwords from one address; then 429";
    "LIMIT_SIGNUPS_BY_ADDRESS", "rate", "20/1h", "sign-ups from one address; then 429";
    "LIMIT_MESSAGES_BY_PERSON", "rate", "120/1m", "messages that one person sends; then 429";
    "LIMIT_FRIEND_REQUESTS_BY_PERSON", "rate", "60/1h", "friend requests that one person makes; then 429";
    "LIMIT_CONNECTS_BY_ADDRESS", "rate", "300/1m", "handshakes of sockets from one address, on one instance; then 429";
    "LIMIT_FRAMES_BY_SOCKET", "rate", "100/10s", "frames that one socket sends; then it is closed with 4029";
    "MAX_SOCKETS", "sockets", "15000", "sockets held at once, on one instance; then 503";
    "MAX_SOCKETS_BY_PERSON", "sockets", "32", "sockets of one person, on one instance; then 429";
    "SOCKET_QUEUE_EVENTS", "frames", "256", "frames that may wait for one socket; then it is closed with 4008";
    "SOCKET_QUEUE_BYTES", "bytes", "262144", "bytes that may wait for one socket; then it is closed with 4008";
    "SOCKET_WRITE_TIMEOUT_SECONDS", "s", "10", "how long a socket may take nothing; then it is closed with 4008";
    "SOCKET_PING_SECONDS", "s", "25", "how often a socket is pinged";
    "SOCKET_UNANSWERED_PINGS", "pings", "2", "pings without an answer after which a socket is closed";
    "POSITION_CHECK_SECONDS", "s", "30", "how often each connected person is compared with their inbox";
    "INBOX_RETENTION_DAYS", "days", "30", "how long an event can be replayed";
    "INBOX_MAX_EVENTS", "events", "10000", "how many events of one person can be replayed";
    "SHUTDOWN_DELAY_SECONDS", "s", "[5, on a laptop 0]", "on SIGTERM: how long all goes on, not ready, while load balancers notice";
    "SHUTDOWN_SPREAD_SECONDS", "s", "[5, on a laptop 0]", "then: over which time sockets are closed with 1012";
    "SHUTDOWN_REQUESTS_SECONDS", "s", "15", "then: how long requests in flight may take";
    "METRICS_ADDRESS", "address", "", "where /metrics is served, for instance 127.0.0.1:9464; unset: nowhere";
    "METRICS_TOKEN", "text", "", "bearer token that /metrics asks for; unset: it asks for none";
    "OTLP_ENDPOINT", "URL", "", "collector that traces go to by OTLP/HTTP, for instance http://127.0.0.1:4318; needs a build with the feature otlp; unset: none";
    "OTLP_SAMPLE_RATIO", "0 to 1", "1", "the part of traces begun here that are recorded";
    "DEMO", "true/false", "[true on a laptop]", "whether /demo/ is served; a laptop is SQLite without Redis";
    "LOG", "filter", "info", "what is logged, for instance info,numeneon=debug";
    "LOG_FORMAT", "text/json", "[text on a terminal, else json]", "how it is logged";
];

/// Returns the text of `--help`.
pub fn help() -> String {
    let mut text = String::from(
        "numeneon: accounts, friends, direct messages and a live feed\n\n\
         Usage: numeneon [serve]   migrate the database, then serve\n       \
         numeneon migrate   migrate the database and end\n       \
         numeneon deactivate <username> | reactivate <username>   close an account, or open it again\n       \
         numeneon healthy   end with 0 if the instance on this PORT is alive\n       \
         numeneon --help | --version\n\n\
         Settings, from the environment or a .env file (unit; default):\n",
    );
    for Setting { name, unit, default, meaning } in SETTINGS {
        let default = if default.is_empty() { "unset" } else { default };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n  {name} ({unit}; {default})\n      {meaning}");
    }
    text
}
