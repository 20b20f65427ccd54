//! The channel layer carries a payload to every [`Subscription`] of a [`Group`],
//! whichever process holds it. It knows no domain: a payload is bytes, and beside them
//! where they come from.
//!
//! What both backends promise, and one suite of tests holds them to:
//!
//! - Delivery is at most once, and in the order of publishing for payloads that one
//!   process publishes to one group one after the other.
//! - Publishing never waits for a reader, and waits for Redis a bounded time.
//! - After [`ChannelLayer::subscribe`] has returned, payloads published to the group
//!   arrive, as long as the layer is [whole](ChannelLayer::is_healthy).
//! - Whenever payloads may have been missed and are missed no longer, the number in
//!   [`ChannelLayer::recoveries`] is raised.
//!
//! What must not be lost is in the [inbox](crate::events) first; this layer only
//! makes it arrive sooner.

mod group;
mod hub;
mod memory;
mod payload;
mod redis;

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::watch;

use crate::telemetry::Metrics;
use hub::Hub;

pub use group::{Group, InvalidName};
pub use hub::{Capacity, Overflow, Subscription};
pub use payload::Payload;

/// A cheap handle on the layer.
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
    pub fn start(redis_url: Option<&SecretString>, metrics: Metrics) -> Result<Self, crate::error::BoxError> {
        redis_url.map_or_else(|| Ok(Self::memory(metrics.clone())), |url| Self::redis(url, metrics.clone()))
    }

    /// A layer within this process.
    pub fn memory(metrics: Metrics) -> Self {
        metrics.subscriber_connected.set(1);
        let hub = Hub::new(metrics.clone(), |_| {});
        Self { hub, backend: Backend::Memory(metrics), recoveries: watch::Sender::new(0) }
    }

    /// A layer between all processes that use the same Redis. It connects in the
    /// background, for as long as it takes, and again after every outage.
    ///
    /// Must be called within a Tokio runtime, which carries its tasks.
    ///
    /// # Errors
    ///
    /// If the URL is none that the Redis client understands.
    pub fn redis(url: &SecretString, metrics: Metrics) -> Result<Self, crate::error::BoxError> {
        let recoveries = watch::Sender::new(0);
        let (hub, backend) = redis::start(url, metrics, recoveries.clone())?;
        Ok(Self { hub, backend: Backend::Redis(Arc::new(backend)), recoveries })
    }

    /// Subscribes to a group.
    ///
    /// Returns as soon as payloads arrive. While Redis is away it returns after a
    /// short wait all the same; the subscription comes alive when Redis is back, and
    /// [`ChannelLayer::recoveries`] tells of that.
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

    /// Publishes payloads to their groups, in order.
    ///
    /// Returns when Redis has taken them, after a short wait if it does not. What it
    /// did not take reaches the subscriptions of this process only, and perhaps
    /// twice.
    pub async fn publish_all(&self, payloads: Vec<(Group, Payload)>) {
        match &self.backend {
            Backend::Memory(metrics) => {
                memory::publish(&self.hub, &payloads);
                metrics.publications.inc_by(payloads.len() as u64);
            }
            Backend::Redis(redis) => {
                if !redis.publish(&payloads).await {
                    memory::publish(&self.hub, &payloads);
                }
            }
        }
    }

    /// Tells the layer that something meant for publishing may not have been
    /// published: every process's [`ChannelLayer::recoveries`] is raised soon.
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

    /// Returns whether payloads are published and heard at present.
    pub fn is_healthy(&self) -> bool {
        match &self.backend {
            Backend::Memory(_) => true,
            Backend::Redis(redis) => redis.is_healthy(),
        }
    }
}
