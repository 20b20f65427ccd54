//! The [`Publisher`] sends queued publications to Redis as pipelines, through one
//! connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_redis::{Config, Connection, Pool, Runtime};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::super::group::Group;
use super::super::payload::Payload;
use super::missed_flag::MissedFlag;
use super::timeouts::CONNECT_TIMEOUT;
use super::wire;
use crate::error::BoxError;
use crate::telemetry::{Degradation, Metrics};

/// Publications that may be queued. At 50,000 a second it is a fifth of a second's
/// worth; one that finds the queue full counts as not published, and its event is
/// delivered from the inbox.
const QUEUE: usize = 10_000;

/// The most publications in one pipeline.
const BATCH: usize = 512;

/// How long Redis may take for a pipeline before it counts as lost: the client library's
/// own limit for a response, which holds here for getting a connection too.
const PIPELINE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a request waits for its publication. Redis takes a millisecond; past this
/// the request goes on, and what was not published is delivered from the inbox.
const PUBLISH_TIMEOUT: Duration = Duration::from_millis(250);

/// For how long after a failure further publications fail at once. Without it each
/// would wait for its own attempt at a server that is unavailable.
const PAUSE: Duration = Duration::from_millis(200);

/// A handle to the task that publishes.
#[derive(Clone)]
pub(super) struct Publisher {
    queue: mpsc::Sender<Publication>,
    missed: MissedFlag,
    metrics: Metrics,
}

struct Publication {
    payloads: Arc<[(Group, Payload)]>,
    accepted: oneshot::Sender<bool>,
}

/// Returns the handle and the task, which ends when the last handle is dropped.
pub(super) fn start(
    url: &SecretString,
    missed: MissedFlag,
    metrics: Metrics,
) -> Result<(Publisher, impl Future<Output = ()> + Send + 'static), BoxError> {
    let mut config = Config::from_url(url.expose_secret());
    config.pool = Some(deadpool_redis::PoolConfig {
        max_size: 1,
        timeouts: deadpool_redis::Timeouts {
            wait: Some(CONNECT_TIMEOUT),
            create: Some(CONNECT_TIMEOUT),
            recycle: Some(CONNECT_TIMEOUT),
        },
        ..Default::default()
    });
    let pool = config.create_pool(Some(Runtime::Tokio1))?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    Ok((Publisher { queue: sender, missed: missed.clone(), metrics }, run(receiver, pool, missed)))
}

impl Publisher {
    /// Queues the payloads. Returns whether Redis has accepted all of them, at most
    /// [`PUBLISH_TIMEOUT`] later.
    pub(super) fn publish(
        &self,
        payloads: Arc<[(Group, Payload)]>,
    ) -> impl Future<Output = bool> + Send + use<> {
        let started = Instant::now();
        let count = payloads.len() as u64;
        let (accepted, outcome) = oneshot::channel();
        let is_queued = self.queue.try_send(Publication { payloads, accepted }).is_ok();
        if !is_queued {
            self.missed.set();
        }
        let metrics = self.metrics.clone();
        async move {
            let accepted = is_queued && matches!(timeout(PUBLISH_TIMEOUT, outcome).await, Ok(Ok(true)));
            metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
            let counter = if accepted { &metrics.publications } else { &metrics.publications_failed };
            counter.inc_by(count);
            accepted
        }
    }
}

async fn run(mut queue: mpsc::Receiver<Publication>, pool: Pool, missed: MissedFlag) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut connection = None;
    let mut paused_until = Instant::now();
    let outage = Degradation::default();
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let accepted = if Instant::now() < paused_until {
            false
        } else {
            let result = match timeout(PIPELINE_TIMEOUT, send(&pool, &mut connection, &batch)).await {
                Ok(result) => result,
                Err(elapsed) => Err(elapsed.into()),
            };
            log(&outage, &result);
            result.is_ok()
        };
        if !accepted {
            // A connection with a response outstanding would deliver it to the next
            // pipeline.
            if let Some(connection) = connection.take() {
                drop(Connection::take(connection));
            }
            if Instant::now() >= paused_until {
                paused_until = Instant::now() + PAUSE;
            }
            missed.set();
        }
        for publication in batch.drain(..) {
            // The request may have stopped waiting.
            let _ = publication.accepted.send(accepted);
        }
    }
}

/// Logs the beginning and the end of an outage.
fn log(outage: &Degradation, result: &Result<(), BoxError>) {
    match result {
        Ok(()) => {
            if outage.end() {
                tracing::info!("publishing through Redis again");
            }
        }
        Err(cause) if outage.begin() => {
            tracing::warn!(
                cause = %cause,
                "publishing through Redis failed; events reach other instances late"
            );
        }
        Err(cause) => tracing::debug!(cause = %cause, "publishing through Redis failed again"),
    }
}

async fn send(
    pool: &Pool,
    connection: &mut Option<Connection>,
    batch: &[Publication],
) -> Result<(), BoxError> {
    let connection = match connection {
        Some(connection) => connection,
        empty => empty.insert(pool.get().await?),
    };
    let mut pipeline = redis::pipe();
    for (group, payload) in batch.iter().flat_map(|publication| publication.payloads.iter()) {
        pipeline.publish(group.name(), &wire::encode(payload)[..]).ignore();
    }
    Ok(pipeline.query_async(connection).await?)
}
