//! The [`Probe`] is a heartbeat that each process publishes to one group, by the very
//! path that events take, and that all processes receive.
//!
//! A process that does not receive its own heartbeat is unresponsive to events, however
//! healthy its connection looks, and connects again. A process whose heartbeats others no
//! longer receive may have died between a commit and its publication, and a process that
//! failed to publish says so in its next heartbeat; both make every process compare
//! positions. A process that stops as planned has published everything, and says so last.
//!
//! Processes of the version before publish heartbeats without a mark. They are taken for this
//! installation's: at worst positions are compared once too often.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::super::group::Group;
use super::foreign::Foreign;
use super::lane::Urgency;
use super::missed_flag::MissedFlag;
use super::neighbours::Neighbours;
use super::publisher::Publisher;
use super::timeouts::SILENCE_TIMEOUT;
use crate::db::Installation;

/// The Redis channel of the probes.
pub(super) const CHANNEL: &str = "numeneon_probe";

/// How often a process publishes a heartbeat.
const PERIOD: Duration = Duration::from_secs(1);

/// The cause of a subscription on which nothing arrives.
pub(super) const UNRESPONSIVE: &str = "subscription unresponsive: probes are published but not received";

/// What a probe publishes.
#[derive(Serialize, Deserialize)]
struct Heartbeat {
    instance: String,
    /// Whether the instance may have failed to publish a payload.
    missed: bool,
    /// The mark of its installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<String>,
    /// Whether it stops as planned, and this is its last heartbeat.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    leaving: bool,
}

/// The heartbeats of this process and those that it receives.
pub(super) struct Probe {
    instance: String,
    installation: Installation,
    /// While held: no await, and no other lock is taken.
    state: Mutex<State>,
    missed: MissedFlag,
    neighbours: Arc<Neighbours>,
    foreign: Arc<Foreign>,
    recoveries: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// When the first of this process's heartbeats was published that were not received.
    unreceived_since: Option<Instant>,
    /// Whether the last heartbeat was published.
    published: bool,
    /// Whether it was the last of all.
    has_left: bool,
    /// When each other instance's last heartbeat was received.
    others: HashMap<String, Instant>,
}

impl Probe {
    /// Returns a probe of this process, which passes the flag on to every process.
    pub(super) fn new(
        installation: Installation,
        missed: MissedFlag,
        neighbours: Arc<Neighbours>,
        foreign: Arc<Foreign>,
        recoveries: watch::Sender<u64>,
    ) -> Self {
        let instance = uuid::Uuid::new_v4().simple().to_string();
        Self { instance, installation, state: Mutex::default(), missed, neighbours, foreign, recoveries }
    }

    /// Returns the id of this process in its heartbeats.
    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    /// Returns whether this process both publishes heartbeats and receives them.
    pub(super) fn is_healthy(&self) -> bool {
        self.state.lock().published && !self.is_unresponsive()
    }

    /// Returns why heartbeats do not arrive.
    pub(super) fn cause(&self) -> &'static str {
        if self.is_unresponsive() { UNRESPONSIVE } else { "connecting to Redis" }
    }

    /// Returns whether heartbeats were published and not received for too long.
    pub(super) fn is_unresponsive(&self) -> bool {
        let since = self.state.lock().unreceived_since;
        since.is_some_and(|since| since.elapsed() > SILENCE_TIMEOUT)
    }

    /// Forgets which heartbeats were not received, as a new connection begins.
    pub(super) fn reset(&self) {
        self.state.lock().unreceived_since = None;
    }

    /// Records a heartbeat of any process.
    pub(super) fn receive(&self, bytes: &[u8]) {
        let Ok(heartbeat) = serde_json::from_slice::<Heartbeat>(bytes) else {
            tracing::warn!(group = CHANNEL, "malformed channel-layer probe ignored");
            return;
        };
        if heartbeat.mark.as_deref().is_some_and(|mark| mark != self.installation.mark()) {
            return self.foreign.ignored(CHANNEL);
        }
        if heartbeat.instance == self.instance {
            self.state.lock().unreceived_since = None;
        } else {
            self.neighbours.heard(&heartbeat.instance);
            let mut state = self.state.lock();
            if heartbeat.leaving {
                state.others.remove(&heartbeat.instance);
            } else {
                state.others.insert(heartbeat.instance, Instant::now());
            }
        }
        if heartbeat.missed {
            self.recovered();
        }
    }

    /// Publishes heartbeats until the task is dropped.
    pub(super) async fn run(self: Arc<Self>, publisher: Publisher) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.state.lock().has_left {
                return;
            }
            let missed = self.missed.take();
            let published = self.publish(&publisher, missed, false).await;
            let has_lost_instance = {
                let mut state = self.state.lock();
                state.published = published;
                if published {
                    state.unreceived_since.get_or_insert_with(Instant::now);
                } else {
                    if missed {
                        self.missed.set();
                    }
                    // While Redis is unavailable, missing heartbeats do not mean lost instances.
                    state.others.values_mut().for_each(|received| *received = Instant::now());
                }
                let before = state.others.len();
                state.others.retain(|_, received| received.elapsed() <= SILENCE_TIMEOUT);
                before > state.others.len()
            };
            if has_lost_instance {
                tracing::info!("another instance stopped publishing probes; comparing positions");
                self.recovered();
            }
        }
    }

    /// Publishes the last heartbeat of this process. What is still queued will not be published.
    pub(super) async fn leave(&self, publisher: &Publisher) {
        self.state.lock().has_left = true;
        let missed = self.missed.take() || !publisher.is_idle();
        self.publish(publisher, missed, true).await;
    }

    /// Publishes a heartbeat. Returns whether Redis has accepted it.
    async fn publish(&self, publisher: &Publisher, missed: bool, leaving: bool) -> bool {
        let mark = Some(self.installation.mark().to_owned());
        let heartbeat = Heartbeat { instance: self.instance.clone(), missed, mark, leaving };
        let (Ok(bytes), Ok(group)) = (serde_json::to_vec(&heartbeat), Group::parse(CHANNEL)) else {
            return false;
        };
        publisher.publish([(group, Bytes::from(bytes).into())].into(), Urgency::Prompt).await
    }

    fn recovered(&self) {
        self.recoveries.send_modify(|count| *count += 1);
    }
}
