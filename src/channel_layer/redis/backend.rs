//! The [`Redis`] backend is a publisher, a subscriber and a probe, each of tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::group::Group;
use super::super::hub::Hub;
use super::super::payload::Payload;
use super::foreign::Foreign;
use super::lane::{Common, Urgency};
use super::missed_flag::MissedFlag;
use super::neighbours::{Neighbour, Neighbours};
use super::probe::Probe;
use super::publisher::Publisher;
use super::subscriber::{self, Changes, Subscriber};
use crate::db::Installation;
use crate::error::BoxError;
use crate::telemetry::Metrics;

/// How long [`Redis::subscribed`] waits for Redis to confirm a subscription: far longer than
/// Redis takes, and short enough for a page that is loading.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(1);

/// The connections and the probe.
pub(in super::super) struct Redis {
    publisher: Publisher,
    subscriber: Arc<Subscriber>,
    probe: Arc<Probe>,
    neighbours: Arc<Neighbours>,
    /// Counts the times at which every connection is to be replaced.
    reconnections: Arc<AtomicU64>,
    /// Dropping it ends the tasks.
    _tasks: JoinSet<()>,
}

/// Starts the backend's tasks.
pub(in super::super) fn start(
    url: &SecretString,
    installation: &Installation,
    metrics: Metrics,
    recoveries: watch::Sender<u64>,
) -> Result<(Arc<Hub>, Redis), BoxError> {
    let missed = MissedFlag::default();
    let reconnections = Arc::new(AtomicU64::default());
    let foreign = Arc::new(Foreign::new(metrics.clone()));
    let neighbours = Arc::new(Neighbours::new(metrics.clone()));
    let probe = Arc::new(Probe::new(
        installation.clone(),
        missed.clone(),
        neighbours.clone(),
        foreign.clone(),
        recoveries.clone(),
    ));
    let changes = Arc::new(Changes::default());
    let hub = {
        let changes = changes.clone();
        Hub::new(metrics.clone(), move |group| changes.add(group))
    };
    let subscriber = Arc::new(Subscriber {
        client: ::redis::Client::open(url.expose_secret())?,
        installation: installation.clone(),
        hub: hub.clone(),
        changes,
        probe: probe.clone(),
        foreign,
        reconnections: reconnections.clone(),
        recoveries,
        metrics: metrics.clone(),
        state: subscriber::State::default(),
    });
    let common = Common { installation: installation.clone(), missed, reconnections: reconnections.clone() };
    let mut tasks = JoinSet::new();
    let publisher = Publisher::start(url, common, metrics, &mut tasks)?;
    tasks.spawn(subscriber.clone().run());
    tasks.spawn(probe.clone().run(publisher.clone()));
    Ok((hub, Redis { publisher, subscriber, probe, neighbours, reconnections, _tasks: tasks }))
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
        urgency: Urgency,
    ) -> impl Future<Output = bool> + Send + use<> {
        self.publisher.publish(payloads, urgency)
    }

    /// Returns the id of this process in its heartbeats.
    pub(in super::super) fn instance(&self) -> &str {
        self.probe.instance()
    }

    /// Returns whether this process publishes and receives what it publishes.
    pub(in super::super) fn hears_itself(&self) -> bool {
        self.subscriber.is_connected() && self.probe.is_healthy()
    }

    /// Compares the instances that the database shows with those that are heard, and replaces the
    /// connections if some are not.
    pub(in super::super) fn compare_neighbours(&self, neighbours: &[Neighbour]) {
        if !self.hears_itself() {
            self.neighbours.reset();
        } else if self.neighbours.compare(neighbours) {
            self.reconnections.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns why payloads are not published and received everywhere at present, if they are not.
    pub(in super::super) fn cause(&self) -> Option<String> {
        if self.hears_itself() {
            return self.neighbours.cause();
        }
        let connections = self.publisher.cause().or_else(|| self.subscriber.cause());
        Some(connections.unwrap_or_else(|| self.probe.cause().to_owned()))
    }

    /// Publishes that this process stops as planned.
    pub(in super::super) async fn leave(&self) {
        self.probe.leave(&self.publisher).await;
    }
}
