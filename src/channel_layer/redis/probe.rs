//! The [`Probe`] is a payload that each process publishes to one group, by the very
//! path that events take, and that all of them hear.
//!
//! A process that does not hear its own is deaf, however healthy its connection
//! looks, and connects anew. A process that another no longer hears may have died
//! between a commit and its publication, and one that failed to publish says so in
//! its next probe; both make everybody compare positions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::super::Group;
use super::missed_flag::MissedFlag;
use super::publisher::Publisher;

/// The Redis channel of the probes.
pub(super) const CHANNEL: &str = "numeneon_probe";

/// How often a process probes.
const PERIOD: Duration = Duration::from_secs(1);

/// How long a probe may stay away before its sender counts as deaf or dead. Three
/// periods: one may fall to a hiccup.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Serialize, Deserialize)]
struct Payload {
    instance: String,
    /// Whether the instance may have failed to publish something.
    missed: bool,
}

pub(super) struct Probe {
    instance: String,
    state: Mutex<State>,
    missed: MissedFlag,
    recoveries: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Since when probes of this process were published and not heard.
    unheard_since: Option<Instant>,
    /// Whether the last probe was published.
    published: bool,
    others: HashMap<String, Instant>,
}

impl Probe {
    /// A probe of this process, which passes the missed on to everybody.
    pub(super) fn new(missed: MissedFlag, recoveries: watch::Sender<u64>) -> Self {
        let instance = uuid::Uuid::new_v4().simple().to_string();
        Self { instance, state: Mutex::default(), missed, recoveries }
    }

    /// Returns whether this process both publishes and hears itself.
    pub(super) fn arrives(&self) -> bool {
        self.state.lock().published && !self.is_deaf()
    }

    /// Returns whether probes were published and not heard for too long.
    pub(super) fn is_deaf(&self) -> bool {
        let since = self.state.lock().unheard_since;
        since.is_some_and(|since| since.elapsed() > PATIENCE)
    }

    /// Forgets what was not heard, as a new connection begins.
    pub(super) fn listen_anew(&self) {
        self.state.lock().unheard_since = None;
    }

    /// Takes a probe in, whosever it is.
    pub(super) fn heard(&self, payload: &[u8]) {
        let Ok(probe) = serde_json::from_slice::<Payload>(payload) else {
            tracing::warn!(group = CHANNEL, "a payload there is no probe");
            return;
        };
        {
            let mut state = self.state.lock();
            if probe.instance == self.instance {
                state.unheard_since = None;
            } else {
                state.others.insert(probe.instance, Instant::now());
            }
        }
        if probe.missed {
            self.recovered();
        }
    }

    /// Probes until the task is dropped.
    pub(super) async fn run(self: Arc<Self>, publisher: Publisher) {
        let group = match Group::parse(CHANNEL) {
            Ok(group) => group,
            Err(error) => return tracing::error!(cause = %error, "no probe"),
        };
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let missed = self.missed.take();
            let payload = Payload { instance: self.instance.clone(), missed };
            let Ok(payload) = serde_json::to_vec(&payload) else { continue };
            let published = publisher.publish(&[(group.clone(), Bytes::from(payload).into())]).await;
            let silent = {
                let mut state = self.state.lock();
                state.published = published;
                if published {
                    state.unheard_since.get_or_insert_with(Instant::now);
                } else {
                    if missed {
                        self.missed.set();
                    }
                    // Nobody is heard over a Redis that is away.
                    state.others.values_mut().for_each(|heard| *heard = Instant::now());
                }
                let before = state.others.len();
                state.others.retain(|_, heard| heard.elapsed() <= PATIENCE);
                before > state.others.len()
            };
            if silent {
                tracing::info!("another instance fell silent; comparing positions");
                self.recovered();
            }
        }
    }

    fn recovered(&self) {
        self.recoveries.send_modify(|count| *count += 1);
    }
}
