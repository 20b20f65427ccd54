//! The [`Probe`] is a heartbeat that each process publishes to one group, by the very
//! path that events take, and that all processes receive.
//!
//! A process that does not receive its own heartbeat is unresponsive to events, however
//! healthy its connection looks, and connects again. A process whose heartbeats others no
//! longer receive may have died between a commit and its publication, and a process that
//! failed to publish says so in its next heartbeat; both make every process compare
//! positions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::super::group::Group;
use super::missed_flag::MissedFlag;
use super::publisher::Publisher;

/// The Redis channel of the probes.
pub(super) const CHANNEL: &str = "numeneon_probe";

/// How often a process publishes a heartbeat.
const PERIOD: Duration = Duration::from_secs(1);

/// How long heartbeats may be missing before their sender counts as unresponsive or dead.
/// Three periods, so that one late heartbeat changes nothing.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(3);

/// What a probe publishes.
#[derive(Serialize, Deserialize)]
struct Heartbeat {
    instance: String,
    /// Whether the instance may have failed to publish a payload.
    missed: bool,
}

/// The heartbeats of this process and those that it receives.
pub(super) struct Probe {
    instance: String,
    /// While held: no await, and no other lock is taken.
    state: Mutex<State>,
    missed: MissedFlag,
    recoveries: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// When the first of this process's heartbeats was published that were not received.
    unreceived_since: Option<Instant>,
    /// Whether the last heartbeat was published.
    published: bool,
    /// When each other instance's last heartbeat was received.
    others: HashMap<String, Instant>,
}

impl Probe {
    /// Returns a probe of this process, which passes the flag on to every process.
    pub(super) fn new(missed: MissedFlag, recoveries: watch::Sender<u64>) -> Self {
        let instance = uuid::Uuid::new_v4().simple().to_string();
        Self { instance, state: Mutex::default(), missed, recoveries }
    }

    /// Returns whether this process both publishes heartbeats and receives them.
    pub(super) fn is_healthy(&self) -> bool {
        self.state.lock().published && !self.is_unresponsive()
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
        {
            let mut state = self.state.lock();
            if heartbeat.instance == self.instance {
                state.unreceived_since = None;
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
        let group = match Group::parse(CHANNEL) {
            Ok(group) => group,
            Err(error) => return tracing::error!(cause = %error, "channel-layer probe not started"),
        };
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let missed = self.missed.take();
            let heartbeat = Heartbeat { instance: self.instance.clone(), missed };
            let Ok(bytes) = serde_json::to_vec(&heartbeat) else { continue };
            let published = publisher.publish([(group.clone(), Bytes::from(bytes).into())].into()).await;
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

    fn recovered(&self) {
        self.recoveries.send_modify(|count| *count += 1);
    }
}
