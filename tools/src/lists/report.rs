//! What was measured, as Markdown and as JSON.

use serde::Serialize;
use std::fmt;

/// The latencies of one route.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was requested.
    pub route: &'static str,
    /// Median, in milliseconds; failed requests are included here and below.
    pub p50_ms: f64,
    /// 99th percentile, in milliseconds.
    pub p99_ms: f64,
    /// The longest, in milliseconds.
    pub max_ms: f64,
    /// What the 99th percentile should be at most, in milliseconds.
    pub goal_p99_ms: f64,
    /// Mean size of a response's body.
    pub mean_bytes: u64,
    /// Requests that were counted.
    pub requests: u64,
    /// Those of them that did not get a 200.
    pub failed: u64,
}

/// The latencies of all routes.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// People in the database.
    pub people: u64,
    /// Messages in the database.
    pub messages: u64,
    /// A row for each route.
    pub rows: Vec<Row>,
}

impl Report {
    /// Returns whether no request failed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.rows.iter().all(|row| row.failed == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} people, {} messages:\n", self.people, self.messages)?;
        writeln!(f, "| route | p50 ms | p99 ms | max ms | goal p99 ms | met | bytes | failed |")?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
        for row in &self.rows {
            let Row { route, p50_ms, p99_ms, max_ms, goal_p99_ms, mean_bytes, requests, failed } = row;
            let met = if p99_ms <= goal_p99_ms { "yes" } else { "no" };
            writeln!(
                f,
                "| {route} | {p50_ms:.1} | {p99_ms:.1} | {max_ms:.1} | {goal_p99_ms:.0} | {met} | {mean_bytes} | {failed} of {requests} |"
            )?;
        }
        Ok(())
    }
}
