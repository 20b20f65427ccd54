//! [`Limits`] are all limits of an instance.

use std::net::IpAddr;
use std::time::Duration;

use secrecy::SecretString;
use tokio::runtime::Handle;

use super::address_limit::AddressLimit;
use super::in_flight::{InFlight, Slot};
use super::key::{LimitKey, LimitKeys};
use super::limit::{Limit, refusal};
use super::local_limiter::LocalLimiter;
use super::redis_counter::RedisCounter;
use super::trusted_addresses::TrustedAddresses;
use crate::db::Installation;
use crate::error::{BoxError, Error, Result};
use crate::ids::UserId;
use crate::settings::Rates;
use crate::telemetry::Metrics;

/// The time after which a user or an instance with too many sockets may have capacity again.
/// It is an estimate: when a socket closes is not known, and a load balancer tries the next
/// instance meanwhile.
const SOCKET_RETRY_AFTER: Duration = Duration::from_secs(5);

/// How many requests one counts for that reads much: a search or suggestions.
const COSTLY_READ_UNITS: u64 = 10;

/// All limits of an instance.
pub struct Limits {
    pub(super) failed_logins_by_email: Limit,
    pub(super) failed_logins_by_address: AddressLimit,
    pub(super) logins_by_email_and_address: Limit,
    signups_by_address: AddressLimit,
    messages_by_person: Limit,
    friend_requests_by_person: Limit,
    posts_by_person: Limit,
    reactions_by_person: Limit,
    requests_by_person: Limit,
    requests_in_flight: InFlight,
    costly_reads_in_flight: InFlight,
    connects_by_address: AddressLimit,
    rates: Rates,
    pub(super) trusted_addresses: TrustedAddresses,
    pub(super) keys: LimitKeys,
    metrics: Metrics,
}

impl Limits {
    /// Returns limits at these rates, counted in Redis too if there is one. Tasks run on
    /// `runtime`.
    ///
    /// # Errors
    ///
    /// If the Redis client does not accept the URL.
    pub async fn start(
        rates: Rates,
        redis_url: Option<&SecretString>,
        installation: &Installation,
        secret_key: &SecretString,
        runtime: Handle,
        metrics: Metrics,
    ) -> std::result::Result<Self, BoxError> {
        let redis = match redis_url {
            Some(url) => {
                Some(RedisCounter::start(url, installation.clone(), runtime, metrics.clone()).await?)
            }
            None => None,
        };
        let shared = |name, rate| Limit::new(name, rate, redis.clone(), metrics.clone());
        let by_address = |name, rate| AddressLimit::new(rate, |rate| shared(name, rate));
        Ok(Self {
            failed_logins_by_email: shared("failed_logins_by_email", rates.failed_logins_by_email),
            failed_logins_by_address: by_address("failed_logins_by_address", rates.failed_logins_by_address),
            logins_by_email_and_address: shared(
                "logins_by_email_and_address",
                rates.logins_by_email_and_address,
            ),
            signups_by_address: by_address("signups_by_address", rates.signups_by_address),
            messages_by_person: shared("messages_by_person", rates.messages_by_person),
            friend_requests_by_person: shared("friend_requests_by_person", rates.friend_requests_by_person),
            posts_by_person: shared("posts_by_person", rates.posts_by_person),
            reactions_by_person: shared("reactions_by_person", rates.reactions_by_person),
            requests_by_person: Limit::new(
                "requests_by_person",
                rates.requests_by_person,
                None,
                metrics.clone(),
            ),
            requests_in_flight: InFlight::new(
                "requests_in_flight",
                rates.max_requests_by_person,
                metrics.clone(),
            ),
            costly_reads_in_flight: InFlight::new(
                "costly_reads_in_flight",
                rates.max_requests_by_person.div_ceil(COSTLY_READ_UNITS as usize),
                metrics.clone(),
            ),
            connects_by_address: AddressLimit::new(rates.connects_by_address, |rate| {
                Limit::new("connects_by_address", rate, None, metrics.clone())
            }),
            rates,
            trusted_addresses: TrustedAddresses::new(redis.clone()),
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
        self.signups_by_address.take(&self.keys, address).await
    }

    /// Counts a message that a user sends.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub async fn message(&self, sender: UserId) -> Result<()> {
        self.messages_by_person.take(LimitKey::person(sender)).await
    }

    /// Counts a friend request that a user makes.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub async fn friend_request(&self, requester: UserId) -> Result<()> {
        self.friend_requests_by_person.take(LimitKey::person(requester)).await
    }

    /// Counts a post, a reply or a story of a user.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub async fn post(&self, author: UserId) -> Result<()> {
        self.posts_by_person.take(LimitKey::person(author)).await
    }

    /// Counts a like, a share, a view or a reaction of a user.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub async fn reaction(&self, user: UserId) -> Result<()> {
        self.reactions_by_person.take(LimitKey::person(user)).await
    }

    /// Counts a request of a user, on this instance only, and waits until few of their requests
    /// run. The request runs while the slot exists.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub async fn request(&self, user: UserId) -> Result<Slot> {
        self.requests_by_person.take_locally(LimitKey::person(user))?;
        self.requests_in_flight.enter(user).await
    }

    /// Counts that a user's request reads much, which counts as [`COSTLY_READ_UNITS`] requests in
    /// all, and waits until no other such request of theirs runs. The request reads while the slot
    /// exists.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub async fn costly_read(&self, user: UserId) -> Result<Slot> {
        self.requests_by_person.take_many_locally(COSTLY_READ_UNITS - 1, LimitKey::person(user))?;
        self.costly_reads_in_flight.enter(user).await
    }

    /// Counts the handshake of a socket, on this instance only: it costs this instance's CPU
    /// time, and must be rejected before Redis or the database is queried.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub fn connect(&self, address: IpAddr) -> Result<()> {
        self.connects_by_address.take_locally(&self.keys, address)
    }

    /// Returns the limiter of the frames of one socket.
    pub fn frames(&self) -> LocalLimiter {
        LocalLimiter::new("frames_by_socket", self.rates.frames_by_socket)
    }

    /// Counts that a user has as many sockets here as allowed, and returns the 429.
    pub fn too_many_sockets(&self) -> Error {
        refusal("sockets_by_person", SOCKET_RETRY_AFTER, &self.metrics)
    }

    /// Counts that this instance holds as many sockets as allowed, and returns the 503.
    pub fn full(&self) -> Error {
        // It is counted as a refusal, but a 429 is for clients that can do something about it.
        let _ = refusal("sockets", SOCKET_RETRY_AFTER, &self.metrics);
        Error::AtCapacity { retry_after_seconds: SOCKET_RETRY_AFTER.as_secs() }
    }
}
