//! Groups of settings, each for one part of the service, with their ranges.

use std::time::Duration;

use secrecy::SecretString;

use super::access::{self, HostPattern};
use super::database_url::DatabaseUrl;
use super::invalid_setting::InvalidSetting;
use super::network::Network;
use super::pattern::Pattern;
use super::place::Place;
use super::secret_key;
use super::source::Source;

/// Where to listen, and the bounds of the server.
#[derive(Clone, Debug)]
pub struct Server {
    /// The address to listen on.
    pub host: String,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// The number of threads that serve HTTP and sockets.
    pub workers: usize,
    /// The most TCP connections at once.
    pub max_connections: usize,
    /// How long an idle HTTP connection is kept.
    pub keep_alive: Duration,
}

impl Server {
    pub(super) fn read(source: &Source<'_>) -> Result<Self, InvalidSetting> {
        Ok(Self {
            host: source.text("HOST"),
            port: source.number("PORT", 0..=65_535)?,
            workers: source.count_or_cores("WORKERS", 1..=1_024)?,
            max_connections: source.number("MAX_CONNECTIONS", 1..=1_000_000)?,
            keep_alive: source.seconds("KEEP_ALIVE_SECONDS", 1..=3_600)?,
        })
    }
}

/// The database, and the timeouts of its use.
#[derive(Clone, Debug)]
pub struct Database {
    /// The database.
    pub url: DatabaseUrl,
    /// The most connections.
    pub pool_size: usize,
    /// How long a request waits for a connection.
    pub wait_timeout: Duration,
    /// How long a new connection may take.
    pub connect_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
}

impl Database {
    pub(super) fn read(source: &Source<'_>) -> Result<Self, InvalidSetting> {
        Ok(Self {
            url: source.database_url("DATABASE_URL")?,
            pool_size: source.number("DATABASE_POOL_SIZE", 1..=1_000)?,
            wait_timeout: source.milliseconds("DATABASE_WAIT_MS", 1..=60_000)?,
            connect_timeout: source.seconds("DATABASE_CONNECT_TIMEOUT_SECONDS", 2..=60)?,
            statement_timeout: source.milliseconds("DATABASE_STATEMENT_TIMEOUT_MS", 10..=600_000)?,
            lock_timeout: source.milliseconds("DATABASE_LOCK_TIMEOUT_MS", 10..=600_000)?,
        })
    }
}

/// Which origins and hosts may access the service.
#[derive(Clone, Debug)]
pub struct Access {
    /// The origins whose pages may read responses.
    pub origins: Vec<Pattern>,
    /// The host names of the service.
    pub hosts: Vec<HostPattern>,
    /// The origins whose pages may open a socket; any if it is empty.
    pub socket_origins: Vec<Pattern>,
    /// The number of proxies in front, each of which appends an entry to `X-Forwarded-For`.
    pub trusted_proxies: usize,
    /// The networks of proxies; empty if any peer may be one. Where no number of proxies is set,
    /// the client is the last entry of `X-Forwarded-For` that is not in one of them.
    pub trusted_networks: Vec<Network>,
    /// The header in which a platform in front states the client's address.
    pub address_header: Option<String>,
}

impl Access {
    pub(super) fn read(source: &Source<'_>) -> Result<Self, InvalidSetting> {
        Ok(Self {
            origins: source.list_of("ALLOWED_ORIGINS", access::origin)?,
            hosts: source.list_of("ALLOWED_HOSTS", access::host)?,
            socket_origins: source.list_of("ALLOWED_WS_ORIGINS", access::origin)?,
            trusted_proxies: source.number("TRUSTED_PROXIES", 0..=16)?,
            trusted_networks: source.list_of("TRUSTED_NETWORKS", Network::parse)?,
            address_header: source.header("CLIENT_ADDRESS_HEADER")?,
        })
    }

    /// Returns whether headers of proxies in front are taken into account.
    pub fn trusts_proxies(&self) -> bool {
        self.trusted_proxies > 0 || !self.trusted_networks.is_empty() || self.address_header.is_some()
    }
}

/// The bounds of one request.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    /// The most bytes of a body.
    pub max_body_bytes: usize,
    /// The most characters of a message.
    pub max_message_characters: usize,
    /// The most posts in a list that is requested without a limit.
    pub max_posts_listed: i64,
}

impl Requests {
    pub(super) fn read(source: &Source<'_>) -> Result<Self, InvalidSetting> {
        Ok(Self {
            max_body_bytes: source.number("MAX_BODY_BYTES", 1_024..=16_777_216)?,
            max_message_characters: source.number("MAX_MESSAGE_CHARACTERS", 1..=1_000_000)?,
            max_posts_listed: source.number("MAX_POSTS_LISTED", 1..=10_000)?,
        })
    }
}

/// What stories are bound by.
#[derive(Clone, Copy, Debug)]
pub struct Stories {
    /// How long a story lives.
    pub lifetime: Duration,
}

impl Stories {
    pub(super) fn read(source: &Source<'_>) -> Result<Self, InvalidSetting> {
        Ok(Self { lifetime: source.seconds("STORY_LIFETIME_SECONDS", 1..=31_536_000)? })
    }
}

/// Tokens and passwords.
#[derive(Clone, Debug)]
pub struct Auth {
    /// The key that signs tokens.
    pub secret_key: SecretString,
    /// Keys that signed tokens before; those tokens are valid until they expire.
    pub secret_key_fallbacks: Vec<SecretString>,
    /// How long an access token is valid.
    pub access_token: Duration,
    /// How long a refresh token is valid.
    pub refresh_token: Duration,
    /// The most passwords hashed at once.
    pub hashes_at_once: usize,
}

impl Auth {
    pub(super) fn read(
        source: &Source<'_>,
        database: &DatabaseUrl,
        place: Place,
    ) -> Result<Self, InvalidSetting> {
        Ok(Self {
            secret_key: secret_key::read(source, database, place)?,
            secret_key_fallbacks: secret_key::fallbacks(source, place)?,
            access_token: source.seconds("ACCESS_TOKEN_SECONDS", 1..=31_536_000)?,
            refresh_token: source.seconds("REFRESH_TOKEN_SECONDS", 1..=31_536_000)?,
            hashes_at_once: source.count_or_spare_cores("PASSWORD_HASHES_AT_ONCE", 1..=1_024)?,
        })
    }
}

/// The rules for new accounts.
#[derive(Clone, Debug)]
pub struct SignUps {
    /// Usernames that nobody may take, in any case.
    pub reserved_usernames: Vec<String>,
}

impl SignUps {
    pub(super) fn read(source: &Source<'_>) -> Self {
        Self { reserved_usernames: source.list("RESERVED_USERNAMES") }
    }
}

/// The bounds of sockets.
#[derive(Clone, Copy, Debug)]
pub struct Socket {
    /// The most sockets at once.
    pub max_sockets: usize,
    /// The most sockets of one user at once.
    pub max_sockets_by_person: usize,
    /// The most frames queued for one socket.
    pub queue_events: usize,
    /// The most bytes queued for one socket.
    pub queue_bytes: usize,
    /// How long a client may read nothing.
    pub write_timeout: Duration,
    /// How often the server sends a ping.
    pub ping: Duration,
    /// The number of pings without a pong after which the socket is closed.
    pub unanswered_pings: u32,
    /// How long a socket may outlive its token, if its client reads close codes.
    pub beyond_token: Duration,
}

impl Socket {
    pub(super) fn read(source: &Source<'_>) -> Result<Self, InvalidSetting> {
        Ok(Self {
            max_sockets: source.number("MAX_SOCKETS", 1..=1_000_000)?,
            max_sockets_by_person: source.number("MAX_SOCKETS_BY_PERSON", 1..=1_000_000)?,
            queue_events: source.number("SOCKET_QUEUE_EVENTS", 1..=100_000)?,
            queue_bytes: source.number("SOCKET_QUEUE_BYTES", 1_024..=67_108_864)?,
            write_timeout: source.seconds("SOCKET_WRITE_TIMEOUT_SECONDS", 1..=600)?,
            ping: source.seconds("SOCKET_PING_SECONDS", 1..=3_600)?,
            unanswered_pings: source.number("SOCKET_UNANSWERED_PINGS", 1..=100)?,
            beyond_token: source.seconds("SOCKET_BEYOND_TOKEN_SECONDS", 0..=31_536_000)?,
        })
    }
}

/// How long events are stored.
#[derive(Clone, Copy, Debug)]
pub struct Inbox {
    /// The days for which an event is stored.
    pub retention_days: u32,
    /// The most events stored for each user.
    pub max_events: u32,
}

impl Inbox {
    pub(super) fn read(source: &Source<'_>) -> Result<Self, InvalidSetting> {
        Ok(Self {
            retention_days: source.number("INBOX_RETENTION_DAYS", 1..=36_500)?,
            max_events: source.number("INBOX_MAX_EVENTS", 1..=100_000_000)?,
        })
    }
}

/// The stages of a graceful stop, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown {
    /// How long the instance goes on serving until load balancers notice that it is not ready.
    pub delay: Duration,
    /// The time over which sockets are closed.
    pub spread: Duration,
    /// How long requests in flight may take.
    pub requests: Duration,
}

impl Shutdown {
    pub(super) fn read(source: &Source<'_>, is_standalone: bool) -> Result<Self, InvalidSetting> {
        Ok(Self {
            delay: source.seconds_unless_standalone("SHUTDOWN_DELAY_SECONDS", 5, is_standalone)?,
            spread: source.seconds_unless_standalone("SHUTDOWN_SPREAD_SECONDS", 5, is_standalone)?,
            requests: source.seconds("SHUTDOWN_REQUESTS_SECONDS", 0..=300)?,
        })
    }
}
