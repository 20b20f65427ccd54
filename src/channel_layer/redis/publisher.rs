//! The [`Publisher`] sends what waits as one pipeline, through one connection.

use std::time::{Duration, Instant};

use deadpool_redis::{Config, Connection, Pool, Runtime};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::super::{Group, Payload};
use super::missed_flag::MissedFlag;
use super::wire;
use crate::error::BoxError;
use crate::telemetry::Metrics;

/// Publications that may wait. At 50,000 a second it is a fifth of a second's
/// worth; one that finds it full counts as not taken, and the inbox heals it.
const QUEUE: usize = 10_000;

/// Publications in one pipeline at most.
const BATCH: usize = 512;

/// How long Redis may take for a pipeline before it counts as lost: the client library's
/// own limit for an answer, kept here for the rest of the way too.
const PIPELINE_LIMIT: Duration = Duration::from_millis(500);

/// How long a request waits for its publication. Redis takes a millisecond; past
/// this the request is answered, and the inbox heals what was not published.
const PUBLISH_LIMIT: Duration = Duration::from_millis(250);

/// After a failure, for how long further publications fail at once. Without it each
/// would wait for its own attempt at a server that is away.
const PAUSE: Duration = Duration::from_millis(200);

/// A handle on the task that publishes.
#[derive(Clone)]
pub(super) struct Publisher {
    queue: mpsc::Sender<Publication>,
    missed: MissedFlag,
    metrics: Metrics,
}

struct Publication {
    payloads: Vec<(Group, Payload)>,
    taken: oneshot::Sender<bool>,
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
            wait: Some(super::CONNECT_LIMIT),
            create: Some(super::CONNECT_LIMIT),
            recycle: Some(super::CONNECT_LIMIT),
        },
        ..Default::default()
    });
    let pool = config.create_pool(Some(Runtime::Tokio1))?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    Ok((Publisher { queue: sender, missed: missed.clone(), metrics }, run(receiver, pool, missed)))
}

impl Publisher {
    /// Returns whether Redis has taken all of the payloads, at most
    /// [`PUBLISH_LIMIT`] later.
    pub(super) async fn publish(&self, payloads: &[(Group, Payload)]) -> bool {
        let started = Instant::now();
        let (taken, answer) = oneshot::channel();
        let publication = Publication { payloads: payloads.to_vec(), taken };
        let taken = match self.queue.try_send(publication) {
            Ok(()) => matches!(timeout(PUBLISH_LIMIT, answer).await, Ok(Ok(true))),
            Err(_full) => {
                self.missed.set();
                false
            }
        };
        self.metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
        let counter = if taken { &self.metrics.publications } else { &self.metrics.publications_failed };
        counter.inc_by(payloads.len() as u64);
        taken
    }
}

async fn run(mut queue: mpsc::Receiver<Publication>, pool: Pool, missed: MissedFlag) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut connection = None;
    let mut paused_until = Instant::now();
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let taken = if Instant::now() < paused_until {
            false
        } else {
            match timeout(PIPELINE_LIMIT, send(&pool, &mut connection, &batch)).await {
                Ok(Ok(())) => true,
                Ok(Err(error)) => failed(&error),
                Err(elapsed) => failed(&elapsed.into()),
            }
        };
        if !taken {
            // A connection with an answer still to come would give it to the next
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
            // Whoever waited may have stopped waiting.
            let _ = publication.taken.send(taken);
        }
    }
}

fn failed(cause: &BoxError) -> bool {
    tracing::debug!(cause = %cause, "publishing failed; the inbox heals it");
    false
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
    for (group, payload) in batch.iter().flat_map(|publication| &publication.payloads) {
        pipeline.publish(group.name(), &wire::encode(payload)[..]).ignore();
    }
    Ok(pipeline.query_async(connection).await?)
}
