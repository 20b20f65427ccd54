//! What one socket has received, judged by the numbers that the senders wrote
//! into the messages.

use hdrhistogram::Histogram;
use std::fmt::Write as _;

/// Longest latency told apart, in microseconds: two minutes.
const MAX_LATENCY_US: u64 = 120_000_000;

/// What a sender writes into a message, so that its receiver needs no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Tells this run from others in the same database.
    pub run: u32,
    /// Index of the person it is for.
    pub receiver: usize,
    /// Index of the connection that sent it.
    pub sender: usize,
    /// Counts the messages to this receiver from 0.
    pub number: u64,
    /// When it was meant to be sent, in microseconds of the run.
    pub intended_us: u64,
}

impl Stamp {
    /// Returns the message's text, filled up to that many bytes.
    #[must_use]
    pub fn text(&self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes.max(64));
        let Self { run, receiver, sender, number, intended_us } = self;
        // Writing to a String cannot fail.
        let _ = write!(text, "{run} {receiver} {sender} {number} {intended_us} ");
        while text.len() < bytes {
            text.push('x');
        }
        text
    }

    /// Reads a message's text; `None` for texts that no sender of ours wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            run: words.next()?.parse().ok()?,
            receiver: words.next()?.parse().ok()?,
            sender: words.next()?.parse().ok()?,
            number: words.next()?.parse().ok()?,
            intended_us: words.next()?.parse().ok()?,
        })
    }
}

/// Returns an empty histogram of microseconds with three significant digits.
///
/// # Errors
/// Never with these bounds; the library asks.
pub fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(MAX_LATENCY_US, 3)?)
}

/// One socket's account.
#[derive(Debug)]
pub struct Tally {
    /// Numbers received, as a set of bits.
    received: Vec<u64>,
    last_seq: u64,
    last_number_by_sender: Vec<Option<u64>>,
    timed_from_us: u64,
    /// Delivery latencies in microseconds, from the intended time.
    pub latency: Histogram<u64>,
    /// Messages received for the first time.
    pub delivered: u64,
    /// Messages received again.
    pub repeated: u64,
    /// Messages that came after one with a higher seq, or after a later one of
    /// the same sending connection.
    pub reordered: u64,
    /// Messages meant for somebody else.
    pub misdelivered: u64,
}

impl Tally {
    /// Returns an empty account that times messages meant to be sent from that
    /// moment on.
    ///
    /// # Errors
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

    /// Accounts for one message; true when it is a new one for this person.
    pub fn take(&mut self, owner: usize, seq: u64, stamp: &Stamp, now_us: u64) -> bool {
        if stamp.receiver != owner {
            self.misdelivered += 1;
            return false;
        }
        if self.has(stamp.number) {
            self.repeated += 1;
            return false;
        }
        self.mark(stamp.number);
        let earlier = self.last_number_by_sender.get_mut(stamp.sender);
        let overtaken =
            earlier.and_then(|last| last.replace(stamp.number)).is_some_and(|last| last > stamp.number);
        if seq <= self.last_seq || overtaken {
            self.reordered += 1;
        }
        self.last_seq = self.last_seq.max(seq);
        self.delivered += 1;
        if stamp.intended_us >= self.timed_from_us {
            self.latency.saturating_record(now_us.saturating_sub(stamp.intended_us));
        }
        true
    }

    /// Whether the message of that number has arrived.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        self.received.get(word).is_some_and(|it| it & bit != 0)
    }

    fn mark(&mut self, number: u64) {
        let (word, bit) = place(number);
        if self.received.len() <= word {
            self.received.resize(word + 1, 0);
        }
        self.received[word] |= bit;
    }
}

fn place(number: u64) -> (usize, u64) {
    (usize::try_from(number / 64).unwrap_or(usize::MAX), 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(sender: usize, number: u64) -> Stamp {
        Stamp { run: 1, receiver: 4, sender, number, intended_us: 10 }
    }

    #[test]
    fn a_stamp_survives_its_text() {
        let stamp = stamp(2, 77);
        let text = stamp.text(120);
        assert_eq!(text.len(), 120);
        assert_eq!(Stamp::parse(&text), Some(stamp));
        assert_eq!(Stamp::parse("hello there"), None);
    }

    #[test]
    fn repeats_strangers_and_late_ones_are_told_apart() -> anyhow::Result<()> {
        let mut tally = Tally::new(2, 0)?;
        assert!(tally.take(4, 1, &stamp(0, 0), 30));
        assert!(!tally.take(4, 2, &stamp(0, 0), 30));
        assert!(!tally.take(5, 3, &stamp(0, 1), 30));
        assert!(tally.take(4, 6, &stamp(0, 9), 30));
        assert!(tally.take(4, 5, &stamp(1, 8), 30));
        assert!(tally.take(4, 7, &stamp(0, 7), 30));
        let Tally { delivered, repeated, reordered, misdelivered, .. } = tally;
        assert_eq!((delivered, repeated, reordered, misdelivered), (4, 1, 2, 1));
        assert!(tally.has(9) && !tally.has(6));
        assert_eq!(tally.latency.max(), 20);
        Ok(())
    }
}
