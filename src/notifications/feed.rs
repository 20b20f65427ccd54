//! A [`Feed`] is one person's envelopes for one socket: replay, then live; each once
//! and in order.
//!
//! What arrives over the channel layer may be late, repeated, out of order, or not
//! arrive at all. The number of each envelope tells. The next one is passed on; one
//! that was passed on already is dropped; one that is ahead shows a gap, and then the
//! inbox is read. While the database is away the feed waits, and needs no memory for
//! what it misses: the inbox has it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use tokio::time::sleep;

use crate::channel_layer::{Overflow, Subscription};
use crate::db::Db;
use crate::error::Result;
use crate::events::{Seq, inbox};
use crate::ids::UserId;
use crate::telemetry::Metrics;

/// How long a feed waits before it asks a database again that did not answer: soon
/// enough to be current two seconds after its return.
const RETRY: Duration = Duration::from_secs(1);

/// One person's envelopes for one socket.
pub(super) struct Feed {
    user: UserId,
    db: Db,
    metrics: Metrics,
    subscription: Subscription,
    /// The number of the last envelope passed on.
    sent: Seq,
    /// Whether the inbox may have something after [`Feed::sent`].
    behind: bool,
    /// Read and not yet passed on: a page of the inbox at most, and what arrived
    /// without a number meanwhile.
    ready: VecDeque<Item>,
}

/// What a feed passes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A frame, and the number of its envelope if it has one.
    Frame(Option<Seq>, ByteString),
    /// The inbox does not reach back to what was sent last. From here on the feed
    /// goes on after this number.
    Resync(Seq),
}

/// What a frame says of its place.
#[derive(Deserialize)]
struct Place {
    seq: Option<Seq>,
}

impl Feed {
    /// A feed that goes on after `cursor`, or that begins with what is new.
    ///
    /// `last_seq` is the inbox's last number, read after the subscription was made. In
    /// the other order an envelope that commits between the two steps is in neither,
    /// and the reader waits for the next one to learn of it. Here it may be in both,
    /// and its number removes the repeat.
    pub(super) fn new(
        user: UserId,
        db: Db,
        metrics: Metrics,
        subscription: Subscription,
        last_seq: Seq,
        cursor: Option<Seq>,
    ) -> Self {
        let sent = cursor.unwrap_or(last_seq);
        let behind = sent != last_seq;
        Self { user, db, metrics, subscription, sent, behind, ready: VecDeque::new() }
    }

    /// Returns the number of the last envelope passed on.
    pub(super) const fn sent(&self) -> Seq {
        self.sent
    }

    /// Has the inbox read before anything else is passed on.
    pub(super) const fn heal(&mut self) {
        self.behind = true;
    }

    /// Returns the subscription, to be watched while a frame is being sent.
    pub(super) const fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Waits for what is to be sent next. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// [`Overflow`] if more arrived than may wait.
    pub(super) async fn next(&mut self) -> std::result::Result<Item, Overflow> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                self.note(&item);
                return Ok(item);
            }
            if self.behind {
                self.read_inbox().await?;
                continue;
            }
            let payload = self.subscription.next().await?;
            if let Some(item) = self.place(payload) {
                self.ready.push_back(item);
            }
        }
    }

    fn note(&mut self, item: &Item) {
        match item {
            Item::Frame(Some(seq), _) | Item::Resync(seq) => self.sent = *seq,
            Item::Frame(None, _) => {}
        }
    }

    /// Finds a payload's place: returns it if it is next, or has no number.
    fn place(&mut self, payload: Bytes) -> Option<Item> {
        let Ok(Place { seq }) = serde_json::from_slice(&payload) else {
            tracing::warn!(user.id = %self.user, "a payload in the person's group is no frame");
            return None;
        };
        let frame = ByteString::try_from(payload).ok()?;
        match seq {
            None => Some(Item::Frame(None, frame)),
            Some(seq) if seq == self.sent + 1 => Some(Item::Frame(Some(seq), frame)),
            Some(seq) if seq <= self.sent => {
                self.metrics.repeats_dropped.inc();
                None
            }
            Some(_) => {
                self.metrics.gaps_read.inc();
                self.behind = true;
                None
            }
        }
    }

    /// Reads the next page of the inbox into [`Feed::ready`].
    async fn read_inbox(&mut self) -> std::result::Result<(), Overflow> {
        let page = match self.page().await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(user.id = %self.user, cause = %error, "the inbox cannot be read yet");
                sleep(RETRY).await;
                return self.forget_numbered();
            }
        };
        let (last_seq, envelopes) = page;
        let next = envelopes.first().map_or(last_seq + 1, |envelope| envelope.seq);
        if next != self.sent + 1 {
            self.ready.push_back(Item::Resync(last_seq));
            self.behind = false;
            return Ok(());
        }
        self.behind = envelopes.len() >= inbox::PAGE;
        self.metrics.events_replayed.inc_by(envelopes.len() as u64);
        // Retention deletes from the front. Should it leave a gap all the same, the
        // next page begins behind it and is told apart above.
        for (envelope, expected) in envelopes.iter().zip(next..) {
            if envelope.seq != expected {
                self.behind = true;
                break;
            }
            if let Ok(frame) = ByteString::try_from(envelope.frame()) {
                self.ready.push_back(Item::Frame(Some(envelope.seq), frame));
            }
        }
        if self.behind { self.forget_numbered() } else { Ok(()) }
    }

    /// Reads how far the inbox goes, and then a page of it: what commits in between
    /// is on the page, or arrives over the subscription.
    async fn page(&self) -> Result<(Seq, Vec<crate::events::Envelope>)> {
        let (user, sent) = (self.user, self.sent);
        let reading = self.db.read(move |conn| {
            let position = inbox::position(conn, user)?;
            Ok((position.last_seq, inbox::after(conn, user, sent)?))
        });
        // On the heap while it is read: it is large, and an idle session has none.
        Box::pin(reading).await
    }

    /// Empties the queue of what the inbox has too, while more of it is to be read.
    /// A long replay must not end because the queue ran full meanwhile.
    fn forget_numbered(&mut self) -> std::result::Result<(), Overflow> {
        while let Some(payload) = self.subscription.try_next()? {
            if let Ok(Place { seq: None }) = serde_json::from_slice(&payload)
                && let Ok(frame) = ByteString::try_from(payload)
                && self.ready.len() < 2 * inbox::PAGE
            {
                self.ready.push_back(Item::Frame(None, frame));
            }
        }
        Ok(())
    }
}
