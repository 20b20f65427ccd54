//! The table of all settings: `--help` prints it, defaults come from it, and the documentation
//! is checked against it.

use std::fmt::Write;

/// One setting as an operator sees it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The variable's name.
    pub name: &'static str,
    /// The unit of its number, or the form of its text.
    pub unit: &'static str,
    /// Its value when it is not set; in brackets, words for one that depends on others.
    pub default: &'static str,
    /// What it configures.
    pub meaning: &'static str,
}

macro_rules! settings {
    ($($name:literal, $unit:literal, $default:literal, $meaning:literal;)*) => {
        &[$(Setting { name: $name, unit: $unit, default: $default, meaning: $meaning }),*]
    };
}

/// Every setting.
pub const SETTINGS: &[Setting] = settings![
    "HOST", "address", "127.0.0.1", "address to listen on";
    "PORT", "number", "8000", "port to listen on; 0 takes a free port";
    "WORKERS", "threads", "[cores]", "threads that serve HTTP and sockets";
    "MAX_CONNECTIONS", "connections", "18000", "most TCP connections at once; further ones wait in the kernel";
    "KEEP_ALIVE_SECONDS", "s", "75", "how long an idle HTTP connection is kept; longer than the proxy in front keeps its own, so that the proxy closes it";
    "DATABASE_URL", "URL", "sqlite://numeneon.sqlite3", "postgres://… with one host or several, or sqlite://<path of a file>";
    "DATABASE_POOL_SIZE", "connections", "16", "most database connections";
    "DATABASE_WAIT_MS", "ms", "2000", "how long a request waits for a database connection; then 503";
    "DATABASE_CONNECT_TIMEOUT_SECONDS", "s", "2", "how long a new database connection may take; at least 2";
    "DATABASE_STATEMENT_TIMEOUT_MS", "ms", "5000", "how long a statement may take; then 503";
    "DATABASE_LOCK_TIMEOUT_MS", "ms", "3000", "how long a statement waits for a lock; then 503";
    "REDIS_URL", "URL", "", "redis://… or rediss://…, shared by all instances; unset: a single instance";
    "REDIS_PREFIX", "text", "", "what the names of channels and keys in Redis begin with, for instance staging.; the same for all instances; unset: nothing";
    "SECRET_KEY", "text", "", "signs tokens; at least 32 bytes unless standalone; required with PostgreSQL or Redis, otherwise generated once";
    "SECRET_KEY_FALLBACKS", "list", "", "previous keys, separated by commas: tokens signed with them are valid until they expire";
    "SERVICE_KEYS", "list", "", "integrations that may announce events, each name:key, separated by commas; a key has at least 32 bytes; unset: none";
    "ALLOWED_ORIGINS", "list", "https://numeneon-frontend.vercel.app,https://numeneon-backend.onrender.com,https://numeneon-frontend*.vercel.app,http://localhost:*,http://127.0.0.1:*", "origins whose pages may read responses (CORS), such as https://app.example.org; * matches a part of a label, or a port";
    "ALLOWED_HOSTS", "list", "localhost,127.0.0.1,*.onrender.com,*.vercel.app", "host names of the service, without port; .example.org includes all subdomains; * alone: any; requests for others get 400";
    "ALLOWED_WS_ORIGINS", "list", "", "origins whose pages may open a socket; unset: any";
    "TRUSTED_PROXIES", "proxies", "0", "number of proxies in front that append to X-Forwarded-For; the client's address is that entry, counted from the end";
    "TRUSTED_NETWORKS", "list", "", "networks of the proxies in front, such as 10.0.0.0/8: headers of others are ignored; without TRUSTED_PROXIES the client's address is the last entry of X-Forwarded-For in none of them; unset: any";
    "CLIENT_ADDRESS_HEADER", "header", "", "header that the platform in front overwrites with the client's address, such as CF-Connecting-IP; unset: X-Forwarded-For";
    "MAX_BODY_BYTES", "bytes", "65536", "most bytes of a request's body; then 413";
    "MAX_MESSAGE_CHARACTERS", "characters", "10000", "most characters of a message; then 400";
    "MAX_POSTS_LISTED", "posts", "1000", "most posts in a list that is requested without a limit; the others are on its next page";
    "STORY_LIFETIME_SECONDS", "s", "86400", "how long a story lives";
    "ACCESS_TOKEN_SECONDS", "s", "3600", "how long an access token is valid";
    "REFRESH_TOKEN_SECONDS", "s", "604800", "how long a refresh token is valid";
    "RESERVED_USERNAMES", "list", "", "usernames that nobody may take, in any case, separated by commas; unset: none";
    "PASSWORD_HASHES_AT_ONCE", "threads", "[cores - 1]", "most passwords hashed at the same time, 20 MiB each; further ones wait";
    "LIMIT_FAILED_LOGINS_BY_EMAIL", "rate", "20/15m", "wrong passwords for one email; then 429; 20/15m: a burst of 20, refilled evenly over 15 minutes; off: no limit";
    "LIMIT_FAILED_LOGINS_BY_ADDRESS", "rate", "100/15m", "wrong passwords from one address; then 429";
    "LIMIT_LOGINS_BY_EMAIL_AND_ADDRESS", "rate", "120/1h", "passwords, right or wrong, for one email from one address; then 429";
    "LIMIT_SIGNUPS_BY_ADDRESS", "rate", "20/1h", "sign-ups from one address; then 429";
    "LIMIT_MESSAGES_BY_PERSON", "rate", "120/1m", "messages that one user sends; then 429";
    "LIMIT_FRIEND_REQUESTS_BY_PERSON", "rate", "60/1h", "friend requests that one user makes; then 429";
    "LIMIT_REQUESTS_BY_PERSON", "rate", "1200/1m", "requests of one user, on one instance; then 429; a search and suggestions count ten";
    "MAX_REQUESTS_BY_PERSON", "requests", "4", "most requests of one user that run at once, on one instance; of those that count ten a tenth, rounded up; others wait for 2 s; then 429";
    "LIMIT_POSTS_BY_PERSON", "rate", "60/1m", "posts, replies and stories of one user; then 429";
    "LIMIT_REACTIONS_BY_PERSON", "rate", "300/1m", "likes, shares, views and reactions of one user; then 429";
    "LIMIT_CONNECTS_BY_ADDRESS", "rate", "300/1m", "handshakes of sockets from one address, on one instance; then 429";
    "LIMIT_FRAMES_BY_SOCKET", "rate", "100/10s", "frames that one socket sends; then it is closed with 4029";
    "MAX_SOCKETS", "sockets", "15000", "most sockets at once, on one instance; then 503";
    "MAX_SOCKETS_BY_PERSON", "sockets", "32", "most sockets of one user, on one instance; then 429";
    "SOCKET_QUEUE_EVENTS", "frames", "256", "most frames queued for one socket; then it is closed with 4008";
    "SOCKET_QUEUE_BYTES", "bytes", "262144", "most bytes queued for one socket; then it is closed with 4008";
    "SOCKET_WRITE_TIMEOUT_SECONDS", "s", "10", "how long a client may read nothing; then its socket is closed with 4008";
    "SOCKET_PING_SECONDS", "s", "25", "how often a socket is pinged";
    "SOCKET_UNANSWERED_PINGS", "pings", "2", "pings without a pong after which a socket is closed";
    "SOCKET_BEYOND_TOKEN_SECONDS", "s", "43200", "how long a socket may outlive the token that opened it; then it is closed with 4001, at its next ping; clients without numeneon.v1 are left alone";
    "POSITION_CHECK_SECONDS", "s", "30", "how often the position of each connected user is compared with their inbox";
    "INBOX_RETENTION_DAYS", "days", "30", "how long an event can be replayed";
    "INBOX_MAX_EVENTS", "events", "10000", "how many events of one user can be replayed";
    "SHUTDOWN_DELAY_SECONDS", "s", "[5; standalone: 0]", "on SIGTERM: how long the instance serves on, not ready, while load balancers notice";
    "SHUTDOWN_SPREAD_SECONDS", "s", "[5; standalone: 0]", "then: time over which sockets are closed with 1012";
    "SHUTDOWN_REQUESTS_SECONDS", "s", "15", "then: how long requests in flight may take";
    "METRICS_ADDRESS", "address", "", "address on which /metrics is served, for instance 127.0.0.1:9464; unset: not served";
    "METRICS_TOKEN", "text", "", "bearer token that /metrics requires; unset: none";
    "OTLP_ENDPOINT", "URL", "", "collector that traces are exported to by OTLP/HTTP, for instance http://127.0.0.1:4318; needs a build with the feature otlp; unset: none";
    "OTLP_SAMPLE_RATIO", "0 to 1", "1", "ratio of traces begun by this instance that are recorded";
    "DEMO", "true/false", "[standalone: true; else false]", "whether /demo/ is served; standalone is SQLite without Redis on a HOST that is loopback";
    "DOCS", "true/false", "true", "whether /api/schema/ and /api/docs/ are served";
    "LOG", "filter", "info", "filter of log lines, for instance info,numeneon=debug";
    "LOG_FORMAT", "text/json", "[text on a terminal, else json]", "format of log lines";
];

/// Returns the text of `--help`.
pub fn help() -> String {
    let mut text = String::from(
        "numeneon: accounts, friends, direct messages and a live feed\n\n\
         Usage: numeneon [serve]   migrate the database, then serve\n       \
         numeneon migrate   migrate the database and exit\n       \
         numeneon deactivate <username> | reactivate <username>   deactivate an account, or reactivate it\n       \
         numeneon lift-numbers   after a restore that cannot be recognised: every client resyncs\n       \
         numeneon healthy   exit with 0 if the instance on this PORT is alive\n       \
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
