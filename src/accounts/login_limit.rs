//! The login limit slows whoever guesses passwords: so many tries in a minute for
//! one email from one address, at this instance.

use std::net::IpAddr;
use std::num::NonZeroU32;

use actix_web::HttpRequest;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::model::Email;
use crate::error::{Error, Result};

/// Keys held before those whose time is over are forgotten: some ten megabytes.
const MOST_KEYS: usize = 100_000;

/// Counts tries to sign in.
pub struct LoginLimit {
    tries: DefaultKeyedRateLimiter<(String, IpAddr)>,
    trust_forwarded_for: bool,
    clock: DefaultClock,
}

impl LoginLimit {
    /// Allows this many tries in a minute, and as many at once. Addresses are those
    /// of the connections, or those that a trusted proxy adds.
    pub fn new(in_a_minute: u32, trust_forwarded_for: bool) -> Self {
        let in_a_minute = NonZeroU32::new(in_a_minute).unwrap_or(NonZeroU32::MIN);
        Self {
            tries: RateLimiter::keyed(Quota::per_minute(in_a_minute)),
            trust_forwarded_for,
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

    /// Returns the address that a request comes from, as far as it can be trusted.
    fn address(&self, request: &HttpRequest) -> IpAddr {
        let forwarded = || {
            let header = request.headers().get_all("x-forwarded-for").last()?;
            header.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
        };
        let forwarded = if self.trust_forwarded_for { forwarded() } else { None };
        let peer = || request.peer_addr().map(|peer| peer.ip());
        forwarded.or_else(peer).unwrap_or(IpAddr::from([0, 0, 0, 0]))
    }
}
