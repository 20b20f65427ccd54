//! The timeout that both connections to Redis have in common.

use std::time::Duration;

/// How long connecting may take: one to three round trips, and no more than a request may
/// wait.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
