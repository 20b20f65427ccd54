//! The login limit slows whoever guesses passwords: so many tries in a minute for
//! one email from one address, at this instance.

use std::net::IpAddr;
use std::num::NonZeroU32;

use actix_web::HttpRequest;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::sign_in::Email;
use crate::error::{Error, Result};

/// Keys held before those whose time is over are forgotten: some ten megabytes.
const MOST_KEYS: usize = 100_000;

/// Counts tries to sign in.
pub struct LoginLimit {
    tries: DefaultKeyedRateLimiter<(String, IpAddr)>,
    trusted_proxies: usize,
    clock: DefaultClock,
}

impl LoginLimit {
    /// Allows this many tries in a minute, and as many at once. Addresses are those
    /// of the connections, or those that trusted proxies add.
    pub fn new(in_a_minute: u32, trusted_proxies: usize) -> Self {
        let in_a_minute = NonZeroU32::new(in_a_minute).unwrap_or(NonZeroU32::MIN);
        Self {
            tries: RateLimiter::keyed(Quota::per_minute(in_a_minute)),
            trusted_proxies,
            clock: DefaultClock::default(),
        }
    }

    /// Counts a try.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub(super) fn check(&self, email: &Email, request: &HttpRequest) -> Result<()> {
        if self.tries.len() > MOST_KEYS {
            self.tries.retain_recent();
        }
        self.tries.check_key(&(email.key(), self.address(request))).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Error::TooMany { retry_after_seconds: wait.as_secs() + 1 }
        })
    }

    /// Returns the address that a request comes from, as far as it can be trusted:
    /// what stands before the entries of the proxies is the client's own word.
    fn address(&self, request: &HttpRequest) -> IpAddr {
        let headers = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
        let entries: Vec<&str> = headers.flat_map(|value| value.split(',')).map(str::trim).collect();
        let forwarded = match self.trusted_proxies {
            0 => None,
            proxies => entries.len().checked_sub(proxies).and_then(|client| entries.get(client)),
        };
        let peer = || request.peer_addr().map(|peer| peer.ip());
        let forwarded = forwarded.and_then(|entry| entry.parse().ok());
        network(forwarded.or_else(peer).unwrap_or(IpAddr::from([0, 0, 0, 0])))
    }
}

/// Returns what one client has: an IPv4 address, or the 64 bits of an IPv6 network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        address => address,
    }
}
