//! [`Events`] commits units of work and publishes what they send.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::event::ControlMessage;
use super::unit_of_work::{UnitOfWork, Unpublished};
use crate::channel_layer::{ChannelLayer, Group, Payload};
use crate::db::{AnyConnection, Db, End, LockWait, transaction_span};
use crate::error::{Error, Result};
use crate::telemetry::{EventLabels, Metrics, Origin, RequestId, Span, TraceParent};

/// The maximum number of attempts at what conflicts with concurrent transactions. Each conflict
/// means that another command has succeeded.
const MAX_ATTEMPTS: usize = 5;

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

/// The request that runs a command. Logs and traces name it on every instance.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    request_id: Option<RequestId>,
    parent: Option<TraceParent>,
}

impl Cause {
    /// Returns the request that the running task serves, if it serves one.
    pub(super) fn current() -> Self {
        Self { request_id: RequestId::current(), parent: Span::current() }
    }
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

    /// Returns the runtime of its tasks.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Returns the database.
    pub(super) fn db(&self) -> &Db {
        &self.db
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
        self.commit_within(LockWait::Full, command).await
    }

    async fn commit_within<T, F>(&self, lock_wait: LockWait, command: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut UnitOfWork<'_>) -> Result<T> + Send + 'static,
    {
        let run = self.run(vec![Cause::current()], self.db.wait_deadline(), lock_wait, (), command);
        let (value, publication) = transaction_span(run).await?;
        publication.ended().await;
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
        self.commit_retrying_within(LockWait::Full, command).await
    }

    /// Commits a command as [`Events::commit_retrying`] does. Its statements wait for a lock as
    /// long as given.
    ///
    /// # Errors
    ///
    /// As [`Events::commit_retrying`].
    pub(super) async fn commit_retrying_within<T, F>(&self, lock_wait: LockWait, command: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut UnitOfWork<'_>) -> Result<T> + Send + Sync + 'static,
    {
        let command = Arc::new(command);
        retry_conflicts(async || {
            let command = command.clone();
            self.commit_within(lock_wait, move |unit| command(unit)).await
        })
        .await
    }

    /// Runs one transaction for commands with these causes and, after its COMMIT, begins to
    /// publish what they send. Waits for a connection until the deadline. Drops `turn` when all statements but COMMIT are executed.
    pub(super) async fn run<T, F>(
        &self,
        causes: Vec<Cause>,
        deadline: Instant,
        lock_wait: LockWait,
        turn: impl Send + 'static,
        commands: F,
    ) -> Result<(T, Publication)>
    where
        T: Send + 'static,
        F: FnOnce(&mut UnitOfWork<'_>) -> Result<T> + Send + 'static,
    {
        let act = move |conn: &mut AnyConnection| {
            let mut unit = UnitOfWork::new(conn);
            let value = commands(&mut unit)?;
            let unpublished = unit.flush()?;
            drop(turn);
            Ok((value, unpublished))
        };
        let this = self.clone();
        self.db
            .transaction_batch(deadline, lock_wait, act, move |end| match end {
                End::Committed((value, unpublished)) => Ok((value, this.publish(unpublished, &causes))),
                End::RolledBack(error) => Err(error),
                End::InDoubt((_, unpublished), error) => {
                    this.have_compared(&unpublished);
                    Err(error)
                }
            })
            .await
    }

    /// Counts what was just committed, and begins to publish it.
    fn publish(&self, unpublished: Unpublished, causes: &[Cause]) -> Publication {
        for (name, count) in unpublished.emitted {
            self.metrics.events_emitted.get_or_create(&EventLabels { r#type: name }).inc_by(count);
        }
        if unpublished.frames.is_empty() {
            return Publication(None);
        }
        let mut counts = vec![0; causes.len()];
        for frame in &unpublished.frames {
            counts[frame.place] += 1;
        }
        let mut spans = Vec::with_capacity(causes.len());
        let mut origins = Vec::with_capacity(causes.len());
        for (cause, count) in causes.iter().zip(counts) {
            let span = if count > 0 { Span::publication(cause.parent, count) } else { Span::none() };
            origins.push(Arc::new(Origin::committed_now(cause.request_id.clone(), span.parent())));
            spans.push(span);
        }
        let payloads = unpublished.frames.into_iter().map(|frame| {
            let origin = origins[frame.place].clone();
            (frame.to.group(), Payload { bytes: frame.bytes, origin: Some(origin) })
        });
        // Queued here, on the thread that has just committed: publications keep the order of
        // commits.
        let payloads = payloads.collect();
        let publishing = if unpublished.is_bulk {
            self.layer.publish_in_bulk(payloads).left_future()
        } else {
            self.layer.publish_all(payloads).right_future()
        };
        Publication(Some(self.runtime.spawn(async move {
            publishing.await;
            drop(spans);
        })))
    }

    /// Has every instance compare the recipients of a transaction whose COMMIT is in doubt: what
    /// it appended, if it did, is published by nobody.
    fn have_compared(&self, unpublished: &Unpublished) {
        let users: BTreeSet<_> = unpublished.frames.iter().map(|frame| frame.to.user()).collect();
        let compare: Vec<_> = users.into_iter().collect();
        if compare.is_empty() {
            return;
        }
        tracing::debug!(users = compare.len(), "COMMIT in doubt; comparing the positions of its recipients");
        let Ok(bytes) = serde_json::to_vec(&ControlMessage::Comparison { compare }) else { return };
        let origin = Some(Arc::new(Origin::committed_now(None, None)));
        let payload = Payload { bytes: bytes.into(), origin };
        drop(self.runtime.spawn(self.layer.publish_all(vec![(Group::instances(), payload)])));
    }
}

/// What a transaction sends, while it is being published.
pub(super) struct Publication(Option<JoinHandle<()>>);

impl Publication {
    /// Waits until Redis has accepted it, for 250 ms at most.
    pub(super) async fn ended(self) {
        if let Some(publishing) = self.0 {
            // A task that panicked has published nothing; feeds read the inbox instead.
            let _ = publishing.await;
        }
    }
}
