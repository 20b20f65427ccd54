//! One attempt at a transaction, on a connection that may be dead, for a caller that may
//! time out.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;

use super::connection::{AnyConnection, LockWait};
use super::generation;
use super::history::Connection;
use super::sqlite_file::SqliteFile;
use crate::error::{Error, Result};

/// A call that fails sooner than this found a dead connection, not a slow server: a dead one
/// fails in less than a millisecond.
pub(super) const DEAD_WITHIN: Duration = Duration::from_millis(100);

/// Decides which comes first: the caller's timeout, or the commit on its thread.
///
/// A write that got a 503 must not be committed later, when the database responds again: the
/// client repeats it.
#[derive(Default)]
pub(super) struct CommitGate(AtomicU8);

impl CommitGate {
    const OPEN: u8 = 0;
    const ABANDONED: u8 = 1;
    const COMMITTING: u8 = 2;

    /// Abandons the transaction, unless it is being committed already.
    pub(super) fn abandon(&self) {
        self.decide(Self::ABANDONED);
    }

    /// Returns whether the transaction is not abandoned; from now on it cannot be.
    fn may_commit(&self) -> bool {
        self.decide(Self::COMMITTING)
    }

    /// Returns whether this call is the first to decide.
    fn decide(&self, decision: u8) -> bool {
        self.0.compare_exchange(Self::OPEN, decision, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// How a transaction ended.
pub enum End<T> {
    /// It was committed.
    Committed(T),
    /// It was rolled back: nothing is stored.
    RolledBack(Error),
    /// The connection was lost during COMMIT: it may have been committed, or may yet be.
    InDoubt(T, Error),
}

impl<T> End<T> {
    /// Returns the outcome for a caller to whom doubt is a failure.
    ///
    /// # Errors
    ///
    /// Why it was not committed, or may not have been.
    pub fn into_result(self) -> Result<T> {
        match self {
            Self::Committed(value) => Ok(value),
            Self::RolledBack(error) | Self::InDoubt(_, error) => Err(error),
        }
    }
}

/// What happens to a connection after its use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposal {
    /// It goes back to the pool.
    Keep,
    /// It is closed.
    Close,
}

/// The outcome of one attempt at a transaction.
pub(super) enum Attempt<U, F, G> {
    /// The transaction was committed or rolled back.
    Ended(U),
    /// The connection was dead before the transaction began: the work is returned.
    NotBegun(F, G),
}

/// Returns the result with what happens to its connection: after an outage that may be dead
/// or in the middle of a statement.
pub(super) fn keep_if_alive<T>(result: Result<T>) -> (Result<T>, Disposal) {
    let is_outage = matches!(result, Err(Error::Unavailable(_)));
    (result, if is_outage { Disposal::Close } else { Disposal::Keep })
}

/// Runs queries that all see the database as it was at one moment, within [`Db::read`](super::Db::read).
///
/// # Errors
///
/// Those of the queries, and of the database.
pub fn in_snapshot<T>(
    conn: &mut AnyConnection,
    query: impl FnOnce(&mut AnyConnection) -> Result<T>,
) -> Result<T> {
    conn.batch_execute(conn.begin_snapshot())?;
    let result = query(conn);
    // Nothing was written, so this ends the transaction and no more, whatever the result is.
    conn.batch_execute("COMMIT")?;
    result
}

/// Runs `act` in a transaction, commits or rolls it back, and gives the outcome to `then`.
pub(super) fn in_transaction<T, U, F, G>(
    Connection { conn, file, .. }: &mut Connection,
    lock_wait: LockWait,
    gate: &CommitGate,
    act: F,
    then: G,
) -> (Result<Attempt<U, F, G>>, Disposal)
where
    F: FnOnce(&mut AnyConnection) -> Result<T>,
    G: FnOnce(End<T>) -> Result<U>,
{
    let started = Instant::now();
    if let Err(error) = conn.batch_execute(conn.begin(lock_wait)) {
        // After a lock timeout the lock is not waited for again.
        let is_dead = started.elapsed() < DEAD_WITHIN;
        let result = if is_dead { Ok(Attempt::NotBegun(act, then)) } else { Err(error.into()) };
        return (result, Disposal::Close);
    }
    let file = file.as_ref();
    let acted = act(conn).and_then(|value| {
        let mark = file.map(|_| generation::count_transaction(conn)).transpose()?;
        if gate.may_commit() {
            Ok((value, mark))
        } else {
            Err(Error::unavailable("abandoned before its commit"))
        }
    });
    let end = if acted.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let (end, disposal) = match (conn.batch_execute(end).map_err(Error::from), acted) {
        (Ok(()), Ok((value, mark))) => match committed(file, mark) {
            Ok(()) => (End::Committed(value), Disposal::Keep),
            Err(error) => (End::RolledBack(error), Disposal::Close),
        },
        (Ok(()), Err(error @ Error::Unavailable(_))) => (End::RolledBack(error), Disposal::Close),
        (Ok(()), Err(error)) => (End::RolledBack(error), Disposal::Keep),
        (Err(error @ Error::Unavailable(_)), Ok((value, _))) => (End::InDoubt(value, error), Disposal::Close),
        (Err(error), Ok(_)) | (Err(_), Err(error)) => (End::RolledBack(error), Disposal::Close),
    };
    (then(end).map(Attempt::Ended), disposal)
}

/// Records a transaction of SQLite beside its file.
///
/// # Errors
///
/// [`Error::Unavailable`] if the file was replaced meanwhile: nothing of what was committed to it
/// is in the new one.
fn committed(file: Option<&SqliteFile>, mark: Option<String>) -> Result<()> {
    let (Some(file), Some(mark)) = (file, mark) else { return Ok(()) };
    if !file.is_current() {
        return Err(Error::unavailable("the database file was replaced"));
    }
    file.record(&mark);
    Ok(())
}
