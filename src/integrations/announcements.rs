//! [`Announcements`] commit what integrations announce.

use super::commands::Announce;
use crate::error::Result;
use crate::events::{BatchCommitter, Events};
use crate::idempotency::Once;

/// Commits announcements. Those that store nothing share transactions of their own, which
/// wait for no disk.
pub struct Announcements {
    stored: BatchCommitter<Announce>,
    live: BatchCommitter<Announce>,
}

impl Announcements {
    /// Returns what commits announcements through `events`.
    pub fn new(events: &Events) -> Self {
        Self { stored: BatchCommitter::new(events.clone()), live: BatchCommitter::new(events.clone()) }
    }

    /// Announces something to users, once for each key.
    ///
    /// # Errors
    ///
    /// [`Kind::KeyReused`](crate::error::Kind::KeyReused) if the key came with another request before.
    pub(super) async fn announce(&self, announce: Announce) -> Result<Once> {
        let stores = announce.request.durable || announce.key.is_some();
        let committer = if stores { &self.stored } else { &self.live };
        committer.commit(announce).await
    }
}
