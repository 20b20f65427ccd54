//! The report of a load run, as text and as JSON.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The distribution of a latency, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    /// The number of measurements.
    pub count: u64,
    /// The median.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The 99.9th percentile.
    pub p999_ms: f64,
    /// The maximum.
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

/// The memory of the process with the idle sockets.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct IdleMemory {
    /// Sockets opened.
    pub sockets: usize,
    /// How long opening them took, in seconds.
    pub seconds: f64,
    /// Sockets opened in a second, with 64 handshakes at once.
    pub connects_per_second: f64,
    /// The processor time that opening one took the process, in microseconds, if one was given.
    pub processor_us_per_connect: Option<f64>,
    /// Resident memory (PSS) before, if a process was given.
    pub before_bytes: Option<u64>,
    /// Resident memory (PSS) with all of them open.
    pub after_bytes: Option<u64>,
    /// The growth divided by the number of sockets.
    pub bytes_per_socket: Option<f64>,
    /// The growth with the second half of the sockets, divided by their number: without what the
    /// process needs for the first ones only.
    pub bytes_per_further_socket: Option<f64>,
}

/// How the idle sockets ended while they were held.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Held {
    /// Sockets by close code; `cut` if there was none, `open` if still open.
    pub closes: BTreeMap<String, u64>,
    /// Seconds from the first close to the last.
    pub spread_seconds: f64,
    /// The processor time that the process used, in microseconds for each socket and second.
    pub processor_us_per_socket_second: Option<f64>,
}

/// The sending step of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Messages {
    /// Messages whose response was 201.
    pub acknowledged: u64,
    /// The rate of these after the warm-up.
    pub acknowledged_per_second: f64,
    /// Requests with another outcome, by status or cause.
    pub failed: BTreeMap<String, u64>,
    /// Time from when a message was due until its response. Failed requests count with the
    /// longest, [`RESPONSE_TIMEOUT`](super::senders::RESPONSE_TIMEOUT).
    pub post: Latency,
    /// Sockets that should receive messages.
    pub sockets: usize,
    /// Expected deliveries of acknowledged messages.
    pub expected: u64,
    /// Messages that arrived, including any that were not acknowledged.
    pub delivered: u64,
    /// The rate of these while messages were sent.
    pub delivered_per_second: f64,
    /// The processor time that the process used meanwhile, in microseconds for each of these.
    pub processor_us_per_delivery: Option<f64>,
    /// Time from when a message was due until it arrived on a socket.
    pub delivery: Latency,
    /// Acknowledged messages that a socket of the receiver did not get.
    pub lost: u64,
    /// Deliveries of a message that the socket already had.
    pub repeated: u64,
    /// Deliveries after a later one.
    pub reordered: u64,
    /// Deliveries to another person.
    pub misdelivered: u64,
    /// Sockets that the server closed during the run, by code.
    pub closed: BTreeMap<String, u64>,
    /// Growth of the measured process from before the sockets to after the run.
    pub process_growth_bytes: Option<i64>,
    /// The sockets that never read, by close code.
    pub stalled: BTreeMap<String, u64>,
}

/// The report of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The idle sockets, if any were requested.
    pub idle: Option<IdleMemory>,
    /// The sending, unless its duration was 0.
    pub messages: Option<Messages>,
    /// The held sockets, if any were requested.
    pub held: Option<Held>,
}

impl Report {
    /// Whether every request succeeded, and nothing was lost, repeated, reordered or
    /// misdelivered. A run that sent nothing although it should have is not clean.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.messages.as_ref().is_none_or(|it| {
            it.acknowledged > 0
                && it.failed.is_empty()
                && it.lost + it.repeated + it.reordered + it.misdelivered == 0
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(idle) = &self.idle {
            write!(f, "idle sockets       {} opened in {:.1} s", idle.sockets, idle.seconds)?;
            writeln!(f, " ({:.0}/s)", idle.connects_per_second)?;
            if let Some(us) = idle.processor_us_per_connect {
                writeln!(f, "processor time     {us:.0} µs for each connect")?;
            }
            if let (Some(bytes), Some(further)) = (idle.bytes_per_socket, idle.bytes_per_further_socket) {
                writeln!(f, "memory             {bytes:.0} bytes for each, {further:.0} in the second half")?;
            }
        }
        if let Some(it) = &self.messages {
            writeln!(f, "acknowledged       {} ({:.0}/s)", it.acknowledged, it.acknowledged_per_second)?;
            writeln!(f, "failed requests    {}", by_cause(&it.failed))?;
            writeln!(f, "POST latency       {}", it.post)?;
            writeln!(
                f,
                "delivered          {} ({:.0}/s) of {} expected, on {} sockets",
                it.delivered, it.delivered_per_second, it.expected, it.sockets
            )?;
            if let Some(us) = it.processor_us_per_delivery {
                writeln!(f, "processor time     {us:.1} µs for each delivery")?;
            }
            writeln!(f, "delivery latency   {}", it.delivery)?;
            writeln!(
                f,
                "lost               {}\nrepeated           {}\nreordered          {}\nmisdelivered       {}",
                it.lost, it.repeated, it.reordered, it.misdelivered
            )?;
            writeln!(f, "sockets closed     {}", by_cause(&it.closed))?;
            if !it.stalled.is_empty() {
                writeln!(f, "stalled sockets    {}", by_cause(&it.stalled))?;
            }
            if let Some(bytes) = it.process_growth_bytes {
                writeln!(f, "process growth     {:.1} MiB", bytes as f64 / 1_048_576.0)?;
            }
        }
        if let Some(held) = &self.held {
            writeln!(f, "held sockets       {} within {:.1} s", by_cause(&held.closes), held.spread_seconds)?;
            if let Some(us) = held.processor_us_per_socket_second {
                writeln!(f, "processor time     {us:.2} µs a second for each held socket")?;
            }
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
