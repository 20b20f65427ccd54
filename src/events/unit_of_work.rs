//! A [`UnitOfWork`] is one transaction and the events it emits. Events leave it only
//! through [`Events::commit`], so that none is published early or forgotten.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::event::{Announcement, Envelope, Event, Notice, SessionsEnded};
use super::inbox;
use crate::channel_layer::{ChannelLayer, Group, Payload};
use crate::db::{AnyConnection, Db};
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::telemetry::{EventLabels, Metrics, Origin, RequestId, Span, TraceParent};
use crate::timestamp::Timestamp;

/// One transaction and the events it emits.
pub struct UnitOfWork<'a> {
    /// The transaction's connection.
    pub conn: &'a mut AnyConnection,
    /// The moment that everything in this transaction happens at.
    pub now: Timestamp,
    emitted: Vec<(UserId, Event)>,
    told: Vec<(UserId, Notice)>,
    ended: Vec<SessionsEnded>,
    announced: Option<(Vec<UserId>, Announcement)>,
    told_to_all: Vec<(Vec<UserId>, Announcement)>,
}

impl<'a> UnitOfWork<'a> {
    fn new(conn: &'a mut AnyConnection) -> Self {
        let now = Timestamp::now();
        let (emitted, told) = (Vec::new(), Vec::new());
        Self { conn, now, emitted, told, ended: Vec::new(), announced: None, told_to_all: Vec::new() }
    }

    /// Records that this happens to the recipient, if the transaction commits.
    pub fn emit(&mut self, recipient: UserId, event: Event) {
        self.emitted.push((recipient, event));
    }

    /// Records that the sockets of this person are told something, if the
    /// transaction commits. It is not kept.
    pub fn tell(&mut self, person: UserId, notice: Notice) {
        self.told.push((person, notice));
    }

    /// Records that all instances are told of sessions that are over, if the transaction
    /// commits.
    pub fn end_sessions(&mut self, user: UserId, before: i64) {
        self.ended.push(SessionsEnded { user, before });
    }

    /// Records that this happens to all of these users, if the transaction commits.
    /// Each of them exists and is named once. It is all that the unit of work emits: the
    /// inboxes of one transaction are taken in one ascending order.
    pub fn emit_to_all(&mut self, recipients: Vec<UserId>, announcement: Announcement) {
        self.announced = Some((recipients, announcement));
    }

    /// Records that the sockets of all of these people are told something, if the
    /// transaction commits. It is not kept.
    pub fn tell_all(&mut self, people: Vec<UserId>, announcement: Announcement) {
        self.told_to_all.push((people, announcement));
    }

    /// Returns everything to publish once this is committed. First it appends what was
    /// emitted to the inboxes, in ascending order of recipients so that two transactions
    /// cannot wait for each other.
    fn close(mut self) -> Result<Closed> {
        if self.announced.is_some() && !self.emitted.is_empty() {
            return Err(Error::internal("a unit of work emits to all and to some"));
        }
        self.emitted.sort_by_key(|(recipient, _)| *recipient);
        let mut payloads = Vec::with_capacity(self.emitted.len() + self.told.len());
        for (recipient, event) in &self.emitted {
            let envelope: Envelope = inbox::append(self.conn, *recipient, event, self.now)?;
            payloads.push((Group::user(*recipient), envelope.frame()));
        }
        if let Some((recipients, announcement)) = &self.announced {
            for (recipient, seq) in inbox::append_to_all(self.conn, recipients, announcement, self.now)? {
                payloads.push((Group::user(recipient), announcement.numbered_frame(seq)));
            }
        }
        let mut emitted: Vec<_> = self.emitted.iter().map(|(_, event)| (event.name(), 1)).collect();
        // By one name for all: what other services call theirs is no bounded label.
        if self.announced.is_some() {
            emitted.push(("announcement", payloads.len() as u64));
        }
        for (person, notice) in &self.told {
            let frame = serde_json::to_vec(notice).map_err(Error::internal)?;
            payloads.push((Group::user(*person), frame.into()));
        }
        for ended in &self.ended {
            payloads.push((Group::instances(), serde_json::to_vec(ended).map_err(Error::internal)?.into()));
        }
        for (people, announcement) in &self.told_to_all {
            let frame = announcement.frame();
            payloads.extend(people.iter().map(|person| (Group::user(*person), frame.clone())));
        }
        Ok(Closed { frames: payloads, emitted })
    }
}

/// What is left of a unit of work: what to publish once it is committed.
struct Closed {
    frames: Vec<(Group, Bytes)>,
    /// The names of the events among them, and how many there are.
    emitted: Vec<(&'static str, u64)>,
}

/// Commits units of work and publishes their events. A cheap handle.
#[derive(Clone)]
pub struct Events {
    db: Db,
    layer: ChannelLayer,
    runtime: Handle,
    metrics: Metrics,
}

impl Events {
    /// Commits to `db` and publishes through `layer`, on tasks of `runtime`.
    pub fn new(db: Db, layer: ChannelLayer, runtime: Handle, metrics: Metrics) -> Self {
        Self { db, layer, runtime, metrics }
    }

    /// Runs a command in one transaction and, after COMMIT, publishes what it
    /// emitted.
    ///
    /// Returns when Redis has taken the events, or shortly after it has not. Once the
    /// transaction has begun it is carried through, events and all, even if the
    /// returned future is dropped.
    ///
    /// # Errors
    ///
    /// The command's own, and nothing is kept; or [`Error::Unavailable`].
    pub async fn commit<T, F>(&self, command: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut UnitOfWork<'_>) -> Result<T> + Send + 'static,
    {
        let act = move |conn: &mut AnyConnection| {
            let mut unit = UnitOfWork::new(conn);
            let value = command(&mut unit)?;
            Ok((value, unit.close()?))
        };
        let (this, request_id, parent) = (self.clone(), RequestId::current(), Span::current());
        let (value, published) = self
            .db
            .transaction(act, move |outcome| match outcome {
                Ok((value, closed)) => Ok((value, this.committed(closed, request_id, parent))),
                Err(error) => {
                    // COMMIT may have been carried out and its answer lost.
                    if matches!(error, Error::Unavailable(_)) {
                        this.layer.suspect_loss();
                    }
                    Err(error)
                }
            })
            .await?;
        if let Some(published) = published {
            // A task that panicked published nothing; the inbox heals that too.
            let _ = published.await;
        }
        Ok(value)
    }

    /// Counts what was committed in this moment, and begins to publish it.
    fn committed(
        &self,
        closed: Closed,
        request_id: Option<RequestId>,
        parent: Option<TraceParent>,
    ) -> Option<JoinHandle<()>> {
        for (name, count) in closed.emitted {
            self.metrics.events_emitted.get_or_create(&EventLabels { r#type: name }).inc_by(count);
        }
        if closed.frames.is_empty() {
            return None;
        }
        let span = Span::publication(parent, closed.frames.len());
        let origin = Arc::new(Origin::committed_now(request_id, span.parent()));
        let payload = |bytes| Payload { bytes, origin: Some(origin.clone()) };
        let payloads = closed.frames.into_iter().map(|(group, bytes)| (group, payload(bytes))).collect();
        let layer = self.layer.clone();
        Some(self.runtime.spawn(async move {
            layer.publish_all(payloads).await;
            span.end();
        }))
    }
}
