//! A [`Pair`] is what two processes see of the channel layer.

use std::time::Duration;

use bytes::Bytes;
use numeneon::channel_layer::{Capacity, ChannelLayer, Group, Overflow, Subscription};
use numeneon::telemetry::Metrics;
use secrecy::SecretString;
use tokio::time::timeout;

use super::wait::within;

/// How long anything may take that is waited for. Far longer than it takes.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Room enough for a test.
pub const AMPLE: Capacity = Capacity { payloads: 100_000, bytes: 1 << 30 };

/// The layer as one process sees it.
pub struct Side {
    pub layer: ChannelLayer,
    pub metrics: Metrics,
}

/// The layer as two processes see it; in memory there is only one.
pub struct Pair {
    pub near: Side,
    pub far: Side,
}

impl Side {
    /// A process that reaches Redis at this URL, as soon as it does.
    pub async fn redis(url: &str) -> Self {
        let side = Self::redis_in_a_while(url);
        within(LIMIT, "the layer is whole", async || side.layer.is_healthy()).await;
        side
    }

    /// A process that may not have reached Redis yet.
    pub fn redis_in_a_while(url: &str) -> Self {
        let metrics = Metrics::default();
        let layer = ChannelLayer::redis(&SecretString::from(url), metrics.clone()).expect("a URL of Redis");
        Self { layer, metrics }
    }

    pub async fn subscribe(&self, group: &Group) -> Subscription {
        self.layer.subscribe(group.clone(), AMPLE).await
    }

    pub async fn publish(&self, group: &Group, payload: &str) {
        self.layer.publish(group.clone(), Bytes::copy_from_slice(payload.as_bytes())).await;
    }

    /// Returns how often the layer has recovered.
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
        let url = std::env::var("TEST_REDIS_URL").unwrap_or_else(|_| {
            panic!("TEST_REDIS_URL is not set: scripts/test starts the servers that tests need")
        });
        Self { near: Side::redis(&url).await, far: Side::redis(&url).await }
    }
}

/// Returns a group that no other test knows.
pub fn new_group() -> Group {
    Group::parse(&format!("test_{}", uuid::Uuid::new_v4().simple())).expect("a name")
}

/// Returns the next payload as text.
pub async fn heard(subscription: &Subscription) -> String {
    let payload = timeout(LIMIT, subscription.next()).await.expect("a payload in time");
    String::from_utf8(payload.expect("no overflow").bytes.to_vec()).expect("a text")
}

/// Waits until the subscription has ended, whatever it still gives before.
pub async fn ended(subscription: &Subscription) -> Overflow {
    timeout(LIMIT, subscription.overflowed()).await.expect("an end in time")
}
