//! [`TrustedAddresses`] remembers from which addresses a user has signed in lately.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::key::{LimitKey, LimitKeys};
use super::redis_counter::RedisCounter;
use super::tat_table::{TatTable, now};

/// How long an address is trusted after the last right password from it: most users sign in
/// more often than that.
const TRUSTED_FOR: Duration = Duration::from_secs(30 * 86_400);

/// The addresses that are trusted of one email: more than a user has. One more replaces the one
/// that was used first.
const MAX_ADDRESSES: usize = 16;

/// The name of the sets in Redis.
const NAME: &str = "known_addresses";

/// The addresses from which users have signed in lately: on this instance, and in Redis if
/// there is one. Where both have forgotten an address, the only effect is that guesses of
/// strangers can exhaust the attempts of the user.
pub(super) struct TrustedAddresses {
    until: TatTable,
    redis: Option<Arc<RedisCounter>>,
}

impl TrustedAddresses {
    /// Returns an empty set, shared through Redis if there is one.
    pub(super) fn new(redis: Option<Arc<RedisCounter>>) -> Self {
        Self { until: TatTable::default(), redis }
    }

    /// Returns the key of an email at an address, if the address is trusted.
    pub(super) async fn key(&self, keys: &LimitKeys, email: &str, address: IpAddr) -> Option<LimitKey> {
        let key = keys.email_at(email, address);
        if self.until.get(key) > now() {
            return Some(key);
        }
        match &self.redis {
            Some(redis) if redis.remembers(NAME, keys.email(email), key, TRUSTED_FOR).await => Some(key),
            _ => None,
        }
    }

    /// Trusts an address for [`TRUSTED_FOR`] from now on.
    pub(super) async fn add(&self, keys: &LimitKeys, email: &str, address: IpAddr) {
        let key = keys.email_at(email, address);
        let trusted_us = u64::try_from(TRUSTED_FOR.as_micros()).unwrap_or(u64::MAX);
        let until = |_| Ok::<_, std::convert::Infallible>(now().saturating_add(trusted_us));
        let Ok(()) = self.until.update(key, until);
        if let Some(redis) = &self.redis {
            redis.remember(NAME, keys.email(email), key, MAX_ADDRESSES, TRUSTED_FOR).await;
        }
    }
}
