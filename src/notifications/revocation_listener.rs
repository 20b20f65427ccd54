//! The [`RevocationListener`] closes sessions whose token was revoked, on whichever instance
//! that was done.
//!
//! An instance that misses a revocation closes the session in its next [position
//! check](super::position_check), which reads the accounts too.

use super::roster::Roster;
use crate::channel_layer::{Capacity, ChannelLayer, Group};
use crate::events::Revocation;

/// How many revocations may wait to be carried out: far more than there are at once. If the
/// queue overflows, the positions of all sessions are compared at once instead.
const CAPACITY: Capacity = Capacity { payloads: 10_000, bytes: 1024 * 1024 };

/// The task that carries out revocations in this process.
pub struct RevocationListener {
    roster: Roster,
    layer: ChannelLayer,
}

impl RevocationListener {
    /// Returns the task that closes sessions of this roster.
    pub const fn new(roster: Roster, layer: ChannelLayer) -> Self {
        Self { roster, layer }
    }

    /// Runs until the future is dropped.
    pub async fn run(self) {
        loop {
            let subscription = self.layer.subscribe(Group::instances(), CAPACITY).await;
            while let Ok(payload) = subscription.next().await {
                match serde_json::from_slice::<Revocation>(&payload.bytes) {
                    Ok(revocation) => self.roster.revoke(revocation),
                    Err(error) => {
                        tracing::warn!(
                            cause = %error,
                            "payload in the group of all instances is not a revocation; ignoring it"
                        );
                    }
                }
            }
            self.layer.suspect_loss();
        }
    }
}
