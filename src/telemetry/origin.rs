//! An [`Origin`] is the request and commit that caused a payload. It is carried with the
//! payload, for logs, metrics and traces. Nothing else may depend on what it contains; that there
//! is one shows that an instance of this installation published the payload.

use std::time::{SystemTime, UNIX_EPOCH};

use super::request_id::RequestId;
use super::trace_parent::TraceParent;

/// The request that caused a payload, and the time of its commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The request, if one caused it.
    pub request_id: Option<RequestId>,
    /// The time after its COMMIT, in microseconds since 1970 by the clock of the instance
    /// that committed.
    pub committed_us: u64,
    /// The span of its publication, if it is recorded.
    pub trace_parent: Option<TraceParent>,
}

impl Origin {
    /// Returns the origin of what was committed just now.
    pub fn committed_now(request_id: Option<RequestId>, trace_parent: Option<TraceParent>) -> Self {
        Self { request_id, committed_us: now_us(), trace_parent }
    }

    /// Returns how long ago it was committed, in seconds. The clocks of two machines differ: a
    /// commit that seems to be in the future has age 0.
    pub fn age_seconds(&self) -> f64 {
        now_us().saturating_sub(self.committed_us) as f64 / 1e6
    }
}

/// Returns the present time, in microseconds since 1970; 0 if the clock is before that.
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn a_commit_in_the_future_has_age_zero() {
        let mut origin = Origin::committed_now(None, None);
        origin.committed_us += 3_600_000_000;
        assert!(origin.age_seconds().abs() < f64::EPSILON);
        origin.committed_us -= 2 * 3_600_000_000;
        assert!((3_600.0..3_660.0).contains(&origin.age_seconds()), "{}", origin.age_seconds());
    }
}
