//! The [`Redis`] backend is a publisher, a subscriber and a probe, each a task.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::group::Group;
use super::super::hub::Hub;
use super::super::payload::Payload;
use super::missed_flag::MissedFlag;
use super::probe::Probe;
use super::publisher::{self, Publisher};
use super::subscriber::{Changes, Subscriber};
use crate::error::BoxError;
use crate::telemetry::Metrics;

/// How long [`Redis::subscribed`] waits for Redis to confirm a subscription: far longer than
/// Redis takes, and short enough for a page that is loading.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(1);

/// The two connections and the probe.
pub(in super::super) struct Redis {
    publisher: Publisher,
    subscriber: Arc<Subscriber>,
    probe: Arc<Probe>,
    missed: MissedFlag,
    /// Dropping it ends the tasks.
    _tasks: JoinSet<()>,
}

/// Starts the backend's tasks.
pub(in super::super) fn start(
    url: &SecretString,
    metrics: Metrics,
    recoveries: watch::Sender<u64>,
) -> Result<(Arc<Hub>, Redis), BoxError> {
    let missed = MissedFlag::default();
    let probe = Arc::new(Probe::new(missed.clone(), recoveries.clone()));
    let changes = Arc::new(Changes::default());
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
    /// Waits until Redis has confirmed the group, or for [`CONFIRM_TIMEOUT`].
    pub(in super::super) async fn subscribed(&self, group: Group) {
        let Some(confirmed) = self.subscriber.confirmation(group.clone()) else { return };
        if timeout(CONFIRM_TIMEOUT, confirmed).await.is_err() {
            self.subscriber.expect_late(group);
        }
    }

    /// Queues the payloads. Returns whether Redis has accepted all of them.
    pub(in super::super) fn publish(
        &self,
        payloads: Arc<[(Group, Payload)]>,
    ) -> impl Future<Output = bool> + Send + use<> {
        self.publisher.publish(payloads)
    }

    /// Reports that a payload may not have been published.
    pub(in super::super) fn suspect_loss(&self) {
        self.missed.set();
    }

    /// Returns whether payloads are published and received at present.
    pub(in super::super) fn is_healthy(&self) -> bool {
        self.subscriber.is_connected() && self.probe.is_healthy()
    }
}
