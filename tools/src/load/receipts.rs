//! The messages that one socket has received, checked by the numbers that the senders
//! wrote into them.

use hdrhistogram::Histogram;
use std::fmt::Write as _;

/// Largest latency that is recorded, in microseconds: two minutes.
const MAX_LATENCY_US: u64 = 120_000_000;

/// What a sender writes into a message, so that the receiver needs no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Distinguishes this run from others in the same database.
    pub run: u32,
    /// The index of the receiving person.
    pub receiver: usize,
    /// The index of the sending connection.
    pub sender: usize,
    /// Numbers the messages to this receiver from 0.
    pub number: u64,
    /// When it was due, in microseconds since the start of the run.
    pub due_us: u64,
}

impl Stamp {
    /// Returns the message's text, padded to `bytes`.
    #[must_use]
    pub fn text(&self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes.max(64));
        let Self { run, receiver, sender, number, due_us } = self;
        // Writing to a String cannot fail.
        let _ = write!(text, "{run} {receiver} {sender} {number} {due_us} ");
        while text.len() < bytes {
            text.push('x');
        }
        text
    }

    /// Parses a message's text; `None` if it was not written by [`Stamp::text`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            run: words.next()?.parse().ok()?,
            receiver: words.next()?.parse().ok()?,
            sender: words.next()?.parse().ok()?,
            number: words.next()?.parse().ok()?,
            due_us: words.next()?.parse().ok()?,
        })
    }
}

/// Returns an empty histogram of microseconds with three significant digits.
///
/// # Errors
///
/// Never with these bounds, but the library's constructor is fallible.
pub fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(MAX_LATENCY_US, 3)?)
}

/// What one socket has received.
#[derive(Debug)]
pub struct Receipts {
    /// The numbers received, as a bit set.
    received: Vec<u64>,
    last_seq: u64,
    last_number_by_sender: Vec<Option<u64>>,
    timed_from_us: u64,
    /// Delivery latencies in microseconds, from the time a message was due.
    pub latency: Histogram<u64>,
    /// Messages received for the first time.
    pub delivered: u64,
    /// Messages received again.
    pub repeated: u64,
    /// Messages that came after one with a higher `seq`, or after a later one of the
    /// same sending connection.
    pub reordered: u64,
    /// Messages for another person.
    pub misdelivered: u64,
}

impl Receipts {
    /// Returns an empty record, which measures the latency of messages that are due at
    /// `timed_from_us` or later.
    ///
    /// # Errors
    ///
    /// See [`histogram`].
    pub fn new(senders: usize, timed_from_us: u64) -> anyhow::Result<Self> {
        Ok(Self {
            received: Vec::new(),
            last_seq: 0,
            last_number_by_sender: vec![None; senders],
            timed_from_us,
            latency: histogram()?,
            delivered: 0,
            repeated: 0,
            reordered: 0,
            misdelivered: 0,
        })
    }

    /// Records one message; returns true if it is new and for this person. What was published
    /// straight to Redis has no `seq`.
    pub fn record(&mut self, owner: usize, seq: Option<u64>, stamp: &Stamp, now_us: u64) -> bool {
        if stamp.receiver != owner {
            self.misdelivered += 1;
            return false;
        }
        if self.contains(stamp.number) {
            self.repeated += 1;
            return false;
        }
        self.insert(stamp.number);
        let last = self.last_number_by_sender.get_mut(stamp.sender);
        let overtaken =
            last.and_then(|last| last.replace(stamp.number)).is_some_and(|last| last > stamp.number);
        if seq.is_some_and(|seq| seq <= self.last_seq) || overtaken {
            self.reordered += 1;
        }
        self.last_seq = self.last_seq.max(seq.unwrap_or_default());
        self.delivered += 1;
        if stamp.due_us >= self.timed_from_us {
            self.latency.saturating_record(now_us.saturating_sub(stamp.due_us));
        }
        true
    }

    /// Whether the message with this number has arrived.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let (word, bit) = position(number);
        self.received.get(word).is_some_and(|it| it & bit != 0)
    }

    fn insert(&mut self, number: u64) {
        let (word, bit) = position(number);
        if self.received.len() <= word {
            self.received.resize(word + 1, 0);
        }
        self.received[word] |= bit;
    }
}

fn position(number: u64) -> (usize, u64) {
    (usize::try_from(number / 64).unwrap_or(usize::MAX), 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(sender: usize, number: u64) -> Stamp {
        Stamp { run: 1, receiver: 4, sender, number, due_us: 10 }
    }

    #[test]
    fn a_stamp_is_parsed_from_its_text() {
        let stamp = stamp(2, 77);
        let text = stamp.text(120);
        assert_eq!(text.len(), 120);
        assert_eq!(Stamp::parse(&text), Some(stamp));
        assert_eq!(Stamp::parse("hello there"), None);
    }

    #[test]
    fn repeated_misdelivered_and_reordered_messages_are_distinguished() -> anyhow::Result<()> {
        let mut receipts = Receipts::new(2, 0)?;
        assert!(receipts.record(4, Some(1), &stamp(0, 0), 30));
        assert!(!receipts.record(4, Some(2), &stamp(0, 0), 30));
        assert!(!receipts.record(5, Some(3), &stamp(0, 1), 30));
        assert!(receipts.record(4, Some(6), &stamp(0, 9), 30));
        assert!(receipts.record(4, Some(5), &stamp(1, 8), 30));
        assert!(receipts.record(4, Some(7), &stamp(0, 7), 30));
        let Receipts { delivered, repeated, reordered, misdelivered, .. } = receipts;
        assert_eq!((delivered, repeated, reordered, misdelivered), (4, 1, 2, 1));
        assert!(receipts.contains(9) && !receipts.contains(6));
        assert_eq!(receipts.latency.max(), 20);
        Ok(())
    }
}
