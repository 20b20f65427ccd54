//! A [`UnitOfWork`] is one transaction and what it sends after its COMMIT. Events leave it
//! only through [`Events::commit`], so that none is published early or forgotten.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::event::{Announcement, Event, Notice, Revocation};
use super::inbox;
use super::outgoing::Outgoing;
use crate::channel_layer::{ChannelLayer, Group, Payload};
use crate::db::{AnyConnection, Db};
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::telemetry::{EventLabels, Metrics, Origin, RequestId, Span, TraceParent};
use crate::timestamp::Timestamp;

/// The maximum number of attempts at what conflicts with concurrent transactions. Each conflict
/// means that another command has succeeded.
const MAX_ATTEMPTS: usize = 5;

/// One transaction and what it sends after its COMMIT.
pub struct UnitOfWork<'a> {
    /// The transaction's connection.
    pub conn: &'a mut AnyConnection,
    /// The time at which everything in this transaction happens.
    pub now: Timestamp,
    outgoing: Vec<Outgoing>,
}

impl<'a> UnitOfWork<'a> {
    fn new(conn: &'a mut AnyConnection) -> Self {
        Self { conn, now: Timestamp::now(), outgoing: Vec::new() }
    }

    /// Emits an event: it is stored in the recipient's inbox and published, if the
    /// transaction commits.
    pub fn emit(&mut self, recipient: UserId, event: Event) {
        self.outgoing.push(Outgoing::Event(recipient, event));
    }

    /// Announces something to users who exist, each of them named once. If it is `durable`
    /// it is stored in their inboxes too.
    pub fn announce(&mut self, recipients: Vec<UserId>, announcement: Announcement, durable: bool) {
        self.outgoing.push(if durable {
            Outgoing::Announcement(recipients, announcement)
        } else {
            Outgoing::LiveAnnouncement(recipients, announcement)
        });
    }

    /// Notifies a user's sockets of something that is not stored, if the transaction
    /// commits.
    pub fn notify(&mut self, user: UserId, notice: Notice) {
        self.outgoing.push(Outgoing::Notice(user, notice));
    }

    /// Closes, on every instance once the transaction commits, the sockets of a user that were
    /// opened with a token issued before this second in Unix time.
    pub fn revoke(&mut self, user: UserId, before: i64) {
        self.outgoing.push(Outgoing::Revocation(Revocation { user, before }));
    }

    /// Appends what was emitted to the inboxes, and returns everything to publish once the
    /// transaction is committed.
    fn flush(self) -> Result<Unpublished> {
        let mut entries = Vec::new();
        let mut emitted = Vec::new();
        let mut live = Vec::new();
        for outgoing in self.outgoing {
            match outgoing {
                Outgoing::Event(recipient, event) => {
                    let data = serde_json::to_string(&event).map_err(Error::internal)?;
                    emitted.push((event.name(), 1));
                    let name = event.name().to_owned();
                    entries.push(inbox::Entry { recipients: vec![recipient], name, data });
                }
                Outgoing::Announcement(recipients, Announcement { name, data }) => {
                    // One label for all: the names that integrations choose are not bounded.
                    emitted.push(("announcement", recipients.len() as u64));
                    entries.push(inbox::Entry { recipients, name, data });
                }
                Outgoing::LiveAnnouncement(recipients, announcement) => {
                    let frame = announcement.frame();
                    live.extend(recipients.iter().map(|user| (Group::user(*user), frame.clone())));
                }
                Outgoing::Notice(user, notice) => {
                    let frame = serde_json::to_vec(&notice).map_err(Error::internal)?;
                    live.push((Group::user(user), frame.into()));
                }
                Outgoing::Revocation(revocation) => {
                    let payload = serde_json::to_vec(&revocation).map_err(Error::internal)?;
                    live.push((Group::instances(), payload.into()));
                }
            }
        }
        let appended = inbox::append_many(self.conn, &entries, self.now)?;
        let stored = appended.into_iter().map(|(user, frame)| (Group::user(user), frame));
        Ok(Unpublished { frames: stored.chain(live).collect(), emitted })
    }
}

/// What a unit of work publishes once it is committed.
struct Unpublished {
    frames: Vec<(Group, Bytes)>,
    /// The names of the events among them, and how many there are.
    emitted: Vec<(&'static str, u64)>,
}

/// Runs `attempt` again for as long as it ends in [`Error::Conflict`], [`MAX_ATTEMPTS`] times in
/// all.
///
/// # Errors
///
/// The last attempt's.
pub async fn retry_conflicts<T>(mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    for _ in 1..MAX_ATTEMPTS {
        match attempt().await {
            Err(Error::Conflict) => {}
            outcome => return outcome,
        }
    }
    attempt().await
}

/// Commits units of work and publishes their events. Cheap to clone.
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

    /// Runs a command in one transaction and, after COMMIT, publishes what it sends.
    ///
    /// Returns when Redis has accepted the publications, or after 250 ms. Once the
    /// transaction has begun it is completed, publication included, even if the returned
    /// future is dropped.
    ///
    /// # Errors
    ///
    /// Those of the command: nothing is stored. [`Error::Unavailable`]: the transaction may have
    /// been committed all the same.
    pub async fn commit<T, F>(&self, command: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut UnitOfWork<'_>) -> Result<T> + Send + 'static,
    {
        let act = move |conn: &mut AnyConnection| {
            let mut unit = UnitOfWork::new(conn);
            let value = command(&mut unit)?;
            Ok((value, unit.flush()?))
        };
        let (this, request_id, parent) = (self.clone(), RequestId::current(), Span::current());
        let (value, published) = self
            .db
            .transaction(act, move |outcome| match outcome {
                Ok((value, unpublished)) => Ok((value, this.committed(unpublished, request_id, parent))),
                Err(error) => {
                    // COMMIT may have succeeded although its response was lost.
                    if matches!(error, Error::Unavailable(_)) {
                        this.layer.suspect_loss();
                    }
                    Err(error)
                }
            })
            .await?;
        if let Some(published) = published {
            // A task that panicked has published nothing; feeds read the inbox instead.
            let _ = published.await;
        }
        Ok(value)
    }

    /// Commits a command as [`Events::commit`] does, and runs it again in a new transaction
    /// for as long as it conflicts with concurrent ones.
    ///
    /// # Errors
    ///
    /// As [`Events::commit`]; [`Error::Conflict`] if the last attempt conflicts too.
    pub async fn commit_retrying<T, F>(&self, command: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut UnitOfWork<'_>) -> Result<T> + Send + Sync + 'static,
    {
        let command = Arc::new(command);
        retry_conflicts(async || {
            let command = command.clone();
            self.commit(move |unit| command(unit)).await
        })
        .await
    }

    /// Counts what was just committed, and starts to publish it.
    fn committed(
        &self,
        unpublished: Unpublished,
        request_id: Option<RequestId>,
        parent: Option<TraceParent>,
    ) -> Option<JoinHandle<()>> {
        for (name, count) in unpublished.emitted {
            self.metrics.events_emitted.get_or_create(&EventLabels { r#type: name }).inc_by(count);
        }
        if unpublished.frames.is_empty() {
            return None;
        }
        let span = Span::publication(parent, unpublished.frames.len());
        let origin = Arc::new(Origin::committed_now(request_id, span.parent()));
        let payload = |bytes| Payload { bytes, origin: Some(origin.clone()) };
        let payloads = unpublished.frames.into_iter().map(|(group, bytes)| (group, payload(bytes))).collect();
        let layer = self.layer.clone();
        Some(self.runtime.spawn(async move {
            layer.publish_all(payloads).await;
            span.end();
        }))
    }
}
