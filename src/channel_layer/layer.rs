//! The [`ChannelLayer`] is the handle by which the service subscribes and publishes,
//! whichever backend there is.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::sleep;

use super::group::Group;
use super::hub::{Capacity, Hub, Subscription};
use super::payload::Payload;
use super::redis::{Neighbour, Urgency};
use super::{memory, redis};
use crate::db::Installation;
use crate::error::BoxError;
use crate::telemetry::Metrics;

/// How often [`ChannelLayer::healthy`] looks.
const HEALTH_PERIOD: Duration = Duration::from_millis(5);

/// A cheap handle to the layer.
#[derive(Clone)]
pub struct ChannelLayer {
    hub: Arc<Hub>,
    backend: Backend,
    recoveries: watch::Sender<u64>,
}

/// How the layer reaches other processes.
#[derive(Clone)]
enum Backend {
    Memory(Metrics),
    Redis(Arc<redis::Redis>),
}

impl ChannelLayer {
    /// Starts a layer between all processes that use this Redis, or within this process if
    /// there is none.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::redis`].
    pub fn start(
        redis_url: Option<&SecretString>,
        installation: &Installation,
        metrics: Metrics,
    ) -> Result<Self, BoxError> {
        match redis_url {
            Some(url) => Self::redis(url, installation, metrics),
            None => Ok(Self::memory(metrics)),
        }
    }

    /// Returns a layer within this process.
    pub fn memory(metrics: Metrics) -> Self {
        metrics.subscriber_connected.set(1);
        let hub = Hub::new(metrics.clone(), |_| {});
        Self { hub, backend: Backend::Memory(metrics), recoveries: watch::Sender::new(0) }
    }

    /// Returns a layer between all processes of an installation that use the same Redis. It
    /// connects in the background, for as long as it takes, and again after every outage.
    ///
    /// Must be called within a Tokio runtime, which runs its tasks.
    ///
    /// # Errors
    ///
    /// If the Redis client does not accept the URL.
    pub fn redis(
        url: &SecretString,
        installation: &Installation,
        metrics: Metrics,
    ) -> Result<Self, BoxError> {
        let recoveries = watch::Sender::new(0);
        let (hub, backend) = redis::start(url, installation, metrics, recoveries.clone())?;
        Ok(Self { hub, backend: Backend::Redis(Arc::new(backend)), recoveries })
    }

    /// Subscribes to a group.
    ///
    /// Returns as soon as payloads arrive. While Redis is unavailable it returns after a
    /// short wait all the same; the subscription receives payloads once Redis is back,
    /// which raises [`ChannelLayer::recoveries`].
    pub async fn subscribe(&self, group: Group, capacity: Capacity) -> Subscription {
        let subscription = self.hub.join(group.clone(), capacity);
        if let Backend::Redis(redis) = &self.backend {
            redis.subscribed(group).await;
        }
        subscription
    }

    /// Publishes one payload to a group, as [`ChannelLayer::publish_all`].
    pub async fn publish(&self, group: Group, payload: impl Into<Payload>) {
        self.publish_all(vec![(group, payload.into())]).await;
    }

    /// Publishes payloads to their groups, in order, and after those of earlier calls: they
    /// are queued before the future is polled.
    ///
    /// The future is done when Redis has accepted them, or after a short wait if it does not.
    /// Payloads that it did not accept reach the subscriptions of this process only, and
    /// perhaps twice.
    pub fn publish_all(&self, payloads: Vec<(Group, Payload)>) -> impl Future<Output = ()> + Send + use<> {
        self.publish_in(payloads, Urgency::Prompt)
    }

    /// Publishes payloads of one announcement to many groups, as [`ChannelLayer::publish_all`], and
    /// after those of earlier calls of this function. Other payloads do not wait for them.
    pub fn publish_in_bulk(
        &self,
        payloads: Vec<(Group, Payload)>,
    ) -> impl Future<Output = ()> + Send + use<> {
        self.publish_in(payloads, Urgency::Bulk)
    }

    fn publish_in(
        &self,
        payloads: Vec<(Group, Payload)>,
        urgency: Urgency,
    ) -> impl Future<Output = ()> + Send + use<> {
        let payloads: Arc<[_]> = payloads.into();
        let publishing = match &self.backend {
            Backend::Memory(metrics) => {
                memory::publish(&self.hub, &payloads);
                metrics.publications.inc_by(payloads.len() as u64);
                None
            }
            Backend::Redis(redis) => Some((redis.publish(payloads.clone(), urgency), self.hub.clone())),
        };
        async move {
            if let Some((accepted, hub)) = publishing
                && !accepted.await
            {
                memory::publish(&hub, &payloads);
            }
        }
    }

    /// Counts the times after which payloads may have been missed.
    pub fn recoveries(&self) -> watch::Receiver<u64> {
        self.recoveries.subscribe()
    }

    /// Returns whether payloads are published and received at present, by every instance that
    /// lives.
    pub fn is_healthy(&self) -> bool {
        self.degradation().is_none()
    }

    /// Returns why payloads are not published or received at present, if they are not. The cause
    /// has no secret.
    pub fn degradation(&self) -> Option<String> {
        match &self.backend {
            Backend::Memory(_) => None,
            Backend::Redis(redis) => redis.cause(),
        }
    }

    /// Waits until payloads are published and received.
    pub async fn healthy(&self) {
        while !self.is_healthy() {
            sleep(HEALTH_PERIOD).await;
        }
    }

    /// Returns the id of this process, and whether it receives what it publishes itself. Nothing
    /// in memory, which no other process shares.
    pub fn instance(&self) -> Option<(&str, bool)> {
        match &self.backend {
            Backend::Memory(_) => None,
            Backend::Redis(redis) => Some((redis.instance(), redis.hears_itself())),
        }
    }

    /// Compares the other instances that live, by the database, with those that are heard: the
    /// layer is degraded while one is not.
    pub fn compare_neighbours(&self, neighbours: &[Neighbour]) {
        if let Backend::Redis(redis) = &self.backend {
            redis.compare_neighbours(neighbours);
        }
    }

    /// Publishes that this process stops as planned: the others do not take it for dead.
    pub async fn leave(&self) {
        if let Backend::Redis(redis) = &self.backend {
            redis.leave().await;
        }
    }
}
