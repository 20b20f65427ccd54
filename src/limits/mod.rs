//! Rate limits: how much one user, email, address or socket may take.
//!
//! - A **rate** is a burst that is refilled evenly over a period: `20/15m` allows 20 at once
//!   and one more every 45 seconds.
//! - **GCRA**, the generic cell rate algorithm, is a rate as arithmetic on one point in time
//!   for each key, its **theoretical arrival time** ([`gcra`]).
//! - What is over a limit is rejected with 429 and the time after which to try again; a
//!   rejected request itself counts nothing.
//! - Limits on emails, addresses and users hold across all instances that share a Redis.
//!   Each instance counts for itself as well and rejects by its own counts alone while Redis
//!   is unavailable, slow or was flushed: then a limit holds for each instance, and no
//!   request fails or waits for it.
//! - A few requests of one user run at a time on an instance, and the others wait, so that the
//!   database's connections are not all one user's.
//! - Every table has a bound, and no name in Redis reveals an email or an address.
//!
//! It knows no HTTP: callers pass the email, address or id whose use is counted.

mod address_limit;
mod all;
mod gcra;
mod in_flight;
mod key;
mod limit;
mod local_limiter;
mod password_attempt;
mod redis_connection;
mod redis_counter;
mod tat_table;
mod trusted_addresses;

pub use all::Limits;
pub use in_flight::Slot;
pub use local_limiter::LocalLimiter;
pub use password_attempt::PasswordAttempt;
