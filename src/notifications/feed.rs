//! A [`Feed`] is one person's envelopes for one socket: replay, then live; each once
//! and in order.
//!
//! What arrives over the channel layer may be late, repeated, out of order, or not
//! arrive at all. The number of each envelope tells. The next one is passed on; one
//! that was passed on already is dropped; one that is ahead shows a gap, and then the
//! inbox is read. While the database is away the feed waits, and needs no memory for
//! what it misses: the inbox has it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::time::sleep;

use crate::channel_layer::{Overflow, Payload, Subscription};
use crate::db::Db;
use crate::error::Result;
use crate::events::{Envelope, Seq, inbox};
use crate::ids::UserId;
use crate::telemetry::{Metrics, Origin, ReplayLabels};

/// How long a feed waits before it asks a database again that did not answer: soon
/// enough to be current two seconds after its return.
const RETRY: Duration = Duration::from_secs(1);

/// How many bytes of a page a feed holds, beside the frame that goes beyond it. As much
/// again of what has no number may stand behind it.
const MOST_READY_BYTES: usize = 256 * 1024;

/// One person's envelopes for one socket.
pub(super) struct Feed {
    user: UserId,
    db: Db,
    metrics: Metrics,
    subscription: Subscription,
    /// The number of the last envelope passed on.
    sent: Seq,
    /// Why the inbox may have something after [`Feed::sent`], if it may.
    behind: Option<Behind>,
    /// The reading of a page, which goes on when [`Feed::next`] is dropped.
    reading: Option<BoxFuture<'static, Result<Page>>>,
    /// Whether [`Feed::heal`] was called while a page was being read: it may have been
    /// read before what is to be healed.
    heal_again: bool,
    /// Read and not yet passed on: a page of the inbox at most, and what arrived
    /// without a number meanwhile.
    ready: VecDeque<Item>,
}

/// Why a feed is behind its inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// It goes on after a cursor.
    Resume,
    /// An envelope came that is not the next one.
    Gap,
    /// Positions were compared.
    PositionCheck,
}

impl Behind {
    const fn label(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Gap => "gap",
            Self::PositionCheck => "position_check",
        }
    }
}

/// The inbox's last number, and what it has after a feed's.
type Page = (Seq, Vec<Envelope>);

/// What a feed passes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A frame; the number of its envelope if it has one, and where it comes from if it
    /// did not come from the inbox.
    Frame(Option<Seq>, ByteString, Option<Arc<Origin>>),
    /// The inbox does not reach back to what was sent last. From here on the feed
    /// goes on after this number.
    Resync(Seq),
}

/// Returns the number that a frame has, if it has one; nothing if it is no frame. A frame
/// is a JSON object: of an array the parser would take the first element for the number.
pub fn seq(payload: &[u8]) -> Option<Option<Seq>> {
    #[derive(Deserialize)]
    struct Place {
        seq: Option<Seq>,
    }
    let is_object = payload.trim_ascii_start().starts_with(b"{");
    serde_json::from_slice::<Place>(payload).ok().filter(|_| is_object).map(|place| place.seq)
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
        let behind = (sent != last_seq).then_some(Behind::Resume);
        Self {
            user,
            db,
            metrics,
            subscription,
            sent,
            behind,
            reading: None,
            heal_again: false,
            ready: VecDeque::new(),
        }
    }

    /// Returns whose envelopes it passes on.
    pub(super) const fn user(&self) -> UserId {
        self.user
    }

    /// Returns the number of the last envelope passed on.
    pub(super) const fn sent(&self) -> Seq {
        self.sent
    }

    /// Has the inbox read before anything else is passed on.
    pub(super) fn heal(&mut self) {
        self.heal_again = self.reading.is_some();
        self.behind = self.behind.or(Some(Behind::PositionCheck));
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
            if let Some(cause) = self.behind {
                self.read_inbox(cause).await?;
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
            Item::Frame(Some(seq), ..) | Item::Resync(seq) => self.sent = *seq,
            Item::Frame(None, ..) => {}
        }
    }

    /// Finds a payload's place: returns it if it is next, or has no number.
    fn place(&mut self, payload: Payload) -> Option<Item> {
        let Some(seq) = seq(&payload.bytes) else {
            tracing::warn!(user.id = %self.user, "a payload in the person's group is no frame");
            return None;
        };
        let (frame, origin) = (ByteString::try_from(payload.bytes).ok()?, payload.origin);
        match seq {
            None => Some(Item::Frame(None, frame, origin)),
            Some(seq) if seq == self.sent + 1 => Some(Item::Frame(Some(seq), frame, origin)),
            Some(seq) if seq <= self.sent => {
                self.metrics.repeats_dropped.inc();
                None
            }
            Some(_) => {
                self.metrics.gaps_read.inc();
                self.behind = Some(Behind::Gap);
                None
            }
        }
    }

    /// Reads the next page of the inbox into [`Feed::ready`].
    async fn read_inbox(&mut self, cause: Behind) -> std::result::Result<(), Overflow> {
        let (db, user, sent) = (&self.db, self.user, self.sent);
        let reading = self.reading.get_or_insert_with(|| Box::pin(page(db.clone(), user, sent)));
        let page = reading.await;
        self.reading = None;
        let heal_again = std::mem::take(&mut self.heal_again);
        let (last_seq, envelopes) = match page {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(user.id = %self.user, cause = %error, "the inbox cannot be read yet");
                sleep(RETRY).await;
                return self.forget_numbered();
            }
        };
        let next = envelopes.first().map_or(last_seq + 1, |envelope| envelope.seq);
        if next != self.sent + 1 {
            self.ready.push_back(Item::Resync(last_seq));
            self.metrics.resyncs.inc();
            self.behind = None;
            return Ok(());
        }
        self.behind = match envelopes.len() {
            inbox::PAGE.. => Some(cause),
            _ => heal_again.then_some(Behind::PositionCheck),
        };
        let labels = ReplayLabels { cause: cause.label() };
        self.metrics.events_replayed.get_or_create(&labels).inc_by(envelopes.len() as u64);
        let mut bytes = 0;
        for (envelope, expected) in envelopes.iter().zip(next..) {
            // Retention deletes from the front. Should it leave a gap all the same, the
            // next page begins behind it and is told apart above. And what is too much
            // to hold is read again later.
            if envelope.seq != expected || bytes >= MOST_READY_BYTES {
                self.behind = Some(cause);
                break;
            }
            if let Ok(frame) = ByteString::try_from(envelope.frame()) {
                bytes += frame.len();
                self.ready.push_back(Item::Frame(Some(envelope.seq), frame, None));
            }
        }
        if self.behind.is_some() { self.forget_numbered() } else { Ok(()) }
    }

    /// Empties the queue of what the inbox has too, while more of it is to be read. A
    /// long replay must not end because the queue ran full meanwhile. What has no number
    /// is kept while there is room: it is told once, at most.
    fn forget_numbered(&mut self) -> std::result::Result<(), Overflow> {
        let mut bytes = 0;
        while let Some(payload) = self.subscription.try_next()? {
            if let Some(None) = seq(&payload.bytes)
                && let Ok(frame) = ByteString::try_from(payload.bytes)
            {
                bytes += frame.len();
                if bytes <= MOST_READY_BYTES {
                    self.ready.push_back(Item::Frame(None, frame, payload.origin));
                }
            }
        }
        Ok(())
    }
}

/// Reads how far an inbox goes, and then a page of it: what commits in between is on
/// the page, or arrives over the subscription.
async fn page(db: Db, user: UserId, sent: Seq) -> Result<Page> {
    let read = db.read_in_background(move |conn| {
        let position = inbox::position(conn, user)?;
        Ok((position.last_seq, inbox::after(conn, user, sent)?))
    });
    read.await
}
