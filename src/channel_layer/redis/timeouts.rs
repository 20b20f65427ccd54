//! The timeouts that several parts of the backend have in common.

use std::time::Duration;

/// How long connecting may take: one to three round trips, and no more than a request may
/// wait.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long heartbeats may be missing before their sender counts as unresponsive or dead.
/// Three periods, so that one late heartbeat changes nothing.
pub(super) const SILENCE_TIMEOUT: Duration = Duration::from_secs(3);
