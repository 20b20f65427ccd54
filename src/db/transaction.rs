//! One attempt at a transaction, on a connection that may be dead, for a caller that may
//! give it up.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;

use super::AnyConnection;
use crate::error::{Error, Result};

/// A call that fails sooner than this met a dead connection, not a slow server: a dead
/// one fails in less than a millisecond.
pub(super) const DEAD_WITHIN: Duration = Duration::from_millis(100);

/// Who was first: the caller that gave a transaction up, or the thread that commits it.
///
/// A write that was refused with 503 must not be done later, when the database answers
/// again: the client has been told to repeat it.
#[derive(Default)]
pub(super) struct Verdict(AtomicU8);

impl Verdict {
    const GIVEN_UP: u8 = 1;
    const COMMITTING: u8 = 2;

    pub(super) fn give_up(&self) {
        self.decide(Self::GIVEN_UP);
    }

    /// Returns whether nobody has given the transaction up; from now on nobody can.
    fn may_commit(&self) -> bool {
        self.decide(Self::COMMITTING)
    }

    fn decide(&self, verdict: u8) -> bool {
        self.0.compare_exchange(0, verdict, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// What becomes of a connection after its use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    Close,
}

/// What one attempt at a transaction came to.
pub(super) enum Attempt<U, F, G> {
    Ended(U),
    /// The connection was dead before anything was done: the work is given back.
    NotBegun(F, G),
}

/// After an outage a connection may be dead or in the middle of something.
pub(super) fn keep_if_alive<T>(answer: Result<T>) -> (Result<T>, Fate) {
    let fate = if matches!(answer, Err(Error::Unavailable(_))) { Fate::Close } else { Fate::Keep };
    (answer, fate)
}

pub(super) fn in_transaction<T, U, F, G>(
    conn: &mut AnyConnection,
    verdict: &Verdict,
    act: F,
    then: G,
) -> (Result<Attempt<U, F, G>>, Fate)
where
    F: FnOnce(&mut AnyConnection) -> Result<T>,
    G: FnOnce(Result<T>) -> Result<U>,
{
    let started = Instant::now();
    if let Err(error) = conn.batch_execute(conn.begin()) {
        // A lock that was waited for in vain is not waited for again.
        let is_dead = started.elapsed() < DEAD_WITHIN;
        let answer = if is_dead { Ok(Attempt::NotBegun(act, then)) } else { Err(error.into()) };
        return (answer, Fate::Close);
    }
    let acted = act(conn).and_then(|value| {
        if verdict.may_commit() { Ok(value) } else { Err(Error::unavailable("given up before its commit")) }
    });
    let end = if acted.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let (answer, fate) = match (conn.batch_execute(end), acted) {
        (Ok(()), acted) => keep_if_alive(acted),
        (Err(error), Ok(_)) => (Err(error.into()), Fate::Close),
        (Err(_), Err(error)) => (Err(error), Fate::Close),
    };
    (then(answer).map(Attempt::Ended), fate)
}
