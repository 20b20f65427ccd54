//! The report of a fault run, as text and as JSON.

use super::checker::{self, Counts};
use super::database::{Sample, StoredEvent, StoredMessages};
use super::fault::{Fault, FaultKind, Forgotten};
use super::history::ClientHistory;
use super::sender::RequestLog;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The longest permitted delay before the first fault: far above any latency, below the
/// period of the position check.
const NO_FAULT_MAX_DELAY_MS: u64 = 2000;

/// The effects of one kind of fault.
#[derive(Debug, Clone, Default, Serialize)]
pub struct KindSummary {
    /// The number of faults.
    pub faults: u64,
    /// The longest time from a fault's end until all sockets were current; `null` if one
    /// never was.
    pub longest_delay_ms: Option<u64>,
    /// The permitted maximum of that time.
    pub limit_ms: u64,
    /// Requests that failed, by status or cause.
    pub failed: BTreeMap<String, u64>,
    /// The longest time that a successful response took.
    pub slowest_response_ms: u64,
}

/// The report of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The seed of the faults.
    pub seed: u64,
    /// How long the load ran.
    pub seconds: f64,
    /// The numbers of people, sockets and instances.
    pub size: (usize, usize, usize),
    /// Messages and friend requests whose response was 201.
    pub acknowledged: u64,
    /// Requests whose outcome is unknown, by status or cause.
    pub failed: BTreeMap<String, u64>,
    /// Events that clients accepted.
    pub delivered: u64,
    /// Acknowledged or committed events that were not delivered.
    pub lost: u64,
    /// Frames that clients dropped by their `seq`.
    pub raw_repeats: u64,
    /// Repeated events that a client cannot recognise by their `seq`.
    pub repeated: u64,
    /// Events delivered out of order.
    pub reordered: u64,
    /// Events delivered to another person.
    pub misdelivered: u64,
    /// Numbers missing in inboxes.
    pub gaps: u64,
    /// Messages that were sent once and are stored twice.
    pub doubled: u64,
    /// Messages without an event, and events without their message.
    pub unmatched: u64,
    /// Acknowledged messages that a request had sent that seemed to fail.
    pub replayed: u64,
    /// Messages that were repeated without success.
    pub given_up: u64,
    /// How often a client was sent `resync_required` without an older state of the database.
    pub resyncs: u64,
    /// Times of an older state after which a client was not sent `resync_required`.
    pub left_behind: u64,
    /// How often clients reconnected.
    pub reconnects: u64,
    /// Closed connections, by close code or cause.
    pub closes: BTreeMap<String, u64>,
    /// The effects of each kind of fault.
    pub kinds: BTreeMap<String, KindSummary>,
    /// Descriptions of all violations; empty if every promise held.
    pub broken: Vec<String>,
}

/// The observations of a run.
#[derive(Debug)]
pub struct Observations {
    /// The seed of the faults.
    pub seed: u64,
    /// How long the load ran.
    pub seconds: f64,
    /// The number of instances.
    pub instances: usize,
    /// The outcomes of the requests.
    pub log: RequestLog,
    /// The messages at the end.
    pub messages: StoredMessages,
    /// The inboxes at the end.
    pub inboxes: Vec<Vec<StoredEvent>>,
    /// The histories of the clients, with the indexes of their owners.
    pub histories: Vec<(usize, ClientHistory)>,
    /// Samples of the inboxes.
    pub samples: Vec<Sample>,
    /// The injected faults.
    pub faults: Vec<Fault>,
    /// The times whose writes are gone.
    pub forgotten: Vec<Forgotten>,
    /// Violations detected during the run.
    pub broken: Vec<String>,
}

impl Report {
    /// Evaluates the observations of a run.
    #[must_use]
    pub fn new(observations: Observations) -> Self {
        let Observations { log, histories, faults, forgotten, .. } = &observations;
        let Counts { delivered, lost, repeated, reordered, misdelivered, gaps, doubled, unmatched } =
            checker::count(log, &observations.messages, &observations.inboxes, histories, forgotten);
        let sum =
            |field: fn(&ClientHistory) -> u64| histories.iter().map(|(_, history)| field(history)).sum();
        let mut report = Self {
            seed: observations.seed,
            seconds: observations.seconds,
            size: (observations.inboxes.len(), histories.len(), observations.instances),
            acknowledged: log.acknowledged.len() as u64 + log.friend_requests.len() as u64,
            failed: BTreeMap::new(),
            delivered,
            lost,
            raw_repeats: sum(|history| history.raw_repeats),
            repeated,
            reordered,
            misdelivered,
            gaps,
            doubled,
            unmatched,
            replayed: log.replayed,
            given_up: log.given_up,
            resyncs: differences(histories, |resyncs| resyncs.saturating_sub(forgotten.len())),
            left_behind: differences(histories, |resyncs| forgotten.len().saturating_sub(resyncs)),
            reconnects: sum(|history| history.connects.saturating_sub(1)),
            closes: BTreeMap::new(),
            kinds: BTreeMap::new(),
            broken: Vec::new(),
        };
        for (_, history) in histories {
            for (cause, count) in &history.closes {
                *report.closes.entry(cause.clone()).or_default() += count;
            }
        }
        report.fill_summaries(faults, &observations.samples, histories, log);
        report.broken = report.violations();
        report.broken.extend(observations.broken);
        report
    }

    fn fill_summaries(
        &mut self,
        faults: &[Fault],
        samples: &[Sample],
        histories: &[(usize, ClientHistory)],
        log: &RequestLog,
    ) {
        let kinds: Vec<Option<FaultKind>> =
            std::iter::once(None).chain(faults.iter().map(|fault| Some(fault.kind))).collect();
        for (kind, delay) in kinds.iter().zip(checker::delays(faults, samples, histories)) {
            let summary = self.summary(*kind);
            summary.faults += u64::from(kind.is_some());
            summary.longest_delay_ms = summary.longest_delay_ms.zip(delay).map(|(one, other)| one.max(other));
        }
        for failed in &log.failed {
            let kind = kinds[checker::attribute(faults, failed)];
            *self.summary(kind).failed.entry(failed.cause.clone()).or_default() += 1;
            *self.failed.entry(failed.cause.clone()).or_default() += 1;
        }
        for (responded_ms, took_ms) in &log.slow {
            let kind = kinds[faults.partition_point(|fault| fault.begin_ms <= *responded_ms)];
            let summary = self.summary(kind);
            summary.slowest_response_ms = summary.slowest_response_ms.max(*took_ms);
        }
    }

    fn summary(&mut self, kind: Option<FaultKind>) -> &mut KindSummary {
        self.kinds.entry(name(kind)).or_insert_with(|| KindSummary {
            longest_delay_ms: Some(0),
            limit_ms: kind.map_or(NO_FAULT_MAX_DELAY_MS, FaultKind::max_delay_ms),
            ..KindSummary::default()
        })
    }

    fn violations(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let counts = [
            ("lost", self.lost),
            ("repeated", self.repeated),
            ("repeated and dropped by seq", self.raw_repeats),
            ("reordered", self.reordered),
            ("misdelivered", self.misdelivered),
            ("numbers missing in inboxes", self.gaps),
            ("doubled", self.doubled),
            ("messages and events without each other", self.unmatched),
            ("messages repeated without success", self.given_up),
            ("times resync_required", self.resyncs),
            ("times no resync_required after a restore or failover", self.left_behind),
        ];
        broken.extend(
            counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")),
        );
        let may_fail: Vec<String> =
            FaultKind::ALL.iter().filter(|kind| kind.may_fail_requests()).map(FaultKind::to_string).collect();
        for (kind, summary) in &self.kinds {
            match summary.longest_delay_ms {
                None => broken.push(format!("{kind}: a socket never became current")),
                Some(delay_ms) if delay_ms > summary.limit_ms => {
                    broken.push(format!("{kind}: a socket was current only after {delay_ms} ms"));
                }
                Some(_) => {}
            }
            if !summary.failed.is_empty() && !may_fail.contains(kind) {
                broken.push(format!("{kind}: requests failed ({})", by_cause(&summary.failed)));
            }
        }
        broken
    }
}

/// Returns the sum of a number that follows from how often each client was sent `resync_required`.
fn differences(histories: &[(usize, ClientHistory)], of: impl Fn(usize) -> usize) -> u64 {
    histories.iter().map(|(_, history)| of(history.resyncs.len()) as u64).sum()
}

fn name(kind: Option<FaultKind>) -> String {
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
        let faults: u64 = self.kinds.values().map(|summary| summary.faults).sum();
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
        writeln!(f, "doubled            {} ({} had been sent when repeated)", self.doubled, self.replayed)?;
        writeln!(f, "reconnects         {} (closed: {})", self.reconnects, by_cause(&self.closes))?;
        writeln!(f, "\nfault              times  longest delay   limit  slowest response  failed requests")?;
        for (kind, summary) in &self.kinds {
            let delay = summary.longest_delay_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"));
            writeln!(
                f,
                "{kind:<18} {:>5}  {delay:>13}  {:>6}  {:>13} ms  {}",
                summary.faults,
                summary.limit_ms,
                summary.slowest_response_ms,
                by_cause(&summary.failed)
            )?;
        }
        for broken in &self.broken {
            writeln!(f, "BROKEN: {broken}")?;
        }
        Ok(())
    }
}
