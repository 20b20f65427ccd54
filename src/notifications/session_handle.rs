//! A [`SessionHandle`] is one session as the rest of the process reaches it. It carries
//! [`Signal`]s to the session, and shows how far its feed is and how many pings are
//! unanswered.
//!
//! Signals are bits and not a queue: one that is sent again before the session has taken it
//! is taken once. So they cannot run full, and sending one never waits.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering};

use tokio::sync::Notify;

use crate::events::Seq;
use crate::ids::UserId;

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
}

/// The signals that close a session, in the order in which they take precedence.
const CLOSING: [Signal; 3] = [Signal::Revoked, Signal::Restart, Signal::Unresponsive];

/// One session as the rest of the process reaches it.
pub(super) struct SessionHandle {
    /// The user whose session it is.
    pub(super) user: UserId,
    /// When the token that opened it was issued, in Unix time.
    pub(super) issued_at: i64,
    /// Counts the sessions of this process, to spread their pings evenly.
    number: u64,
    /// The last number that its feed has sent.
    sent: AtomicI64,
    unanswered_pings: AtomicU32,
    signals: AtomicU8,
    signalled: Notify,
}

impl SessionHandle {
    /// Returns the handle of a session that was opened with a token of this second, in Unix
    /// time. `number` differs from that of every other session.
    pub(super) fn new(user: UserId, issued_at: i64, number: u64) -> Self {
        Self {
            user,
            issued_at,
            number,
            sent: AtomicI64::new(NOT_STARTED),
            unanswered_pings: AtomicU32::new(0),
            signals: AtomicU8::new(0),
            signalled: Notify::new(),
        }
    }

    /// Signals the session, which takes the signal when it comes to it.
    pub(super) fn signal(&self, signal: Signal) {
        self.signals.fetch_or(signal as u8, Ordering::Release);
        self.signalled.notify_one();
    }

    /// Waits for the next signal and takes it; one that closes the session comes first.
    /// Dropping the future loses no signal.
    pub(super) async fn next_signal(&self) -> Signal {
        loop {
            for signal in CLOSING.into_iter().chain([Signal::Heal, Signal::Ping]) {
                if self.signals.fetch_and(!(signal as u8), Ordering::Acquire) & signal as u8 != 0 {
                    return signal;
                }
            }
            self.signalled.notified().await;
        }
    }

    /// Waits for a signal that closes the session, and leaves it to be taken. Other signals
    /// wait until [`SessionHandle::next_signal`].
    pub(super) async fn close_requested(&self) -> Signal {
        loop {
            let signals = self.signals.load(Ordering::Acquire);
            for signal in CLOSING {
                if signals & signal as u8 != 0 {
                    return signal;
                }
            }
            self.signalled.notified().await;
        }
    }

    /// Returns the last number that the feed has sent; none while it does not run yet.
    pub(super) fn sent(&self) -> Option<Seq> {
        Some(self.sent.load(Ordering::Relaxed)).filter(|seq| *seq != NOT_STARTED)
    }

    /// Records how far the feed is.
    pub(super) fn set_sent(&self, seq: Seq) {
        self.sent.store(seq, Ordering::Relaxed);
    }

    /// Returns whether the session is pinged in this second, which it is once in each period
    /// of so many seconds.
    pub(super) const fn is_pinged_in(&self, second: u64, period_seconds: u64) -> bool {
        self.number % period_seconds == second % period_seconds
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
    use super::{SessionHandle, Signal};
    use crate::ids::UserId;

    #[tokio::test]
    async fn a_signal_to_close_precedes_others_and_is_left_to_be_taken() {
        let session = SessionHandle::new(UserId::new(1), 0, 0);
        for signal in [Signal::Ping, Signal::Restart, Signal::Ping] {
            session.signal(signal);
        }
        assert_eq!(session.close_requested().await, Signal::Restart);
        assert_eq!(session.next_signal().await, Signal::Restart);
        assert_eq!(session.next_signal().await, Signal::Ping);
    }

    #[test]
    fn sessions_are_pinged_once_in_a_period_in_different_seconds() {
        let sessions = [7, 8, 9].map(|number| SessionHandle::new(UserId::new(1), 0, number));
        for second in 0..6 {
            let pinged = sessions.iter().filter(|session| session.is_pinged_in(second, 3));
            assert_eq!(pinged.count(), 1, "second {second}");
        }
    }
}
