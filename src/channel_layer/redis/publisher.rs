//! The [`Publisher`] queues publications for Redis, in one of two lanes: an announcement of
//! megabytes to a thousand users delays no message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::group::Group;
use super::super::payload::Payload;
use super::lane::{Common, Lane, Urgency};
use super::missed_flag::MissedFlag;
use crate::error::BoxError;
use crate::telemetry::Metrics;

/// How long a request waits for its publication. Redis takes a millisecond; past this
/// the request goes on, and what was not published is delivered from the inbox.
const PUBLISH_TIMEOUT: Duration = Duration::from_millis(250);

/// A handle to the tasks that publish.
#[derive(Clone)]
pub(super) struct Publisher {
    prompt: Lane,
    bulk: Lane,
    missed: MissedFlag,
    metrics: Metrics,
}

impl Publisher {
    /// Starts a task for each lane.
    pub(super) fn start(
        url: &SecretString,
        common: Common,
        metrics: Metrics,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, BoxError> {
        let missed = common.missed.clone();
        let (prompt, sending_prompt) = Lane::start(url, Urgency::Prompt, common.clone())?;
        let (bulk, sending_bulk) = Lane::start(url, Urgency::Bulk, common)?;
        tasks.spawn(sending_prompt);
        tasks.spawn(sending_bulk);
        Ok(Self { prompt, bulk, missed, metrics })
    }

    /// Queues the payloads. Returns whether Redis has accepted all of them, at most
    /// [`PUBLISH_TIMEOUT`] later.
    pub(super) fn publish(
        &self,
        payloads: Arc<[(Group, Payload)]>,
        urgency: Urgency,
    ) -> impl Future<Output = bool> + Send + use<> {
        let started = Instant::now();
        let count = payloads.len() as u64;
        let lane = if urgency == Urgency::Bulk { &self.bulk } else { &self.prompt };
        let outcome = lane.queue(payloads);
        if outcome.is_none() {
            self.missed.set();
        }
        let metrics = self.metrics.clone();
        async move {
            let accepted = match outcome {
                Some(outcome) => matches!(timeout(PUBLISH_TIMEOUT, outcome).await, Ok(Ok(true))),
                None => false,
            };
            metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
            let counter = if accepted { &metrics.publications } else { &metrics.publications_failed };
            counter.inc_by(count);
            accepted
        }
    }

    /// Returns whether Redis has accepted everything that was queued.
    pub(super) fn is_idle(&self) -> bool {
        self.prompt.is_idle() && self.bulk.is_idle()
    }

    /// Returns why events are not published, if they are not.
    pub(super) fn cause(&self) -> Option<String> {
        self.prompt.cause()
    }
}
