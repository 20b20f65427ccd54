//! The report of a load run, for people and as JSON.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Half of them were shorter.
    pub p50_ms: f64,
    /// 99 of 100 were shorter.
    pub p99_ms: f64,
    /// 999 of 1000 were shorter.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl From<&Histogram<u64>> for Latency {
    fn from(histogram: &Histogram<u64>) -> Self {
        let ms = |us: u64| us as f64 / 1000.0;
        Self {
            count: histogram.len(),
            p50_ms: ms(histogram.value_at_quantile(0.5)),
            p99_ms: ms(histogram.value_at_quantile(0.99)),
            p999_ms: ms(histogram.value_at_quantile(0.999)),
            max_ms: ms(histogram.max()),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50_ms, p99_ms, p999_ms, max_ms, .. } = self;
        write!(f, "p50 {p50_ms:.1}  p99 {p99_ms:.1}  p99.9 {p999_ms:.1}  max {max_ms:.1} ms")
    }
}

/// The memory of the process that holds the idle sockets.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct IdleMemory {
    /// Sockets opened.
    pub sockets: usize,
    /// Seconds that opening them took.
    pub seconds: f64,
    /// Resident memory before, where a process was named.
    pub before_bytes: Option<u64>,
    /// Resident memory with all of them open.
    pub after_bytes: Option<u64>,
    /// The difference for each socket.
    pub bytes_per_socket: Option<f64>,
}

/// What happened to sockets that were only held.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Held {
    /// Sockets by close code; `cut` without one, `open` when still open.
    pub closes: BTreeMap<String, u64>,
    /// Seconds from the first close to the last.
    pub spread_seconds: f64,
}

/// The sending part of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Messages {
    /// Messages that were answered 201.
    pub acknowledged: u64,
    /// Of those, a second, after the warm-up.
    pub acknowledged_per_second: f64,
    /// Requests answered otherwise, by status or cause.
    pub failed: BTreeMap<String, u64>,
    /// From the intended time to the answer.
    pub post: Latency,
    /// Sockets that were to receive.
    pub sockets: usize,
    /// Deliveries of acknowledged messages that were due.
    pub expected: u64,
    /// Messages that arrived, also some that were never acknowledged.
    pub delivered: u64,
    /// From the intended time to the socket.
    pub delivery: Latency,
    /// Acknowledged messages that a socket of the receiver did not get.
    pub lost: u64,
    /// Deliveries of what the socket already had.
    pub repeated: u64,
    /// Deliveries after a later one.
    pub reordered: u64,
    /// Deliveries to the wrong person.
    pub misdelivered: u64,
    /// Sockets that the server closed during the run, by code.
    pub closed: BTreeMap<String, u64>,
    /// Growth of the measured process from before the sockets to after the run.
    pub process_growth_bytes: Option<i64>,
    /// How the sockets that never read were found at the end, by close code.
    pub stalled: BTreeMap<String, u64>,
}

/// A whole run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Idle sockets, when asked for.
    pub idle: Option<IdleMemory>,
    /// Sending, unless it took 0 seconds.
    pub messages: Option<Messages>,
    /// Held sockets, when asked for.
    pub held: Option<Held>,
}

impl Report {
    /// Whether nothing was lost, repeated, reordered or misdelivered.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.messages.as_ref().is_none_or(|it| it.lost + it.repeated + it.reordered + it.misdelivered == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(idle) = &self.idle {
            write!(f, "idle sockets       {} opened in {:.1} s", idle.sockets, idle.seconds)?;
            if let Some(bytes) = idle.bytes_per_socket {
                write!(f, ", {:.1} KB of memory each", bytes / 1000.0)?;
            }
            writeln!(f)?;
        }
        if let Some(it) = &self.messages {
            writeln!(f, "acknowledged       {} ({:.0}/s)", it.acknowledged, it.acknowledged_per_second)?;
            writeln!(f, "failed requests    {}", by_cause(&it.failed))?;
            writeln!(f, "POST latency       {}", it.post)?;
            writeln!(
                f,
                "delivered          {} of {} due, on {} sockets",
                it.delivered, it.expected, it.sockets
            )?;
            writeln!(f, "delivery latency   {}", it.delivery)?;
            writeln!(
                f,
                "lost               {}\nrepeated           {}\nreordered          {}\nmisdelivered       {}",
                it.lost, it.repeated, it.reordered, it.misdelivered
            )?;
            writeln!(f, "sockets closed     {}", by_cause(&it.closed))?;
            if !it.stalled.is_empty() {
                writeln!(f, "readers that stop  {}", by_cause(&it.stalled))?;
            }
            if let Some(bytes) = it.process_growth_bytes {
                writeln!(f, "process growth     {:.1} MiB", bytes as f64 / 1_048_576.0)?;
            }
        }
        if let Some(held) = &self.held {
            writeln!(f, "held sockets       {} within {:.1} s", by_cause(&held.closes), held.spread_seconds)?;
        }
        Ok(())
    }
}

fn by_cause(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "0".to_owned();
    }
    let parts: Vec<String> = counts.iter().map(|(cause, count)| format!("{cause}: {count}")).collect();
    parts.join(", ")
}
