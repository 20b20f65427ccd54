//! The [`ControlListener`] carries out what is published to all instances: it closes sessions
//! whose token was revoked, and has the positions of users compared whose events may not have
//! been published.
//!
//! An instance that misses a revocation closes the session in its next [position
//! check](super::position_check), which reads the accounts too.

use super::comparisons::Comparisons;
use super::roster::Roster;
use crate::channel_layer::{Capacity, ChannelLayer, Group, Payload};
use crate::events::ControlMessage;

/// How many messages may wait to be carried out: far more than there are at once. If the
/// queue overflows, the positions of all sessions are compared at once instead.
const CAPACITY: Capacity = Capacity { payloads: 10_000, bytes: 1024 * 1024 };

/// The task that carries out messages to all instances in this process.
pub struct ControlListener {
    roster: Roster,
    layer: ChannelLayer,
    comparisons: Comparisons,
}

impl ControlListener {
    /// Returns the task that acts on the sessions of this roster.
    pub const fn new(roster: Roster, layer: ChannelLayer, comparisons: Comparisons) -> Self {
        Self { roster, layer, comparisons }
    }

    /// Runs until the future is dropped.
    pub async fn run(self) {
        loop {
            let subscription = self.layer.subscribe(Group::instances(), CAPACITY).await;
            while let Ok(payload) = subscription.next().await {
                self.carry_out(&payload);
            }
            self.comparisons.request_all();
        }
    }

    fn carry_out(&self, payload: &Payload) {
        match serde_json::from_slice::<ControlMessage>(&payload.bytes) {
            // Without an origin it may be another installation's: the database decides.
            Ok(ControlMessage::Revocation(revocation)) if payload.origin.is_none() => {
                self.comparisons.request(self.roster.present([revocation.user]));
            }
            Ok(ControlMessage::Revocation(revocation)) => self.roster.revoke(revocation),
            Ok(ControlMessage::Comparison { compare }) => {
                self.comparisons.request(self.roster.present(compare));
            }
            Err(error) => {
                tracing::warn!(
                    cause = %error,
                    "payload in the group of all instances is not a message to them; ignoring it"
                );
            }
        }
    }
}
