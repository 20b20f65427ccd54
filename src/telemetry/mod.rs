//! Telemetry is what the service reports to its operators: [log lines](log_to_stderr) and
//! [`Metrics`], correlated by the [`RequestId`]; in a build with the feature `otlp` also
//! traces, made of [`Span`]s.
//!
//! A state that an operator can mend is a [`Degradation`]: one line when it begins, one when
//! it ends. No line, metric or trace contains a token, a password or a message.

mod degradation;
mod logs;
mod metrics;
#[cfg(not(feature = "otlp"))]
mod no_span;
mod origin;
mod request_id;
#[cfg(feature = "otlp")]
mod span;
mod trace_parent;
#[cfg(feature = "otlp")]
mod traces;

pub use degradation::Degradation;
pub use logs::{Flush, log_to_stderr};
pub use metrics::{
    BuildLabels, CloseLabels, Counts, EventLabels, GaugeGuard, LimitLabels, Metrics, ReplayLabels,
    RequestLabels, RouteLabels,
};
#[cfg(not(feature = "otlp"))]
pub use no_span::Span;
pub use origin::Origin;
pub use request_id::RequestId;
#[cfg(feature = "otlp")]
pub use span::Span;
pub use trace_parent::TraceParent;
#[cfg(feature = "otlp")]
pub use traces::{Traces, export_traces};
