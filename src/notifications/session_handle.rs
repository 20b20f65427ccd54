//! A [`SessionHandle`] is one session as the rest of the process reaches it. It carries
//! [`Signal`]s to the session, and shows how far its feed is and how many pings are
//! unanswered.
//!
//! Signals are bits and not a queue: one that is sent again before the session has taken it
//! is taken once. So they cannot run full, and sending one never waits.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use crate::events::Seq;
use crate::ids::{SignInId, UserId};

/// The value of [`SessionHandle::sent`] while the feed does not run yet.
const NOT_STARTED: Seq = -1;

/// What a session is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Compare with the inbox.
    Heal = 1,
    /// Ping the client.
    Ping = 2,
    /// Close: the client has left too many pings unanswered.
    Unresponsive = 4,
    /// Close: the instance stops.
    Restart = 8,
    /// Close: the token that opened the session is revoked.
    Revoked = 16,
    /// Close: the token that opened the session expired too long ago.
    Expired = 32,
}

/// The signals that close a session, in the order in which they take precedence.
const CLOSING: [Signal; 4] = [Signal::Revoked, Signal::Restart, Signal::Unresponsive, Signal::Expired];

/// What is known of the token or ticket that opened a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpeningToken {
    /// When it was issued, in Unix time.
    pub(super) issued_at: i64,
    /// The sign-in that it belongs to.
    pub(super) sign_in: SignInId,
    /// The second of Unix time in which the session is closed; none for clients that could not
    /// read why.
    pub(super) closed_at: Option<i64>,
}

/// One session as the rest of the process reaches it.
pub(super) struct SessionHandle {
    /// The user whose session it is.
    pub(super) user: UserId,
    /// The token that opened it.
    pub(super) token: OpeningToken,
    /// Differs from that of every other session of this process.
    pub(super) number: u64,
    /// The last number that its feed has sent.
    sent: AtomicI64,
    unanswered_pings: AtomicU32,
    signals: AtomicU8,
    /// Wakes the session.
    session: AtomicWaker,
}

impl SessionHandle {
    /// Returns the handle of a session that was opened with this token. `number` differs from
    /// that of every other session.
    pub(super) fn new(user: UserId, token: OpeningToken, number: u64) -> Self {
        Self {
            user,
            token,
            number,
            sent: AtomicI64::new(NOT_STARTED),
            unanswered_pings: AtomicU32::new(0),
            signals: AtomicU8::new(0),
            session: AtomicWaker::new(),
        }
    }

    /// Signals the session, which takes the signal when it comes to it.
    pub(super) fn signal(&self, signal: Signal) {
        self.signals.fetch_or(signal as u8, Ordering::Release);
        self.session.wake();
    }

    /// Waits for the next signal and takes it; one that closes the session comes first. Only the
    /// session itself calls this: the last caller is woken.
    pub(super) fn poll_signal(&self, context: &mut Context<'_>) -> Poll<Signal> {
        if self.signals.load(Ordering::Acquire) == 0 {
            self.session.register(context.waker());
            // A signal that came before the registration woke nobody.
            if self.signals.load(Ordering::Acquire) == 0 {
                return Poll::Pending;
            }
        }
        for signal in CLOSING.into_iter().chain([Signal::Heal, Signal::Ping]) {
            if self.signals.fetch_and(!(signal as u8), Ordering::Acquire) & signal as u8 != 0 {
                return Poll::Ready(signal);
            }
        }
        Poll::Pending
    }

    /// Returns the last number that the feed has sent; none while it does not run yet.
    pub(super) fn sent(&self) -> Option<Seq> {
        Some(self.sent.load(Ordering::Relaxed)).filter(|seq| *seq != NOT_STARTED)
    }

    /// Records how far the feed is.
    pub(super) fn set_sent(&self, seq: Seq) {
        self.sent.store(seq, Ordering::Relaxed);
    }

    /// Returns how many pings were sent since the client was last heard to be there.
    pub(super) fn unanswered_pings(&self) -> u32 {
        self.unanswered_pings.load(Ordering::Relaxed)
    }

    /// Records that a ping was sent.
    pub(super) fn ping_sent(&self) {
        self.unanswered_pings.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that the client has returned a ping.
    pub(super) fn pong_received(&self) {
        self.unanswered_pings.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::{OpeningToken, SessionHandle, Signal};
    use crate::ids::{SignInId, UserId};

    #[tokio::test]
    async fn a_signal_that_closes_precedes_others() {
        let session = {
            let token = OpeningToken { issued_at: 0, sign_in: SignInId::random(), closed_at: None };
            SessionHandle::new(UserId::new(1), token, 0)
        };
        for signal in [Signal::Ping, Signal::Restart, Signal::Ping] {
            session.signal(signal);
        }
        for expected in [Signal::Restart, Signal::Ping] {
            assert_eq!(poll_fn(|context| session.poll_signal(context)).await, expected);
        }
        let next = poll_fn(|context| session.poll_signal(context));
        let (signal, ()) = tokio::join!(next, async { session.signal(Signal::Heal) });
        assert_eq!(signal, Signal::Heal, "it is woken");
    }
}
