//! The Redis backend: `PUBLISH` through one connection, `SUBSCRIBE` on another,
//! and a probe that goes the way of every event and tells whether it arrives.
//!
//! Each group has one Redis channel of its name, and each process subscribes to it
//! once, however many subscriptions it holds. Nothing else is kept in Redis.

mod probe;
mod publisher;
mod subscriber;
mod missed_flag;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::hub::Hub;
use super::{Group, Payload};
use crate::error::BoxError;
use crate::telemetry::Metrics;
use missed_flag::MissedFlag;
use probe::Probe;
use publisher::Publisher;
use subscriber::Subscriber;

/// How long a subscriber waits for Redis to confirm it: far longer than Redis
/// takes, and short enough for a page that is loading.
const CONFIRM_LIMIT: Duration = Duration::from_secs(1);

/// How long making a connection may take: a round trip or three, and no more than a
/// request may wait.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// The two connections and what watches over them.
pub(super) struct Redis {
    publisher: Publisher,
    subscriber: Arc<Subscriber>,
    probe: Arc<Probe>,
    missed: MissedFlag,
    /// Dropping it ends the tasks.
    _tasks: JoinSet<()>,
}

/// Starts the backend's tasks.
pub(super) fn start(
    url: &SecretString,
    metrics: Metrics,
    recoveries: watch::Sender<u64>,
) -> Result<(Arc<Hub>, Redis), BoxError> {
    let missed = MissedFlag::default();
    let probe = Arc::new(Probe::new(missed.clone(), recoveries.clone()));
    let changes = Arc::new(subscriber::Changes::default());
    let hub = {
        let changes = changes.clone();
        Hub::new(metrics.clone(), move |group| changes.add(group))
    };
    let client = ::redis::Client::open(url.expose_secret())?;
    let subscriber =
        Arc::new(Subscriber::new(client, hub.clone(), changes, probe.clone(), recoveries, metrics.clone()));
    let (publisher, publishing) = publisher::start(url, missed.clone(), metrics)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(publishing);
    tasks.spawn(subscriber.clone().run());
    tasks.spawn(probe.clone().run(publisher.clone()));
    Ok((hub, Redis { publisher, subscriber, probe, missed, _tasks: tasks }))
}

impl Redis {
    /// Waits until Redis has confirmed the group, or for [`CONFIRM_LIMIT`].
    pub(super) async fn subscribed(&self, group: Group) {
        let Some(confirmed) = self.subscriber.confirmation(group.clone()) else { return };
        if timeout(CONFIRM_LIMIT, confirmed).await.is_err() {
            self.subscriber.expect_late(group);
        }
    }

    /// Returns whether Redis has taken all of the payloads.
    pub(super) async fn publish(&self, payloads: &[(Group, Payload)]) -> bool {
        self.publisher.publish(payloads).await
    }

    pub(super) fn suspect_loss(&self) {
        self.missed.set();
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.subscriber.is_connected() && self.probe.arrives()
    }
}
