//! [`Limits`] bound what anybody can take: so many of something at once, and as many
//! again, evenly, over a time.
//!
//! - What is over a limit is refused with 429 and the time after which to try again; a
//!   refusal itself costs nothing of the rate.
//! - Limits on emails, addresses and people hold across all instances that share a
//!   Redis. Each instance counts for itself as well and refuses by that alone while Redis
//!   is away, slow or was flushed: then a limit holds for each instance, and no request
//!   fails or waits for it.
//! - Every table has a bound, and no name in Redis tells an email or an address.
//!
//! It knows no HTTP: whoever asks says whose email, address or number it is.

mod key;
mod trusted_addresses;
mod limit;
mod local_limiter;
mod tat_table;
mod gcra;
mod password_attempt;
mod redis_counter;

use std::net::IpAddr;
use std::time::Duration;

use secrecy::SecretString;
use tokio::runtime::Handle;

use crate::error::{BoxError, Error, Result};
use crate::ids::UserId;
use crate::settings::Rates;
use crate::telemetry::Metrics;
use key::{LimitKey, LimitKeys};
use limit::Limit;
use redis_counter::RedisCounter;
use trusted_addresses::TrustedAddresses;

pub use local_limiter::LocalLimiter;
pub use password_attempt::PasswordAttempt;

/// After which time a person or an instance with too many sockets may have room again.
/// Nobody knows; a load balancer tries the next instance meanwhile.
const RETRY_SOCKET: Duration = Duration::from_secs(5);

/// Every limit of an instance.
pub struct Limits {
    failed_logins_by_email: Limit,
    failed_logins_by_address: Limit,
    signups_by_address: Limit,
    messages_by_person: Limit,
    friend_requests_by_person: Limit,
    connects_by_address: Limit,
    rates: Rates,
    known: TrustedAddresses,
    keys: LimitKeys,
    metrics: Metrics,
}

impl Limits {
    /// Limits at these rates, counted in Redis too if there is one. Tasks run on
    /// `runtime`.
    ///
    /// # Errors
    ///
    /// If the URL is none that the Redis client understands.
    pub async fn start(
        rates: Rates,
        redis_url: Option<&SecretString>,
        secret_key: &SecretString,
        runtime: Handle,
        metrics: Metrics,
    ) -> std::result::Result<Self, BoxError> {
        let shared = match redis_url {
            Some(url) => Some(RedisCounter::start(url, runtime, metrics.clone()).await?),
            None => None,
        };
        let everywhere = |name, rate| Limit::new(name, rate, shared.clone(), metrics.clone());
        let here = |name, rate| Limit::new(name, rate, None, metrics.clone());
        Ok(Self {
            failed_logins_by_email: everywhere("failed_logins_by_email", rates.failed_logins_by_email),
            failed_logins_by_address: everywhere("failed_logins_by_address", rates.failed_logins_by_address),
            signups_by_address: everywhere("signups_by_address", rates.signups_by_address),
            messages_by_person: everywhere("messages_by_person", rates.messages_by_person),
            friend_requests_by_person: everywhere(
                "friend_requests_by_person",
                rates.friend_requests_by_person,
            ),
            connects_by_address: here("connects_by_address", rates.connects_by_address),
            rates,
            known: TrustedAddresses::new(shared.clone()),
            keys: LimitKeys::new(secret_key),
            metrics,
        })
    }

    /// Counts a sign-up from an address.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub async fn sign_up(&self, address: IpAddr) -> Result<()> {
        self.signups_by_address.take(self.keys.address(address)).await
    }

    /// Counts a message that somebody sends.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub async fn message(&self, sender: UserId) -> Result<()> {
        self.messages_by_person.take(LimitKey::person(sender)).await
    }

    /// Counts a friend request that somebody makes.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub async fn friend_request(&self, asker: UserId) -> Result<()> {
        self.friend_requests_by_person.take(LimitKey::person(asker)).await
    }

    /// Counts the handshake of a socket, at this instance only: it is this one's cores
    /// that it costs, and it must be refused before anything is asked.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub fn connect(&self, address: IpAddr) -> Result<()> {
        self.connects_by_address.take_here(self.keys.address(address))
    }

    /// Returns what counts the frames of one socket.
    pub fn frames(&self) -> LocalLimiter {
        LocalLimiter::new("frames_by_socket", self.rates.frames_by_socket)
    }

    /// Counts that somebody has as many sockets here as they may, and returns the 429.
    pub fn too_many_sockets(&self) -> Error {
        limit::refusal("sockets_by_person", RETRY_SOCKET, &self.metrics)
    }

    /// Counts that this instance holds as many sockets as it may, and returns the 503.
    pub fn full(&self) -> Error {
        // The refusal's own answer is for those who can do something about it.
        let _ = limit::refusal("sockets", RETRY_SOCKET, &self.metrics);
        Error::AtCapacity { retry_after_seconds: RETRY_SOCKET.as_secs() }
    }
}
