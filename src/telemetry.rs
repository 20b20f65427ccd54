//! Telemetry: what the service tells its operators, as log lines and as metrics.
//!
//! Neither ever holds a token, a password or a message.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

/// Sends log lines to standard error from now on. A second call changes nothing.
pub fn log_to_stderr(settings: &Settings) {
    let filter = EnvFilter::new(&settings.log);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Fails only if a subscriber is there already, as in tests.
    let _ = if settings.log_json { lines.json().try_init() } else { lines.try_init() };
}

/// The route and the outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The route's pattern, never the path itself.
    pub route: String,
    /// The status code.
    pub status: u16,
}

/// Why a socket was closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CloseLabels {
    /// A word for programs.
    pub reason: &'static str,
}

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabels {
    /// Its name.
    pub limit: &'static str,
}

/// What the service counts. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Counts>);

/// The numbers themselves.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is described where it is registered, below")]
pub struct Counts {
    pub requests: Family<RequestLabels, Counter>,
    pub request_seconds: Histogram,
    pub events_committed: Counter,
    pub publications: Counter,
    pub publications_failed: Counter,
    pub publish_seconds: Histogram,
    pub subscriptions: Gauge,
    pub subscriber_connected: Gauge,
    pub subscriber_reconnections: Counter,
    pub payloads_received: Counter,
    pub queue_overflows: Counter,
    pub sockets: Gauge,
    pub sockets_closed: Family<CloseLabels, Counter>,
    pub frames_sent: Counter,
    pub repeats_dropped: Counter,
    pub gaps_read: Counter,
    pub events_replayed: Counter,
    pub position_checks: Counter,
    pub position_check_seconds: Histogram,
    pub feeds_found_behind: Counter,
    pub events_pruned: Counter,
    pub limit_refusals: Family<LimitLabels, Counter>,
    pub limit_questions_failed: Counter,
    pub database_connections: Gauge<f64, AtomicU64>,
}

impl Default for Counts {
    fn default() -> Self {
        // From half a millisecond to sixteen seconds.
        let seconds =
            || Histogram::new(std::iter::successors(Some(0.0005), |bound| Some(bound * 2.0)).take(16));
        Self {
            requests: Family::default(),
            request_seconds: seconds(),
            events_committed: Counter::default(),
            publications: Counter::default(),
            publications_failed: Counter::default(),
            publish_seconds: seconds(),
            subscriptions: Gauge::default(),
            subscriber_connected: Gauge::default(),
            subscriber_reconnections: Counter::default(),
            payloads_received: Counter::default(),
            queue_overflows: Counter::default(),
            sockets: Gauge::default(),
            sockets_closed: Family::default(),
            frames_sent: Counter::default(),
            repeats_dropped: Counter::default(),
            gaps_read: Counter::default(),
            events_replayed: Counter::default(),
            position_checks: Counter::default(),
            position_check_seconds: seconds(),
            feeds_found_behind: Counter::default(),
            events_pruned: Counter::default(),
            limit_refusals: Family::default(),
            limit_questions_failed: Counter::default(),
            database_connections: Gauge::default(),
        }
    }
}

impl std::ops::Deref for Metrics {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        &self.0
    }
}

impl Metrics {
    /// Returns every number in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut registry = Registry::with_prefix("numeneon");
        let r = &mut registry;
        r.register("requests", "Requests answered, by route and status", self.requests.clone());
        r.register("request_seconds", "Time from a request to its answer", self.request_seconds.clone());
        r.register("events_committed", "Events kept in inboxes", self.events_committed.clone());
        r.register("publications", "Payloads published to groups", self.publications.clone());
        r.register(
            "publications_failed",
            "Payloads that Redis did not take; healed from the inbox",
            self.publications_failed.clone(),
        );
        r.register("publish_seconds", "Time that a publication took", self.publish_seconds.clone());
        r.register("subscriptions", "Subscriptions in this process", self.subscriptions.clone());
        r.register(
            "subscriber_connected",
            "1 while the channel layer hears what is published",
            self.subscriber_connected.clone(),
        );
        r.register(
            "subscriber_reconnections",
            "Times that the connection to Redis was made anew",
            self.subscriber_reconnections.clone(),
        );
        r.register(
            "payloads_received",
            "Payloads delivered to this process's groups",
            self.payloads_received.clone(),
        );
        r.register("queue_overflows", "Subscriptions whose queue was full", self.queue_overflows.clone());
        r.register("sockets", "Open sockets", self.sockets.clone());
        r.register("sockets_closed", "Sockets closed, by reason", self.sockets_closed.clone());
        r.register("frames_sent", "Event frames sent to sockets", self.frames_sent.clone());
        r.register("repeats_dropped", "Envelopes that a feed had sent already", self.repeats_dropped.clone());
        r.register(
            "gaps_read",
            "Times that a feed read missing events from its inbox",
            self.gaps_read.clone(),
        );
        r.register("events_replayed", "Events read from inboxes for feeds", self.events_replayed.clone());
        r.register("position_checks", "Rounds of the position check", self.position_checks.clone());
        r.register(
            "position_check_seconds",
            "Time that the queries of a round took",
            self.position_check_seconds.clone(),
        );
        r.register(
            "feeds_found_behind",
            "Feeds that a position check found behind",
            self.feeds_found_behind.clone(),
        );
        r.register("events_pruned", "Old events deleted from inboxes", self.events_pruned.clone());
        r.register("limit_refusals", "Refusals, by limit", self.limit_refusals.clone());
        r.register(
            "limit_questions_failed",
            "Questions about limits that Redis did not answer",
            self.limit_questions_failed.clone(),
        );
        r.register(
            "database_connections",
            "Share of the pool that is in use",
            self.database_connections.clone(),
        );
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }
}
