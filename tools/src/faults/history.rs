//! The history of one client: every frame that it received, and whether it accepted or
//! dropped it.

use crate::frame::Identity;
use std::collections::BTreeMap;

/// An event that the client accepted as new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptedEvent {
    /// Its position in the person's inbox.
    pub seq: u64,
    /// Its subject.
    pub identity: Identity,
    /// When it arrived.
    pub at_ms: u64,
}

/// What one client received over all of its connections.
#[derive(Debug, Clone, Default)]
pub struct ClientHistory {
    /// The inbox's last `seq` when the client first connected.
    pub first: u64,
    /// The accepted events, in the order of `seq`.
    pub accepted: Vec<AcceptedEvent>,
    /// Frames that it dropped because it already had their `seq`.
    pub raw_repeats: u64,
    /// Frames that it dropped although it did not have them, because a later one came first.
    pub reordered: u64,
    /// Messages for another person, and sockets opened as another user.
    pub misdelivered: u64,
    /// The `seq` of each `resync_required`: what an inbox has up to there is reloaded.
    pub resyncs: Vec<u64>,
    /// How often the client connected.
    pub connects: u64,
    /// The error of the last failed attempt to connect.
    pub last_error: String,
    /// Closed connections by close code; `cut` if there was none, `silent` if the client
    /// gave up waiting.
    pub closes: BTreeMap<String, u64>,
}

impl ClientHistory {
    /// Returns the last `seq` that the client has, from which it resumes.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.accepted.last().map_or(self.first, |it| it.seq)
    }

    /// Records a frame with a `seq`, which the client drops unless it is ahead of the
    /// cursor.
    pub fn record(&mut self, frame: AcceptedEvent) {
        if frame.seq > self.cursor() {
            self.accepted.push(frame);
        } else if frame.seq <= self.first || self.arrival(frame.seq).is_some_and(|(seq, _)| seq == frame.seq)
        {
            self.raw_repeats += 1;
        } else {
            self.reordered += 1;
        }
    }

    /// Records a `resync_required`.
    pub fn resync(&mut self, seq: u64, at_ms: u64) {
        self.resyncs.push(seq);
        self.record(AcceptedEvent { seq, identity: Identity::Other, at_ms });
    }

    /// Returns the first accepted `seq` that is not below this one, and when it arrived.
    #[must_use]
    pub fn arrival(&self, seq: u64) -> Option<(u64, u64)> {
        let index = self.accepted.partition_point(|it| it.seq < seq);
        self.accepted.get(index).map(|it| (it.seq, it.at_ms))
    }

    /// Records the end of a connection.
    pub fn closed(&mut self, cause: &str) {
        *self.closes.entry(cause.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u64) -> AcceptedEvent {
        AcceptedEvent { seq, identity: Identity::Message(seq), at_ms: 100 + seq }
    }

    #[test]
    fn repeated_and_reordered_frames_are_dropped_and_distinguished() {
        let mut history = ClientHistory { first: 5, ..ClientHistory::default() };
        for seq in [6, 7, 7, 5, 9, 8, 10] {
            history.record(frame(seq));
        }
        let seqs: Vec<u64> = history.accepted.iter().map(|it| it.seq).collect();
        assert_eq!(seqs, [6, 7, 9, 10]);
        assert_eq!((history.raw_repeats, history.reordered, history.cursor()), (2, 1, 10));
    }

    #[test]
    fn a_missing_seq_counts_as_reached_by_the_next_one() {
        let mut history = ClientHistory::default();
        history.record(frame(1));
        history.record(frame(3));
        assert_eq!(history.arrival(2), Some((3, 103)));
        assert_eq!(history.arrival(4), None);
    }
}
