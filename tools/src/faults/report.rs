//! The report of a fault run, for people and as JSON.

use super::account::Account;
use super::judge::{self, Counts, Fault};
use super::kind::Kind;
use super::sender::Book;
use super::truth::{Kept, Sample};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Longest delay to current while nothing is wrong: far above any latency, below
/// any position check.
const CALM_LIMIT_MS: u64 = 2000;

/// What one kind of fault did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// How many there were.
    pub faults: u64,
    /// Longest time from a fault's end until all sockets were current; `null`:
    /// one never was.
    pub longest_delay_ms: Option<u64>,
    /// What it must stay below.
    pub limit_ms: u64,
    /// Requests that failed, by status or cause.
    pub failed: BTreeMap<String, u64>,
    /// The longest time that a good answer took.
    pub slowest_answer_ms: u64,
}

/// A whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What makes it repeatable.
    pub seed: u64,
    /// How long the load lasted.
    pub seconds: f64,
    /// People, sockets, instances.
    pub size: (usize, usize, usize),
    /// Messages answered 201, and friend requests.
    pub acknowledged: u64,
    /// Requests whose outcome is in doubt, by status or cause.
    pub failed: BTreeMap<String, u64>,
    /// Deliveries that clients took.
    pub delivered: u64,
    /// Acknowledged or committed, and not delivered.
    pub lost: u64,
    /// Frames that clients dropped by their seq.
    pub raw_repeats: u64,
    /// Repeats that a client cannot drop.
    pub repeated: u64,
    /// Out of order.
    pub reordered: u64,
    /// To the wrong person.
    pub misdelivered: u64,
    /// Numbers missing in inboxes.
    pub holes: u64,
    /// Times that a client was told to start anew.
    pub resyncs: u64,
    /// Times that clients came back.
    pub reconnects: u64,
    /// How connections ended, by close code or cause.
    pub closes: BTreeMap<String, u64>,
    /// By kind of fault.
    pub kinds: BTreeMap<String, Row>,
    /// All that must not be, in words; empty when the promise held.
    pub broken: Vec<String>,
}

/// All that a run has gathered.
#[derive(Debug)]
pub struct Evidence {
    /// What makes it repeatable.
    pub seed: u64,
    /// How long the load lasted.
    pub seconds: f64,
    /// Number of instances.
    pub instances: usize,
    /// What the senders know.
    pub book: Book,
    /// The inboxes at the end.
    pub inboxes: Vec<Vec<Kept>>,
    /// What the clients know.
    pub accounts: Vec<(usize, Account)>,
    /// How the inboxes grew.
    pub samples: Vec<Sample>,
    /// What was done to the cluster.
    pub faults: Vec<Fault>,
    /// What was seen to be wrong on the way.
    pub broken: Vec<String>,
}

impl Report {
    /// Judges a run.
    #[must_use]
    pub fn of(evidence: Evidence) -> Self {
        let Evidence { book, accounts, faults, .. } = &evidence;
        let Counts { delivered, lost, repeated, reordered, misdelivered, holes } =
            judge::count(book, &evidence.inboxes, accounts);
        let sum = |of: fn(&Account) -> u64| accounts.iter().map(|(_, account)| of(account)).sum();
        let mut report = Self {
            seed: evidence.seed,
            seconds: evidence.seconds,
            size: (evidence.inboxes.len(), accounts.len(), evidence.instances),
            acknowledged: book.acknowledged.len() as u64 + book.friend_requests.values().sum::<u64>(),
            failed: BTreeMap::new(),
            delivered,
            lost,
            raw_repeats: sum(|account| account.raw_repeats),
            repeated,
            reordered,
            misdelivered,
            holes,
            resyncs: sum(|account| account.resyncs),
            reconnects: sum(|account| account.connects.saturating_sub(1)),
            closes: BTreeMap::new(),
            kinds: BTreeMap::new(),
            broken: Vec::new(),
        };
        for (_, account) in accounts {
            for (cause, count) in &account.closes {
                *report.closes.entry(cause.clone()).or_default() += count;
            }
        }
        report.fill_rows(faults, &evidence.samples, accounts, book);
        report.broken = report.violations();
        report.broken.extend(evidence.broken);
        report
    }

    fn fill_rows(
        &mut self,
        faults: &[Fault],
        samples: &[Sample],
        accounts: &[(usize, Account)],
        book: &Book,
    ) {
        let kinds: Vec<Option<Kind>> =
            std::iter::once(None).chain(faults.iter().map(|fault| Some(fault.kind))).collect();
        for (kind, delay) in kinds.iter().zip(judge::delays(faults, samples, accounts)) {
            let row = self.row(*kind);
            row.faults += u64::from(kind.is_some());
            row.longest_delay_ms = row.longest_delay_ms.zip(delay).map(|(one, other)| one.max(other));
        }
        for failed in &book.failed {
            let kind = kinds[judge::blame(faults, failed)];
            *self.row(kind).failed.entry(failed.cause.clone()).or_default() += 1;
            *self.failed.entry(failed.cause.clone()).or_default() += 1;
        }
        for (answered_ms, took_ms) in &book.slow {
            let kind = kinds[faults.partition_point(|fault| fault.begin_ms <= *answered_ms)];
            let row = self.row(kind);
            row.slowest_answer_ms = row.slowest_answer_ms.max(*took_ms);
        }
    }

    fn row(&mut self, kind: Option<Kind>) -> &mut Row {
        self.kinds.entry(name(kind)).or_insert_with(|| Row {
            longest_delay_ms: Some(0),
            limit_ms: kind.map_or(CALM_LIMIT_MS, Kind::limit_ms),
            ..Row::default()
        })
    }

    fn violations(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let counts = [
            ("lost", self.lost),
            ("repeated", self.repeated),
            ("repeated, and dropped by seq", self.raw_repeats),
            ("reordered", self.reordered),
            ("misdelivered", self.misdelivered),
            ("numbers skipped in inboxes", self.holes),
            ("told to resync", self.resyncs),
        ];
        broken.extend(
            counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")),
        );
        let may_fail: Vec<String> =
            Kind::ALL.iter().filter(|kind| kind.may_fail_requests()).map(Kind::to_string).collect();
        for (kind, row) in &self.kinds {
            match row.longest_delay_ms {
                None => broken.push(format!("{kind}: a socket never became current")),
                Some(delay_ms) if delay_ms > row.limit_ms => {
                    broken.push(format!("{kind}: a socket was current only after {delay_ms} ms"));
                }
                Some(_) => {}
            }
            if !row.failed.is_empty() && !may_fail.contains(kind) {
                broken.push(format!("{kind}: requests failed ({})", by_cause(&row.failed)));
            }
        }
        broken
    }
}

fn name(kind: Option<Kind>) -> String {
    kind.map_or_else(|| "none yet".to_owned(), |kind| kind.to_string())
}

fn by_cause(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "0".to_owned();
    }
    let parts: Vec<String> = counts.iter().map(|(cause, count)| format!("{cause}: {count}")).collect();
    parts.join(", ")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (people, sockets, instances) = self.size;
        let faults: u64 = self.kinds.values().map(|row| row.faults).sum();
        writeln!(f, "seed               {}", self.seed)?;
        writeln!(
            f,
            "run                {faults} faults in {:.0} s; {people} people, {sockets} sockets, {instances} instances",
            self.seconds
        )?;
        writeln!(f, "acknowledged       {}", self.acknowledged)?;
        writeln!(f, "failed requests    {}", by_cause(&self.failed))?;
        writeln!(f, "delivered          {}", self.delivered)?;
        writeln!(f, "lost               {}", self.lost)?;
        writeln!(f, "repeated           {} ({} raw, dropped by seq)", self.repeated, self.raw_repeats)?;
        writeln!(f, "reordered          {}", self.reordered)?;
        writeln!(f, "misdelivered       {}", self.misdelivered)?;
        writeln!(f, "reconnects         {} (closed: {})", self.reconnects, by_cause(&self.closes))?;
        writeln!(f, "\nfault              times  longest delay   limit  slowest answer  failed requests")?;
        for (kind, row) in &self.kinds {
            let delay = row.longest_delay_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"));
            writeln!(
                f,
                "{kind:<18} {:>5}  {delay:>13}  {:>6}  {:>11} ms  {}",
                row.faults,
                row.limit_ms,
                row.slowest_answer_ms,
                by_cause(&row.failed)
            )?;
        }
        for broken in &self.broken {
            writeln!(f, "BROKEN: {broken}")?;
        }
        Ok(())
    }
}
