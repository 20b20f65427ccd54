//! [`Settings`] are everything that an operator decides, read once at the start.
//!
//! They come from the environment and, for names that it lacks, from a `.env` file
//! in the working directory. This module is the only reader of the environment.
//! What is wrong stops the start with one line that names the variable. A secret
//! is never printed, not even by `Debug`.

mod database_url;
mod pattern;
mod rate;
mod secret_key;
mod service_keys;
mod source;
mod table;
mod telemetry;

use std::time::Duration;

use secrecy::SecretString;

pub use database_url::DatabaseUrl;
pub use pattern::Pattern;
pub use rate::{Rate, Rates};
pub use service_keys::ServiceKey;
pub use source::InvalidSetting;
pub use table::{SETTINGS, Setting, help};
pub use telemetry::{Telemetry, Traces};

use source::Source;

/// Everything that an operator decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen, and the bounds of the server.
    pub server: Server,
    /// The database.
    pub database: Database,
    /// The Redis between the instances; without one this process is alone.
    pub redis_url: Option<SecretString>,
    /// Tokens and passwords.
    pub auth: Auth,
    /// The integrations that may announce events.
    pub service_keys: Vec<ServiceKey>,
    /// What may access the service, by `Origin` and `Host`.
    pub access: Access,
    /// The bounds of one request.
    pub requests: Requests,
    /// How much anybody may take.
    pub rates: Rates,
    /// The bounds of sockets.
    pub socket: Socket,
    /// How often feeds are compared with their inboxes.
    pub position_check: Duration,
    /// What the inbox keeps.
    pub inbox: Inbox,
    /// The stages of a graceful stop.
    pub shutdown: Shutdown,
    /// What an operator is told, and where.
    pub telemetry: Telemetry,
    /// Whether `/demo/` is served.
    pub demo: bool,
}

/// Where to listen, and the bounds of the server.
#[derive(Clone, Debug)]
pub struct Server {
    /// The address to listen on.
    pub host: String,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// Threads that serve HTTP and sockets.
    pub workers: usize,
    /// TCP connections held at once.
    pub max_connections: usize,
}

/// The database, and how long to wait for it.
#[derive(Clone, Debug)]
pub struct Database {
    /// Which database.
    pub url: DatabaseUrl,
    /// Connections held at most.
    pub pool_size: usize,
    /// How long a request waits for one of them.
    pub wait: Duration,
    /// How long a new connection may take.
    pub connect_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
}

/// Who may ask.
#[derive(Clone, Debug)]
pub struct Access {
    /// The origins whose pages may read the answers.
    pub origins: Vec<Pattern>,
    /// The names under which this service answers.
    pub hosts: Vec<Pattern>,
    /// The origins whose pages may open a socket; any if none is named.
    pub socket_origins: Vec<Pattern>,
    /// Proxies in front, each of which adds an entry to `X-Forwarded-For`.
    pub trusted_proxies: usize,
}

/// The bounds of one request.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    /// Bytes of a body at most.
    pub max_body_bytes: usize,
    /// Characters of a message at most.
    pub max_message_characters: usize,
}

/// Tokens and passwords.
#[derive(Clone, Debug)]
pub struct Auth {
    /// The key that signs tokens.
    pub secret_key: SecretString,
    /// The keys that signed tokens before; these are valid until they expire.
    pub secret_key_fallbacks: Vec<SecretString>,
    /// How long an access token is valid.
    pub access_token: Duration,
    /// How long a refresh token is valid.
    pub refresh_token: Duration,
    /// Passwords hashed at once.
    pub hashes_at_once: usize,
}

/// The bounds of sockets.
#[derive(Clone, Copy, Debug)]
pub struct Socket {
    /// Sockets at once.
    pub most: usize,
    /// Sockets of one person at once.
    pub most_by_person: usize,
    /// Frames waiting for it at most.
    pub queue_events: usize,
    /// Bytes waiting for it at most.
    pub queue_bytes: usize,
    /// How long a write may stand still.
    pub write_timeout: Duration,
    /// How often the server pings.
    pub ping: Duration,
    /// Pings without an answer after which the socket is closed.
    pub unanswered_pings: u32,
}

/// What the inbox keeps.
#[derive(Clone, Copy, Debug)]
pub struct Inbox {
    /// Days for which an event is kept.
    pub retention_days: u32,
    /// Events kept for each person at most.
    pub max_events: u32,
}

/// The stages of a graceful stop, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown {
    /// How long everything goes on while load balancers notice.
    pub delay: Duration,
    /// Over which time sockets are closed.
    pub spread: Duration,
    /// How long requests in flight may take.
    pub requests: Duration,
}

impl Settings {
    /// Reads the environment and `.env`.
    ///
    /// # Errors
    ///
    /// The first setting that is wrong.
    pub fn from_environment() -> Result<Self, InvalidSetting> {
        match dotenvy::dotenv() {
            Ok(_) => {}
            Err(error) if error.not_found() => {}
            // The library's own words quote the line, which may hold a secret.
            Err(dotenvy::Error::LineParse(..)) => {
                return Err(InvalidSetting::new(
                    ".env",
                    "a line of it cannot be read; put the value in single quotes",
                ));
            }
            Err(error) => return Err(InvalidSetting::new(".env", error)),
        }
        Self::from_lookup(&|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads settings by name from `lookup`; an empty value counts as none.
    ///
    /// # Errors
    ///
    /// The first setting that is wrong.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, InvalidSetting> {
        let source = Source::new(lookup);
        let database = Database {
            url: source.database_url("DATABASE_URL")?,
            pool_size: source.number("DATABASE_POOL_SIZE", 1..=1_000)?,
            wait: source.milliseconds("DATABASE_WAIT_MS", 1..=60_000)?,
            connect_timeout: source.seconds("DATABASE_CONNECT_TIMEOUT_SECONDS", 2..=60)?,
            statement_timeout: source.milliseconds("DATABASE_STATEMENT_TIMEOUT_MS", 10..=600_000)?,
            lock_timeout: source.milliseconds("DATABASE_LOCK_TIMEOUT_MS", 10..=600_000)?,
        };
        let redis_url = source.redis_url("REDIS_URL")?;
        let is_standalone = matches!(database.url, DatabaseUrl::Sqlite(_)) && redis_url.is_none();
        Ok(Self {
            server: Server {
                host: source.text("HOST"),
                port: source.number("PORT", 0..=65_535)?,
                workers: source.count_or_cores("WORKERS", 1..=1_024)?,
                max_connections: source.number("MAX_CONNECTIONS", 1..=1_000_000)?,
            },
            auth: Auth {
                secret_key: secret_key::read(&source, &database.url, is_standalone)?,
                secret_key_fallbacks: secret_key::fallbacks(&source, is_standalone)?,
                access_token: source.seconds("ACCESS_TOKEN_SECONDS", 1..=31_536_000)?,
                refresh_token: source.seconds("REFRESH_TOKEN_SECONDS", 1..=31_536_000)?,
                hashes_at_once: source.count_or_spare_cores("PASSWORD_HASHES_AT_ONCE", 1..=1_024)?,
            },
            service_keys: service_keys::read(&source)?,
            database,
            redis_url,
            access: Access {
                origins: source.patterns("ALLOWED_ORIGINS"),
                hosts: source.patterns("ALLOWED_HOSTS"),
                socket_origins: source.patterns("ALLOWED_WS_ORIGINS"),
                trusted_proxies: source.number("TRUSTED_PROXIES", 0..=16)?,
            },
            requests: Requests {
                max_body_bytes: source.number("MAX_BODY_BYTES", 1_024..=16_777_216)?,
                max_message_characters: source.number("MAX_MESSAGE_CHARACTERS", 1..=1_000_000)?,
            },
            rates: Rates::read(&source)?,
            socket: Socket {
                most: source.number("MAX_SOCKETS", 1..=1_000_000)?,
                most_by_person: source.number("MAX_SOCKETS_BY_PERSON", 1..=1_000_000)?,
                queue_events: source.number("SOCKET_QUEUE_EVENTS", 1..=100_000)?,
                queue_bytes: source.number("SOCKET_QUEUE_BYTES", 1_024..=67_108_864)?,
                write_timeout: source.seconds("SOCKET_WRITE_TIMEOUT_SECONDS", 1..=600)?,
                ping: source.seconds("SOCKET_PING_SECONDS", 1..=3_600)?,
                unanswered_pings: source.number("SOCKET_UNANSWERED_PINGS", 1..=100)?,
            },
            position_check: source.seconds("POSITION_CHECK_SECONDS", 1..=3_600)?,
            inbox: Inbox {
                retention_days: source.number("INBOX_RETENTION_DAYS", 1..=36_500)?,
                max_events: source.number("INBOX_MAX_EVENTS", 1..=100_000_000)?,
            },
            shutdown: Shutdown {
                delay: source.seconds_on_a_server("SHUTDOWN_DELAY_SECONDS", 5, is_standalone)?,
                spread: source.seconds_on_a_server("SHUTDOWN_SPREAD_SECONDS", 5, is_standalone)?,
                requests: source.seconds("SHUTDOWN_REQUESTS_SECONDS", 0..=300)?,
            },
            telemetry: telemetry::read(&source)?,
            demo: source.switch("DEMO", is_standalone)?,
        })
    }
}

/// Returns the host and the port under which the instance on this machine is reached. No
/// other setting is looked at: a health check has not all of them.
///
/// # Errors
///
/// If `PORT` is wrong.
pub fn local_address() -> Result<(String, u16), InvalidSetting> {
    let lookup = |name: &str| std::env::var(name).ok();
    let source = Source::new(&lookup);
    let host = match source.text("HOST").as_str() {
        "0.0.0.0" | "::" => "127.0.0.1".to_owned(),
        host => host.to_owned(),
    };
    Ok((host, source.number("PORT", 0..=65_535)?))
}
