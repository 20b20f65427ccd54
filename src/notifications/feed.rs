//! A [`Feed`] is one user's envelopes for one socket: replay, then live; each once and in
//! order.
//!
//! What arrives over the channel layer may be late, repeated, out of order, or not arrive
//! at all. The number of each envelope decides what is done with it: the next one is
//! returned, one that was returned before is dropped, and one further ahead shows a gap,
//! upon which the inbox is read. While the database is unavailable the feed waits, and
//! needs no memory for what it misses: the inbox stores it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytestring::ByteString;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use tokio::time::{Sleep, sleep};

use super::model::FrameHead;
use super::shared::Shared;
use crate::channel_layer::{Overflow, Payload, Subscription};
use crate::db::Db;
use crate::error::Result;
use crate::events::{Envelope, Seq, inbox};
use crate::ids::UserId;
use crate::telemetry::{Origin, ReplayLabels};

/// How long a feed waits before it reads again from a database that has failed: short
/// enough to be up to date two seconds after the database has recovered.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How many bytes of a page a feed holds, beside the frame that exceeds them. Frames without
/// a number that wait behind the page may be as many bytes again.
const MAX_READY_BYTES: usize = inbox::PAGE_BYTES;

/// One user's envelopes for one socket.
pub(super) struct Feed {
    user: UserId,
    shared: Arc<Shared>,
    subscription: Subscription,
    /// Whether the client takes frames that are for versioned clients alone.
    is_versioned: bool,
    /// The number of the last envelope that [`Feed::poll_next`] returned.
    sent: Seq,
    /// The replay that comes before what is live. Most feeds have none most of the time.
    replay: Option<Box<Replay>>,
}

/// The reading of an inbox, and what was read.
struct Replay {
    /// Why the inbox may have something after [`Feed::sent`], if it may.
    behind: Option<Behind>,
    /// The reading of a page, or the page until it is taken.
    reading: Option<MaybeDone<BoxFuture<'static, Result<Page>>>>,
    /// The pause after a reading that failed.
    pause: Option<Pin<Box<Sleep>>>,
    /// Whether [`Feed::heal`] was called while a page was being read, which may have been
    /// read before what is to be healed.
    heal_again: bool,
    /// What was read and not returned yet: a page of the inbox at most, and frames without a
    /// number that arrived meanwhile.
    ready: VecDeque<Item>,
}

impl Replay {
    fn new(behind: Behind) -> Box<Self> {
        let (reading, pause, ready) = (None, None, VecDeque::new());
        Box::new(Self { behind: Some(behind), reading, pause, heal_again: false, ready })
    }
}

/// Why a feed is behind its inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// It resumes after a cursor.
    Resume,
    /// An envelope arrived that is not the next one.
    Gap,
    /// A position check found it behind.
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

/// The last number of an inbox, and a page of its envelopes after a feed's position.
type Page = (Seq, Vec<Envelope>);

/// What is to be sent to the socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A frame.
    Frame {
        /// The number of its envelope, if it has one.
        seq: Option<Seq>,
        /// Its text.
        text: ByteString,
        /// Where it comes from, if it arrived over the channel layer.
        origin: Option<Arc<Origin>>,
    },
    /// The inbox no longer has what follows the last envelope that was sent. The feed
    /// continues after this number.
    Resync(Seq),
}

impl Feed {
    /// Returns a feed that resumes after `cursor`, or begins with the next envelope.
    ///
    /// `last_seq` is the inbox's last number, read after the subscription was made. In
    /// the other order an envelope that commits between the two steps is in neither,
    /// and the reader waits for the next one to learn of it. Here it may be in both,
    /// and its number removes the repeat.
    pub(super) fn new(
        user: UserId,
        shared: Arc<Shared>,
        subscription: Subscription,
        last_seq: Seq,
        cursor: Option<Seq>,
        is_versioned: bool,
    ) -> Self {
        let sent = cursor.unwrap_or(last_seq);
        let replay = (sent != last_seq).then(|| Replay::new(Behind::Resume));
        Self { user, shared, subscription, is_versioned, sent, replay }
    }

    /// Returns the user whose envelopes these are.
    pub(super) const fn user(&self) -> UserId {
        self.user
    }

    /// Returns the number of the last envelope that [`Feed::poll_next`] returned.
    pub(super) const fn sent(&self) -> Seq {
        self.sent
    }

    /// Has the inbox read before anything else is returned.
    pub(super) fn heal(&mut self) {
        let replay = self.replay.get_or_insert_with(|| Replay::new(Behind::PositionCheck));
        replay.heal_again = replay.reading.is_some();
        replay.behind = replay.behind.or(Some(Behind::PositionCheck));
    }

    /// Goes on with the reading of a page, if one has begun, while nothing can be sent. A reading
    /// that waits for its socket would keep its turn at the database from other feeds.
    pub(super) fn read_ahead(&mut self, context: &mut Context<'_>) {
        if let Some(reading) = self.replay.as_mut().and_then(|replay| replay.reading.as_mut()) {
            // The page is taken when it can be sent.
            let _ = Pin::new(reading).poll(context);
        }
    }

    /// Returns the subscription, to be watched for an overflow while nothing can be sent.
    pub(super) const fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Waits for what is to be sent next.
    ///
    /// # Errors
    ///
    /// [`Overflow`] if more arrived than the subscription may hold.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<std::result::Result<Item, Overflow>> {
        loop {
            if let Some(replay) = &mut self.replay {
                if let Some(item) = replay.ready.pop_front() {
                    self.advance(&item);
                    return Poll::Ready(Ok(item));
                }
                if let Some(cause) = replay.behind {
                    ready!(self.poll_inbox(context, cause))?;
                    continue;
                }
                self.replay = None;
            }
            let payload = ready!(self.subscription.poll_next(context))?;
            if let Some(item) = self.receive(payload) {
                self.advance(&item);
                return Poll::Ready(Ok(item));
            }
        }
    }

    fn advance(&mut self, item: &Item) {
        match item {
            Item::Frame { seq: Some(seq), .. } | Item::Resync(seq) => self.sent = *seq,
            Item::Frame { seq: None, .. } => {}
        }
    }

    /// Returns the item of a payload that is to be sent now: the next envelope, or a frame
    /// without a number.
    fn receive(&mut self, payload: Payload) -> Option<Item> {
        let Some(head) = FrameHead::parse(&payload.bytes) else {
            tracing::warn!(user.id = %self.user, "payload in a user's group is not a frame; ignoring it");
            return None;
        };
        let (seq, is_wanted) = (head.seq, head.is_for(self.is_versioned));
        let (text, origin) = (ByteString::try_from(payload.bytes).ok()?, payload.origin);
        match seq {
            _ if !is_wanted => None,
            Some(seq) if seq <= self.sent => {
                self.shared.metrics.repeats_dropped.inc();
                None
            }
            // What no instance of this installation published may mean something in the inbox.
            Some(seq) if seq > self.sent + 1 || origin.is_none() => {
                self.shared.metrics.gaps_read.inc();
                self.replay = Some(Replay::new(Behind::Gap));
                None
            }
            seq => Some(Item::Frame { seq, text, origin }),
        }
    }

    /// Reads the next page of the inbox into [`Replay::ready`].
    fn poll_inbox(
        &mut self,
        context: &mut Context<'_>,
        cause: Behind,
    ) -> Poll<std::result::Result<(), Overflow>> {
        let (user, sent) = (self.user, self.sent);
        let Some(replay) = &mut self.replay else { return Poll::Ready(Ok(())) };
        if let Some(pause) = &mut replay.pause {
            ready!(pause.as_mut().poll(context));
            replay.pause = None;
            return Poll::Ready(self.drop_numbered());
        }
        let reading = replay
            .reading
            .get_or_insert_with(|| maybe_done(Box::pin(page(self.shared.db.clone(), user, sent))));
        ready!(Pin::new(&mut *reading).poll(context));
        let page = Pin::new(reading).take_output();
        replay.reading = None;
        let Some(page) = page else { return Poll::Ready(Ok(())) };
        let heal_again = std::mem::take(&mut replay.heal_again);
        match page {
            Ok(page) => self.take_page(page, cause, heal_again),
            Err(error) => {
                // The database logs at `warn` when it fails and at `info` when it recovers.
                tracing::debug!(user.id = %user, cause = %error, "reading the inbox failed; retrying");
                replay.pause = Some(Box::pin(sleep(RETRY_DELAY)));
            }
        }
        // More of the inbox is to be read.
        let is_behind = self.replay.as_ref().is_some_and(|it| it.behind.is_some() && it.pause.is_none());
        Poll::Ready(if is_behind { self.drop_numbered() } else { Ok(()) })
    }

    fn take_page(&mut self, (last_seq, envelopes): Page, cause: Behind, heal_again: bool) {
        let Some(replay) = &mut self.replay else { return };
        let metrics = &self.shared.metrics;
        let next = envelopes.first().map_or(last_seq + 1, |envelope| envelope.seq);
        if next != self.sent + 1 {
            replay.ready.push_back(Item::Resync(last_seq));
            metrics.resyncs.inc();
            replay.behind = heal_again.then_some(Behind::PositionCheck);
            return;
        }
        // A page ends by its number of envelopes or of bytes; what commits after `last_seq` was
        // read arrives over the subscription.
        replay.behind = match envelopes.last() {
            Some(last) if last.seq < last_seq || envelopes.len() >= inbox::PAGE => Some(cause),
            _ => heal_again.then_some(Behind::PositionCheck),
        };
        let labels = ReplayLabels { cause: cause.label() };
        metrics.events_replayed.get_or_create(&labels).inc_by(envelopes.len() as u64);
        for (envelope, expected) in envelopes.iter().zip(next..) {
            // Retention deletes from the front. Should it leave a gap all the same, the
            // next page begins after it and is recognised above.
            if envelope.seq != expected {
                replay.behind = Some(cause);
                break;
            }
            if let Ok(text) = ByteString::try_from(envelope.frame()) {
                replay.ready.push_back(Item::Frame { seq: Some(envelope.seq), text, origin: None });
            }
        }
    }

    /// Drops the queued envelopes, which the inbox has too, while more of it is to be read:
    /// a long replay must not end because the queue overflows meanwhile. Frames without a
    /// number are sent once at most, and are kept as far as [`MAX_READY_BYTES`] allow.
    fn drop_numbered(&mut self) -> std::result::Result<(), Overflow> {
        let mut bytes = 0;
        while let Some(payload) = self.subscription.try_next()? {
            if FrameHead::parse(&payload.bytes).is_some_and(|head| head.is_hint_for(self.is_versioned))
                && let Ok(text) = ByteString::try_from(payload.bytes)
            {
                bytes += text.len();
                if bytes <= MAX_READY_BYTES
                    && let Some(replay) = &mut self.replay
                {
                    replay.ready.push_back(Item::Frame { seq: None, text, origin: payload.origin });
                }
            }
        }
        Ok(())
    }
}

/// Reads the last number of an inbox and then a page of it. In this order, what commits in
/// between is on the page, or arrives over the subscription.
async fn page(db: Db, user: UserId, sent: Seq) -> Result<Page> {
    let read = db.read_in_background(move |conn| {
        let position = inbox::position(conn, user)?;
        Ok((position.last_seq, inbox::after(conn, user, sent)?))
    });
    read.await
}
