//! Log lines go to standard error: JSON for programs, text for a terminal.
//!
//! Logging never blocks: lines go through a bounded queue to a thread of their own. While
//! standard error blocks and the queue is full, lines are dropped and counted.

use std::fmt::{self, Write};
use std::io::{self, BufWriter};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::request_id::RequestId;
use crate::settings::Telemetry;
use crate::timestamp::Timestamp;

/// The most lines that are queued: some seconds' worth of a busy instance, and about 10 MB.
/// When the queue is full, further lines are dropped.
const MAX_QUEUED_LINES: usize = 32_768;

/// The bytes that are written at once, if as many are queued.
const BURST_BYTES: usize = 64 * 1024;

/// The time between two bursts of lines: nobody who reads a log notices it.
const BURST_PAUSE: Duration = Duration::from_millis(20);

/// How many lines were dropped. It belongs to the process, as standard error does.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Writes lines in bursts: those that were queued since the burst before, by one system call.
///
/// The thread of the log flushes when its queue is empty, and then waits for the next line. It
/// would be woken for each line of a busy instance, which costs as much as a tenth of a message;
/// while it pauses, lines queue without waking it.
struct Bursts<W: io::Write>(BufWriter<W>);

impl<W: io::Write> io::Write for Bursts<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        std::thread::park_timeout(BURST_PAUSE);
        Ok(())
    }
}

/// Writes the queued lines when it is dropped, for a second at most.
#[must_use = "the last lines are lost without it"]
pub struct Flush(#[expect(dead_code, reason = "held for what dropping it does")] WorkerGuard);

/// Sends log lines to standard error from now on. A second call changes nothing.
pub fn log_to_stderr(settings: &Telemetry) -> Flush {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_QUEUED_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(Bursts(BufWriter::with_capacity(BURST_BYTES, std::io::stderr())));
    let dropped = writer.error_counter();
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Lines { json: settings.log_json })
        .with_writer(writer)
        .with_ansi(!settings.log_json && settings.on_a_terminal)
        .with_filter(settings.log_filter());
    // Fails only if there is a subscriber already, as in tests.
    if tracing_subscriber::registry().with(lines).try_init().is_ok() {
        let _ = DROPPED.set(dropped);
    }
    Flush(guard)
}

/// Returns how many lines were dropped so far.
pub(super) fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |dropped| dropped.dropped_lines() as u64)
}

/// The format of a line. Lines logged while serving a request have its `request.id`.
struct Lines {
    json: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.json {
            return writeln!(writer, "{}", Value::Object(object(event)));
        }
        let (level, target) = (event.metadata().level(), event.metadata().target());
        if writer.has_ansi_escapes() {
            let colour = match *level {
                tracing::Level::ERROR => 31,
                tracing::Level::WARN => 33,
                tracing::Level::INFO => 32,
                _ => 34,
            };
            write!(writer, "\x1b[2m{}\x1b[0m \x1b[{colour}m{level:>5}\x1b[0m ", Timestamp::now())?;
            write!(writer, "\x1b[2m{target}:\x1b[0m ")?;
        } else {
            write!(writer, "{} {level:>5} {target}: ", Timestamp::now())?;
        }
        context.field_format().format_fields(writer.by_ref(), event)?;
        if let Some(id) = RequestId::current() {
            write!(writer, " request.id={id}")?;
        }
        writeln!(writer)
    }
}

/// Returns a line as one flat object: timestamp, level, target, request id, and the fields,
/// of which the message is one.
fn object(event: &Event<'_>) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("timestamp".into(), Timestamp::now().to_string().into());
    line.insert("level".into(), event.metadata().level().as_str().into());
    line.insert("target".into(), event.metadata().target().into());
    if let Some(id) = RequestId::current() {
        line.insert("request.id".into(), id.as_str().into());
    }
    event.record(&mut Fields(&mut line));
    line
}

/// Inserts the fields of a line into an object.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(text, "{value:?}");
        self.insert(field, text);
    }
}
