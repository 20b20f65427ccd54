//! RevocationListener: sessions that are closed because what let them in was ended, on whichever
//! instance that was done.
//!
//! An instance that does not hear of one closes the session at its next [position
//! check](super::position_check), which looks at the accounts too.

use crate::channel_layer::{Capacity, ChannelLayer, Group};
use crate::events::Revocation;

use super::roster::Roster;

/// RevocationListener that may wait to be carried out: far more than there ever are at once. Should it
/// run full, everybody's standing is looked at instead.
const CAPACITY: Capacity = Capacity { payloads: 10_000, bytes: 1024 * 1024 };

/// The task of this instance that closes what was ended elsewhere.
pub struct RevocationListener {
    roster: Roster,
    layer: ChannelLayer,
}

impl RevocationListener {
    /// Closes sessions of this roster.
    pub const fn new(roster: Roster, layer: ChannelLayer) -> Self {
        Self { roster, layer }
    }

    /// Runs until the future is dropped.
    pub async fn run(self) {
        loop {
            let subscription = self.layer.subscribe(Group::instances(), CAPACITY).await;
            while let Ok(payload) = subscription.next().await {
                match serde_json::from_slice::<Revocation>(&payload.bytes) {
                    Ok(ended) => self.roster.end(ended),
                    Err(error) => {
                        tracing::warn!(cause = %error, "a payload for all instances is not understood");
                    }
                }
            }
            self.layer.suspect_loss();
        }
    }
}
