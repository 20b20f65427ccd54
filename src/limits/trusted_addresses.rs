//! [`TrustedAddresses`] remembers from which addresses a person has signed in lately.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::key::{LimitKey, LimitKeys};
use super::redis_counter::RedisCounter;
use super::tat_table::{TatTable, now};

/// How long an address stays known after the last good password from it: most people
/// who use an app sign in on a device more often.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 86_400);

/// The name of the marks in Redis.
const NAME: &str = "known_address";

/// The addresses from which people have signed in lately: here, and in Redis if there is
/// one. What both have forgotten is unknown, which costs a person only that strangers
/// may use up their tries.
pub(super) struct TrustedAddresses {
    until: TatTable,
    shared: Option<Arc<RedisCounter>>,
}

impl TrustedAddresses {
    pub(super) fn new(shared: Option<Arc<RedisCounter>>) -> Self {
        Self { until: TatTable::default(), shared }
    }

    /// Returns the key of an email at an address, if that is known.
    pub(super) async fn key(&self, keys: &LimitKeys, email: &str, address: IpAddr) -> Option<LimitKey> {
        let key = keys.email_at(email, address);
        if self.until.get(key) > now() {
            return Some(key);
        }
        match &self.shared {
            Some(shared) if shared.is_marked(NAME, key).await => Some(key),
            _ => None,
        }
    }

    /// Remembers an address, from now on for [`KNOWN_FOR`].
    pub(super) async fn mark(&self, keys: &LimitKeys, email: &str, address: IpAddr) {
        let key = keys.email_at(email, address);
        let time_us = u64::try_from(KNOWN_FOR.as_micros()).unwrap_or(u64::MAX);
        let until = |_| Ok::<_, std::convert::Infallible>(now().saturating_add(time_us));
        let Ok(()) = self.until.change(key, until);
        if let Some(shared) = &self.shared {
            shared.mark(NAME, key, KNOWN_FOR).await;
        }
    }
}
