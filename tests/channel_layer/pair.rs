//! A [`Pair`] is the channel layer in two processes.

use bytes::Bytes;
use numeneon::channel_layer::{Capacity, ChannelLayer, Group, Overflow, Subscription};
use numeneon::db::Installation;
use numeneon::telemetry::Metrics;
use secrecy::SecretString;
use tokio::time::timeout;

use super::redaction::redact_panics;
use super::wait::{TIMEOUT, until};

/// The mark of the installation of most tests.
pub const MARK: &str = "0123456789abcdef";

/// Returns the installation with this mark and prefix.
pub fn installation(mark: &str, prefix: &str) -> Installation {
    Installation::new(mark, prefix).expect("a mark")
}

/// A queue that does not overflow in a test.
pub const AMPLE: Capacity = Capacity { payloads: 100_000, bytes: 1 << 30 };

/// The layer in one process.
pub struct Side {
    pub layer: ChannelLayer,
    pub metrics: Metrics,
}

/// The layer in two processes. The memory backend has only one, which is both.
pub struct Pair {
    pub near: Side,
    pub far: Side,
}

impl Side {
    /// A process that is connected to Redis at this URL.
    pub async fn redis(url: &str) -> Self {
        let side = Self::redis_connecting(url);
        until("the layer is healthy", async || side.layer.is_healthy()).await;
        side
    }

    /// A process that may not be connected to Redis yet.
    pub fn redis_connecting(url: &str) -> Self {
        Self::of_installation(url, &installation(MARK, ""))
    }

    /// A process of an installation.
    pub fn of_installation(url: &str, installation: &Installation) -> Self {
        let (url, metrics) = (SecretString::from(url), Metrics::default());
        let layer = ChannelLayer::redis(&url, installation, metrics.clone()).expect("a URL of Redis");
        Self { layer, metrics }
    }

    pub async fn subscribe(&self, group: &Group) -> Subscription {
        self.layer.subscribe(group.clone(), AMPLE).await
    }

    pub async fn publish(&self, group: &Group, payload: &str) {
        self.layer.publish(group.clone(), Bytes::copy_from_slice(payload.as_bytes())).await;
    }

    /// Returns how often the layer has recovered from an outage.
    pub fn recoveries(&self) -> u64 {
        *self.layer.recoveries().borrow()
    }
}

impl Pair {
    pub async fn memory() -> Self {
        let metrics = Metrics::default();
        let layer = ChannelLayer::memory(metrics.clone());
        let near = Side { layer: layer.clone(), metrics: metrics.clone() };
        Self { near, far: Side { layer, metrics } }
    }

    pub async fn redis() -> Self {
        redact_panics();
        let url = std::env::var("TEST_REDIS_URL").unwrap_or_else(|_| {
            panic!("TEST_REDIS_URL is not set; scripts/test starts the servers that the tests need")
        });
        Self { near: Side::redis(&url).await, far: Side::redis(&url).await }
    }
}

/// Returns a group that no other test uses.
pub fn new_group() -> Group {
    Group::parse(&format!("test_{}", uuid::Uuid::new_v4().simple())).expect("a name")
}

/// Receives the next payload, as text.
pub async fn received(subscription: &Subscription) -> String {
    let payload = timeout(TIMEOUT, subscription.next()).await.expect("a payload in time");
    String::from_utf8(payload.expect("no overflow").bytes.to_vec()).expect("a text")
}

/// Waits until the subscription has overflowed, even if payloads are left in its queue.
pub async fn overflowed(subscription: &Subscription) -> Overflow {
    timeout(TIMEOUT, subscription.overflowed()).await.expect("an overflow in time")
}
