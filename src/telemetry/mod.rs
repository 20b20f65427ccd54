//! Telemetry is what the service tells its operators: [log lines](log_to_stderr) and
//! [`Metrics`], held together by the [`RequestId`].
//!
//! None of it ever holds a token, a password or a message.

mod logs;
mod metrics;
mod origin;
mod request_id;

pub use logs::{Flush, log_to_stderr};
pub use metrics::{
    BuildLabels, CloseLabels, Counts, EventLabels, LimitLabels, Metrics, Raised, ReplayLabels, RequestLabels,
    RouteLabels,
};
pub use origin::Origin;
pub use request_id::RequestId;
