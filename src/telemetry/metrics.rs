//! [`Metrics`] are the numbers that the service exposes, in Prometheus' text format.
//!
//! Labels have a bounded set of values: a route's pattern and never a path, a word and never
//! an id. Names end with their unit; a counter's sample ends with `_total`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The route of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    /// The route's pattern, never the path itself.
    pub route: String,
    /// The method; `other` for one that no route accepts.
    pub method: &'static str,
}

/// The route and the outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The route's pattern, never the path itself.
    pub route: String,
    /// The method; `other` for one that no route accepts.
    pub method: &'static str,
    /// The status code.
    pub status: u16,
}

/// The kind of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventLabels {
    /// The event's name on the wire; `announcement` for all events of other backends.
    pub r#type: &'static str,
}

/// Why a socket was closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CloseLabels {
    /// The reason as a word for programs.
    pub reason: &'static str,
}

/// The limit that rejected something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabels {
    /// Its name.
    pub limit: &'static str,
}

/// Why a feed read from its inbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReplayLabels {
    /// `resume`, `gap` or `position_check`.
    pub cause: &'static str,
}

/// The build that runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BuildLabels {
    /// The crate's version.
    pub version: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

/// A histogram for each set of labels.
type Histograms<Labels> = Family<Labels, Histogram, fn() -> Histogram>;

/// Returns a histogram with buckets from half a millisecond to sixteen seconds.
fn seconds() -> Histogram {
    Histogram::new(std::iter::successors(Some(0.0005), |bound| Some(bound * 2.0)).take(16))
}

/// Declares the metrics: a field of [`Counts`] is registered under its own name.
macro_rules! counts {
    ($($name:ident: $kind:ty = $new:expr, $help:literal;)*) => {
        /// The metrics, by name.
        #[derive(Debug)]
        pub struct Counts { $(#[doc = $help] pub $name: $kind,)* }

        impl Counts {
            fn registered(registry: &mut Registry) -> Self {
                let counts = Self { $($name: $new,)* };
                $(registry.register(stringify!($name), $help, counts.$name.clone());)*
                counts
            }
        }
    };
}

counts! {
    build_info: Family<BuildLabels, Gauge> = Family::default(), "1, with the version that runs";
    start_time_seconds: Seconds = Gauge::default(), "When the process started, in seconds since 1970";

    requests: Family<RequestLabels, Counter> = Family::default(), "HTTP requests handled";
    request_seconds: Histograms<RouteLabels> = Family::new_with_constructor(seconds), "Time from a request to its response";

    sockets: Gauge = Gauge::default(), "Open sockets";
    people_connected: Gauge = Gauge::default(), "Users with an open socket";
    sockets_opened: Counter = Counter::default(), "Sockets opened, after their first frame was sent";
    sockets_closed: Family<CloseLabels, Counter> = Family::default(), "Sockets closed";

    events_emitted: Family<EventLabels, Counter> = Family::default(), "Events committed to inboxes";
    publications: Counter = Counter::default(), "Payloads published, including one probe per second";
    publications_failed: Counter = Counter::default(), "Payloads that Redis did not accept; their events are delivered from the inbox";
    publish_seconds: Histogram = seconds(), "Time that a publication took";
    payloads_received: Counter = Counter::default(), "Payloads that arrived from Redis";
    payloads_delivered: Counter = Counter::default(), "Payloads put into the queues of subscriptions";
    queue_overflows: Counter = Counter::default(), "Subscriptions whose queue was full";
    frames_sent: Counter = Counter::default(), "Event frames sent to sockets";
    delivery_delay_seconds: Histogram = seconds(), "Time from a commit, on whichever instance, to the socket";
    repeats_dropped: Counter = Counter::default(), "Envelopes that a feed had sent already";
    gaps_read: Counter = Counter::default(), "Times that a feed found a gap and read its inbox";
    feeds_found_behind: Counter = Counter::default(), "Feeds that a position check found behind their inbox";
    events_replayed: Family<ReplayLabels, Counter> = Family::default(), "Events read from inboxes for feeds";
    resyncs: Counter = Counter::default(), "Clients that must resync because the events they missed are no longer stored";
    position_checks: Counter = Counter::default(), "Rounds of the position check";
    position_check_seconds: Histogram = seconds(), "Time that the queries of a round of the position check took";
    events_pruned: Counter = Counter::default(), "Old events deleted from inboxes";
    oldest_event_seconds: Gauge = Gauge::default(), "Age of the oldest event, in seconds, read once a minute";

    subscriptions: Gauge = Gauge::default(), "Subscriptions in this process";
    channel_layer_whole: Gauge = Gauge::default(), "1 while payloads are both published and received";
    subscriber_connected: Gauge = Gauge::default(), "1 while this process is subscribed to all of its groups";
    foreign_payloads: Counter = Counter::default(), "Payloads of other installations on the same Redis, which were ignored";
    instances_unheard: Gauge = Gauge::default(), "Other instances that live by the database and are not heard through Redis";
    subscriber_reconnections: Counter = Counter::default(), "Times that the subscriber connected to Redis";

    database_up: Gauge = Gauge::default(), "1 unless the last call found the database unavailable";
    database_connections_limit: Gauge = Gauge::default(), "The most database connections";
    database_connections_open: Gauge = Gauge::default(), "Open database connections";
    database_connections_in_use: Gauge = Gauge::default(), "Database connections in use";
    database_calls_waiting: Gauge = Gauge::default(), "Calls that wait for a database connection";

    password_hash_seconds: Histogram = seconds(), "Time that hashing one password took";
    password_hash_threads: Gauge = Gauge::default(), "The most passwords hashed at once";
    password_hashes_waiting: Gauge = Gauge::default(), "Passwords that wait to be hashed";

    limit_refusals: Family<LimitLabels, Counter> = Family::default(), "Requests, sockets and frames rejected by a limit";
    limit_questions_failed: Counter = Counter::default(), "Queries about limits that failed or timed out in Redis";

    log_lines_dropped: Counter = Counter::default(), "Log lines dropped because standard error was blocked";
}

/// The metrics of an instance. A cheap handle.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Registered>);

#[derive(Debug)]
struct Registered {
    counts: Counts,
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("numeneon");
        let counts = Counts::registered(&mut registry);
        counts.build_info.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        // A counter that exists from the start shows its first increment too.
        for cause in ["resume", "gap", "position_check"] {
            drop(counts.events_replayed.get_or_create(&ReplayLabels { cause }));
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        counts.start_time_seconds.set(since.as_secs_f64());
        Self(Arc::new(Registered { counts, registry }))
    }
}

impl std::ops::Deref for Metrics {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        &self.0.counts
    }
}

impl Metrics {
    /// Returns every metric in Prometheus' text format (OpenMetrics).
    pub fn text(&self) -> String {
        let dropped = super::logs::dropped_lines();
        self.log_lines_dropped.inner().store(dropped, std::sync::atomic::Ordering::Relaxed);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.0.registry);
        text
    }
}

/// A gauge that is higher by one until this is dropped.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    /// Raises a gauge by one.
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
