//! A socket's account: every frame that a client has received, and what it did
//! with it.

use crate::frame::Identity;
use std::collections::BTreeMap;

/// An event that the client took as new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its position in the person's inbox.
    pub seq: u64,
    /// What it is about.
    pub identity: Identity,
    /// When it arrived.
    pub at_ms: u64,
}

/// What one client has seen over all of its connections.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The inbox's last seq when the client came for the first time.
    pub first: u64,
    /// What it took, by seq.
    pub accepted: Vec<Accepted>,
    /// Frames that it dropped because it had their seq already.
    pub raw_repeats: u64,
    /// Frames that it dropped though it never had them: a later one came first.
    pub reordered: u64,
    /// Messages written to somebody else, and sockets opened as somebody else.
    pub misdelivered: u64,
    /// Times that the server said it could not resume.
    pub resyncs: u64,
    /// Times that the client connected.
    pub connects: u64,
    /// Why the client could not connect the last time that it could not.
    pub last_error: String,
    /// Ends of connections by close code; `cut` without one, `silent` when the
    /// client gave up waiting.
    pub closes: BTreeMap<String, u64>,
}

impl Account {
    /// The last seq that the client has, which it resumes from.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.accepted.last().map_or(self.first, |it| it.seq)
    }

    /// Accounts for one numbered frame, dropping it as a client does unless it is
    /// ahead of the cursor.
    pub fn take(&mut self, frame: Accepted) {
        if frame.seq > self.cursor() {
            self.accepted.push(frame);
        } else if frame.seq <= self.first || self.arrival(frame.seq).is_some_and(|(seq, _)| seq == frame.seq)
        {
            self.raw_repeats += 1;
        } else {
            self.reordered += 1;
        }
    }

    /// Returns when the client had reached that seq, and by which one.
    #[must_use]
    pub fn arrival(&self, seq: u64) -> Option<(u64, u64)> {
        let index = self.accepted.partition_point(|it| it.seq < seq);
        self.accepted.get(index).map(|it| (it.seq, it.at_ms))
    }

    /// Notes the end of a connection.
    pub fn closed(&mut self, cause: &str) {
        *self.closes.entry(cause.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u64) -> Accepted {
        Accepted { seq, identity: Identity::Message(seq), at_ms: 100 + seq }
    }

    #[test]
    fn repeats_and_latecomers_are_dropped_and_told_apart() {
        let mut account = Account { first: 5, ..Account::default() };
        for seq in [6, 7, 7, 5, 9, 8, 10] {
            account.take(frame(seq));
        }
        let seqs: Vec<u64> = account.accepted.iter().map(|it| it.seq).collect();
        assert_eq!(seqs, [6, 7, 9, 10]);
        assert_eq!((account.raw_repeats, account.reordered, account.cursor()), (2, 1, 10));
    }

    #[test]
    fn a_skipped_seq_is_reached_by_the_next_one() {
        let mut account = Account::default();
        account.take(frame(1));
        account.take(frame(3));
        assert_eq!(account.arrival(2), Some((3, 103)));
        assert_eq!(account.arrival(4), None);
    }
}
