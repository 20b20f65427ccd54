//! A [`Lane`] sends queued publications to Redis as pipelines, through a connection of its own.
//!
//! A pipeline is bounded in bytes, so that each is accepted in its time however much is published.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_redis::{Config, Connection, Pool, Runtime};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::super::group::Group;
use super::super::payload::Payload;
use super::cause::cause;
use super::missed_flag::MissedFlag;
use super::role;
use super::timeouts::CONNECT_TIMEOUT;
use super::wire;
use crate::db::Installation;
use crate::error::BoxError;
use crate::telemetry::Degradation;

/// Publications that may be queued. At 50,000 a second it is a fifth of a second's
/// worth; one that finds the queue full counts as not published, and its event is
/// delivered from the inbox.
const QUEUE: usize = 10_000;

/// The bytes that may be queued, 64 MiB: four of the largest announcements. One that finds the
/// queue empty is accepted whatever its size.
const MAX_QUEUED_BYTES: usize = 64 << 20;

/// The most publications that are taken from the queue at once.
const BATCH: usize = 512;

/// The bytes after which a pipeline is sent, 1 MiB: a hundredth of a second of a network of
/// 1 Gbit/s, and far less than a pipeline may take.
const PIPELINE_BYTES: usize = 1 << 20;

/// How long Redis may take for a pipeline before it counts as lost: the client library's
/// own limit for a response, which holds here for getting a connection too.
const PIPELINE_TIMEOUT: Duration = Duration::from_millis(500);

/// For how long after a failure further publications fail at once. Without it each
/// would wait for its own attempt at a server that is unavailable.
const PAUSE: Duration = Duration::from_millis(200);

/// How often it is checked that the server is still a master, before a pipeline. A heartbeat
/// each second has it checked when nothing else is published.
const ROLE_PERIOD: Duration = Duration::from_secs(1);

/// What the lanes of a process have in common. A cheap handle.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) installation: Installation,
    pub(super) missed: MissedFlag,
    /// Counts the times at which every connection is to be replaced.
    pub(super) reconnections: Arc<AtomicU64>,
}

/// A handle to the task of a lane.
#[derive(Clone)]
pub(super) struct Lane {
    queue: mpsc::Sender<Publication>,
    queued_bytes: Arc<AtomicUsize>,
    outage: Arc<Degradation>,
}

struct Publication {
    payloads: Arc<[(Group, Payload)]>,
    bytes: usize,
    accepted: oneshot::Sender<bool>,
}

/// The lane of a publication. Publications of one lane keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Urgency {
    /// What sockets wait for: one payload for each group, mostly.
    Prompt,
    /// An announcement, to many groups.
    Bulk,
}

impl Lane {
    /// Returns the handle and the task, which ends when the last handle is dropped.
    pub(super) fn start(
        url: &SecretString,
        urgency: Urgency,
        common: Common,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), BoxError> {
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
        let lane = Self { queue: sender, queued_bytes: Arc::default(), outage: Arc::default() };
        let sending = Sending {
            pool,
            connection: None,
            paused_until: Instant::now(),
            queued_bytes: lane.queued_bytes.clone(),
            outage: lane.outage.clone(),
            urgency,
            common,
        };
        Ok((lane, sending.run(receiver)))
    }

    /// Queues the payloads. Returns what receives whether Redis has accepted all of them; nothing
    /// if the queue is full.
    pub(super) fn queue(&self, payloads: Arc<[(Group, Payload)]>) -> Option<oneshot::Receiver<bool>> {
        let bytes = payloads.iter().map(|(_, payload)| payload.bytes.len()).sum();
        let before = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let (accepted, outcome) = oneshot::channel();
        let fits = before == 0 || before + bytes <= MAX_QUEUED_BYTES;
        if fits && self.queue.try_send(Publication { payloads, bytes, accepted }).is_ok() {
            return Some(outcome);
        }
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        None
    }

    /// Returns whether nothing is queued.
    pub(super) fn is_idle(&self) -> bool {
        self.queued_bytes.load(Ordering::Relaxed) == 0
    }

    /// Returns why publications fail, if they do.
    pub(super) fn cause(&self) -> Option<String> {
        self.outage.cause()
    }
}

/// The task of a lane.
struct Sending {
    pool: Pool,
    connection: Option<Checked>,
    paused_until: Instant,
    queued_bytes: Arc<AtomicUsize>,
    outage: Arc<Degradation>,
    urgency: Urgency,
    common: Common,
}

/// A connection to a server that was a master.
struct Checked {
    connection: Connection,
    checked_at: Instant,
    /// The value of [`Common::reconnections`] when it was opened.
    reconnections: u64,
}

/// Commands that are sent in one go, and the publications that end with them.
struct Pipeline {
    commands: redis::Pipeline,
    bytes: usize,
    /// Each with its bytes, and whether its earlier payloads were accepted.
    ending: Vec<(oneshot::Sender<bool>, usize, bool)>,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self { commands: redis::pipe(), bytes: 0, ending: Vec::new() }
    }
}

impl Sending {
    async fn run(mut self, mut queue: mpsc::Receiver<Publication>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            let mut pipeline = Pipeline::default();
            for Publication { payloads, bytes, accepted } in batch.drain(..) {
                let mut is_accepted = true;
                for (group, payload) in payloads.iter() {
                    if pipeline.bytes >= PIPELINE_BYTES {
                        is_accepted &= self.send(std::mem::take(&mut pipeline)).await;
                    }
                    pipeline.add(group, payload, &self.common.installation);
                }
                pipeline.ending.push((accepted, bytes, is_accepted));
            }
            self.send(pipeline).await;
        }
    }

    /// Sends a pipeline. Returns whether Redis has accepted it.
    async fn send(&mut self, Pipeline { commands, ending, .. }: Pipeline) -> bool {
        let is_accepted = Instant::now() >= self.paused_until && {
            let result = match timeout(PIPELINE_TIMEOUT, self.attempt(&commands)).await {
                Ok(result) => result,
                Err(elapsed) => Err(elapsed.into()),
            };
            self.log(&result);
            result.is_ok()
        };
        if !is_accepted {
            self.disconnect();
            if Instant::now() >= self.paused_until {
                self.paused_until = Instant::now() + PAUSE;
            }
            self.common.missed.set();
        }
        for (accepted, bytes, earlier) in ending {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            // The request may have stopped waiting.
            let _ = accepted.send(earlier && is_accepted);
        }
        is_accepted
    }

    async fn attempt(&mut self, commands: &redis::Pipeline) -> Result<(), BoxError> {
        let reconnections = self.common.reconnections.load(Ordering::Relaxed);
        if self.connection.as_ref().is_some_and(|it| it.reconnections != reconnections) {
            self.disconnect();
            // What it took last may have reached nobody.
            self.common.missed.set();
        }
        let connection = match &mut self.connection {
            Some(connection) => connection,
            empty => {
                let mut connection = self.pool.get().await?;
                role::require_master(&mut connection).await?;
                empty.insert(Checked { connection, checked_at: Instant::now(), reconnections })
            }
        };
        if connection.checked_at.elapsed() >= ROLE_PERIOD {
            role::require_master(&mut connection.connection).await?;
            connection.checked_at = Instant::now();
        }
        commands.query_async(&mut connection.connection).await.map_err(cause)
    }

    /// Closes the connection: one with a response outstanding would deliver it to the next
    /// pipeline.
    fn disconnect(&mut self) {
        if let Some(Checked { connection, .. }) = self.connection.take() {
            drop(Connection::take(connection));
        }
    }

    /// Logs the beginning and the end of an outage, and each of its causes.
    fn log(&self, result: &Result<(), BoxError>) {
        match (result, self.urgency) {
            (Err(cause), _) if !self.outage.begin(cause) => {
                tracing::debug!(cause = %cause, "publishing through Redis failed again");
            }
            (Err(cause), Urgency::Prompt) => tracing::warn!(
                cause = %cause,
                "publishing through Redis failed; events reach other instances late"
            ),
            (Err(cause), Urgency::Bulk) => tracing::warn!(
                cause = %cause,
                "publishing announcements through Redis failed; they reach other instances late"
            ),
            (Ok(()), _) if !self.outage.end() => {}
            (Ok(()), Urgency::Prompt) => tracing::info!("publishing through Redis again"),
            (Ok(()), Urgency::Bulk) => tracing::info!("publishing announcements through Redis again"),
        }
    }
}

impl Pipeline {
    fn add(&mut self, group: &Group, payload: &Payload, installation: &Installation) {
        let bytes = wire::encode(payload, installation.mark());
        self.bytes += bytes.len();
        self.commands.publish(&*installation.channel(group.name()), &bytes[..]).ignore();
    }
}
