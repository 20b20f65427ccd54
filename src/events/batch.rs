//! A [`BatchCommand`] is a command of which many share one transaction; a [`BatchCommitter`]
//! commits them.
//!
//! Requests that wait at the same moment cost one transaction together. Each gets its response
//! after its own COMMIT, and none fails because of another.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::commit::{Cause, Events};
use super::unit_of_work::UnitOfWork;
use crate::batching::{Batcher, Bounds, Job, Responder, Size, Turn};
use crate::db::{LockWait, transaction_span};
use crate::error::{Error, Result};

/// A command of which many run in one transaction, by the same few statements.
pub trait BatchCommand: Send + Sync + Sized + 'static {
    /// The outcome of one command.
    type Output: Send + 'static;

    /// Returns about how many bytes the command holds while it waits.
    fn bytes(&self) -> usize;

    /// Returns about how many rows the command writes, and reads one by one: 1 for each KiB of a
    /// larger one.
    fn rows(&self) -> usize;

    /// Runs the commands and returns the outcome of each, in their order.
    ///
    /// A command that a rule rejects has an error as its outcome and leaves the others alone.
    ///
    /// # Errors
    ///
    /// Of a statement: then the transaction is rolled back, and each command is run again in a
    /// transaction of its own.
    fn run(unit: &mut UnitOfWork<'_>, commands: &[Self]) -> Result<Vec<Result<Self::Output>>>;
}

/// Batches at once: one executes its statements, and the one before is flushed to the disk.
const BATCHES: usize = 2;

/// The most rows of one batch: those of 256 messages, or some 25 ms of PostgreSQL's time, which
/// is a quarter of what another transaction waits for its locks. Only a command that writes more
/// by itself takes longer.
const BATCH_ROWS: usize = 1_024;

/// The most bytes that wait for their batch, 16 MiB: more than two seconds' worth. What exceeds
/// them is rejected with 503.
const WAITING_BYTES: usize = 16 << 20;

/// Commits commands in batches.
pub struct BatchCommitter<C: BatchCommand> {
    batcher: Batcher<Pending<C>, Outcome<C>>,
    events: Events,
    /// As many commands as may run alone at once.
    alone: Semaphore,
    /// As many commands as may wait for locks at once.
    locked: Semaphore,
}

struct Pending<C> {
    command: C,
    cause: Cause,
}

/// The outcome of one command in a batch.
enum Outcome<C: BatchCommand> {
    /// The batch has ended.
    Ended(Result<C::Output>),
    /// The batch was rolled back, for a reason that need not be this command, which has this
    /// place in it.
    RolledBack(Arc<Vec<C>>, usize),
}

impl<C: BatchCommand> BatchCommitter<C> {
    /// Returns a committer. A command waits for its batch as long as a call for a connection.
    ///
    /// Commands that run alone use at most half of the database's connections, and those that
    /// wait for a lock a quarter, so that they leave the others to everybody else.
    pub fn new(events: Events) -> Self {
        let bounds = Bounds {
            batches: BATCHES,
            cost: BATCH_ROWS,
            waiting_bytes: WAITING_BYTES,
            wait: events.db().wait_timeout(),
        };
        let size = |Pending { command, .. }: &Pending<C>| Size {
            bytes: size_of::<Pending<C>>() + command.bytes(),
            cost: command.rows(),
        };
        let connections = events.db().load().limit;
        let alone = Semaphore::new(connections.div_ceil(2));
        let locked = Semaphore::new(connections.div_ceil(4));
        let (committing, runtime) = (events.clone(), events.runtime().clone());
        let batcher = Batcher::new(bounds, size, runtime, move |jobs, turn| {
            commit_batch(committing.clone(), jobs, turn)
        });
        Self { batcher, events, alone, locked }
    }

    /// Runs a command in a transaction that it shares with others and, after COMMIT, publishes
    /// what it sends. If that transaction is rolled back, the command is run again, alone.
    ///
    /// Returns as [`Events::commit`]. If the returned future is dropped, the command is
    /// completed, publication included, or not run at all.
    ///
    /// # Errors
    ///
    /// As [`Events::commit_retrying`].
    pub async fn commit(&self, command: C) -> Result<C::Output> {
        let pending = Pending { command, cause: Cause::current() };
        let batch = async {
            match self.batcher.submit(pending).await? {
                Outcome::Ended(result) => result.map(Ok),
                Outcome::RolledBack(commands, place) => Ok(Err((commands, place))),
            }
        };
        match transaction_span(batch).await? {
            Ok(output) => Ok(output),
            Err((commands, place)) => self.commit_alone(commands, place).await,
        }
    }

    /// Commits one command of a batch that was rolled back.
    ///
    /// Most are committed at once. Only those that a lock stops again wait for it, few at a
    /// time.
    async fn commit_alone(&self, commands: Arc<Vec<C>>, place: usize) -> Result<C::Output> {
        match self.attempt(&self.alone, LockWait::Short, commands.clone(), place).await {
            Err(Error::Locked(_)) => self.attempt(&self.locked, LockWait::Full, commands, place).await,
            outcome => outcome,
        }
    }

    async fn attempt(
        &self,
        permits: &Semaphore,
        lock_wait: LockWait,
        commands: Arc<Vec<C>>,
        place: usize,
    ) -> Result<C::Output> {
        let Ok(permit) = timeout(self.events.db().wait_timeout(), permits.acquire()).await else {
            return Err(Error::Locked("too many commands of rolled back batches".into()));
        };
        let _permit = permit.map_err(Error::internal)?;
        let one = move |unit: &mut UnitOfWork<'_>| C::run(unit, &commands[place..=place]);
        let mut outcomes = self.events.commit_retrying_within(lock_wait, one).await?;
        outcomes.pop().unwrap_or_else(|| Err(Error::internal("a command without an outcome")))
    }
}

/// Commits a batch, and gives each command its outcome.
async fn commit_batch<C: BatchCommand>(events: Events, jobs: Vec<Job<Pending<C>, Outcome<C>>>, turn: Turn) {
    let (pending, responders): (Vec<_>, Vec<_>) = jobs.into_iter().map(Job::split).unzip();
    let (mut commands, mut causes) = (Vec::new(), Vec::new());
    for Pending { command, cause } in pending {
        commands.push(command);
        causes.push(cause);
    }
    let commands = Arc::new(commands);
    let (all, is_one) = (commands.clone(), commands.len() == 1);
    match events.run(causes, turn.deadline(), LockWait::Short, turn, move |unit| C::run(unit, &all)).await {
        Ok((outcomes, publication)) => {
            // The next batch does not wait for the publication of this one.
            events.runtime().spawn(async move {
                publication.ended().await;
                respond(responders, outcomes.into_iter().map(Outcome::Ended));
            });
        }
        // Not again: the transaction may have been committed all the same.
        Err(error @ Error::Unavailable(_)) => {
            respond(responders, std::iter::repeat_with(|| Outcome::Ended(Err(error.for_another()))));
        }
        Err(error) if is_one && !matches!(error, Error::Conflict | Error::Locked(_)) => {
            respond(responders, [Outcome::Ended(Err(error))]);
        }
        Err(error) => {
            tracing::debug!(cause = %error, commands = commands.len(), "batch rolled back");
            respond(responders, (0..).map(|place| Outcome::RolledBack(commands.clone(), place)));
        }
    }
}

fn respond<O>(responders: Vec<Responder<O>>, outcomes: impl IntoIterator<Item = O>) {
    for (responder, outcome) in responders.into_iter().zip(outcomes) {
        responder.respond(outcome);
    }
}
