//! The [`ChannelLayer`] is the handle by which the service subscribes and publishes,
//! whichever backend there is.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::watch;

use super::group::Group;
use super::hub::{Capacity, Hub, Subscription};
use super::payload::Payload;
use super::{memory, redis};
use crate::error::BoxError;
use crate::telemetry::Metrics;

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
    pub fn start(redis_url: Option<&SecretString>, metrics: Metrics) -> Result<Self, BoxError> {
        redis_url.map_or_else(|| Ok(Self::memory(metrics.clone())), |url| Self::redis(url, metrics.clone()))
    }

    /// Returns a layer within this process.
    pub fn memory(metrics: Metrics) -> Self {
        metrics.subscriber_connected.set(1);
        let hub = Hub::new(metrics.clone(), |_| {});
        Self { hub, backend: Backend::Memory(metrics), recoveries: watch::Sender::new(0) }
    }

    /// Returns a layer between all processes that use the same Redis. It connects in the
    /// background, for as long as it takes, and again after every outage.
    ///
    /// Must be called within a Tokio runtime, which runs its tasks.
    ///
    /// # Errors
    ///
    /// If the Redis client does not accept the URL.
    pub fn redis(url: &SecretString, metrics: Metrics) -> Result<Self, BoxError> {
        let recoveries = watch::Sender::new(0);
        let (hub, backend) = redis::start(url, metrics, recoveries.clone())?;
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
        let payloads: Arc<[_]> = payloads.into();
        let publishing = match &self.backend {
            Backend::Memory(metrics) => {
                memory::publish(&self.hub, &payloads);
                metrics.publications.inc_by(payloads.len() as u64);
                None
            }
            Backend::Redis(redis) => Some((redis.publish(payloads.clone()), self.hub.clone())),
        };
        async move {
            if let Some((accepted, hub)) = publishing
                && !accepted.await
            {
                memory::publish(&hub, &payloads);
            }
        }
    }

    /// Reports that a payload may not have been published: the
    /// [`ChannelLayer::recoveries`] of every process are raised soon.
    pub fn suspect_loss(&self) {
        match &self.backend {
            Backend::Memory(_) => self.recoveries.send_modify(|count| *count += 1),
            Backend::Redis(redis) => redis.suspect_loss(),
        }
    }

    /// Counts the times after which payloads may have been missed.
    pub fn recoveries(&self) -> watch::Receiver<u64> {
        self.recoveries.subscribe()
    }

    /// Returns whether payloads are published and received at present.
    pub fn is_healthy(&self) -> bool {
        match &self.backend {
            Backend::Memory(_) => true,
            Backend::Redis(redis) => redis.is_healthy(),
        }
    }
}
