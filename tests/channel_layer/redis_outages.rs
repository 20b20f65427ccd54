//! Outages of Redis: the layer notices them, and recovers by itself.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use numeneon::channel_layer::{Group, Subscription};
use tokio::time::timeout;

use super::pair::{Side, new_group, received};
use super::private_redis::PrivateRedis;
use super::proxy::Proxy;
use super::wait::{Promises, TIMEOUT, until, until_quicker_than};

/// The service promises to have recovered two seconds after the return of Redis.
const RECOVERED: Duration = Duration::from_secs(2);

/// An outage is noticed within two seconds: a probe each second, which may take 250 ms.
const NOTICED: Duration = Duration::from_secs(2);

/// A connection on which nothing arrives is replaced within five seconds: after three without
/// a probe, and the second of the next one.
const REPLACED: Duration = Duration::from_secs(5);

/// Publishing waits 250 ms for a Redis that does not reply.
const PUBLISHED: Duration = Duration::from_millis(750);

/// Subscribing waits a second for a Redis that does not reply.
const SUBSCRIBED: Duration = Duration::from_secs(2);

/// Publishes a payload, and returns whether the subscription receives one. Empties its queue.
async fn delivers(side: &Side, group: &Group, member: &Subscription) -> bool {
    side.publish(group, "after the outage").await;
    let delivered = timeout(Duration::from_millis(20), member.next()).await.is_ok();
    while member.try_next().expect("no overflow").is_some() {}
    delivered
}

struct Fixture {
    redis: PrivateRedis,
    near: Side,
    far: Side,
    group: Group,
    member: Subscription,
    promises: Promises,
}

/// Two processes, one of which has a subscription.
async fn fixture(promises: &Promises) -> Fixture {
    let redis = PrivateRedis::start();
    let (near, far) = (Side::redis(&redis.url()).await, Side::redis(&redis.url()).await);
    let group = new_group();
    let member = far.subscribe(&group).await;
    Fixture { redis, near, far, group, member, promises: promises.clone() }
}

impl Fixture {
    /// Waits until the layer has recovered, and checks that it reports that.
    async fn recovers(&self, recoveries: u64) {
        let Self { near, far, group, member, promises, .. } = self;
        let delivery = async || delivers(near, group, member).await;
        let delivered = promises.until_within(RECOVERED, "payloads are delivered", delivery).await;
        let healthy = async || far.layer.is_healthy() && near.layer.is_healthy();
        let healthy = delivered + promises.until_within(RECOVERED, "the layer is healthy", healthy).await;
        promises
            .until_within(RECOVERED, "the recovery is reported", async || far.recoveries() > recoveries)
            .await;
        println!("payloads are delivered after {delivered:?}, the layer is healthy after {healthy:?}");
    }

    /// Checks that during the outage publishing and subscribing wait a bounded time.
    async fn does_not_wait_for_redis(&self) {
        let publish = async || timed(self.near.publish(&self.group, "during the outage")).await;
        until_quicker_than(PUBLISHED, "publishing during an outage", publish).await;
        let subscribe = async || timed(async { drop(self.far.subscribe(&new_group()).await) }).await;
        until_quicker_than(SUBSCRIBED, "subscribing during an outage", subscribe).await;
    }
}

/// Returns how long it takes.
async fn timed(operation: impl Future<Output = ()>) -> Duration {
    let started = Instant::now();
    operation.await;
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_redis_disconnects_recovers() {
    Promises::check(async |promises| {
        let fixture = fixture(&promises).await;
        let before = fixture.far.recoveries();
        let killed: i64 = redis::cmd("CLIENT")
            .arg(&["KILL", "TYPE", "pubsub"])
            .query(&mut fixture.redis.connect())
            .expect("Redis executes the command");
        assert_eq!(killed, 2);
        fixture.recovers(before).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_redis_disconnects_recovers_and_reports_a_possible_loss() {
    Promises::check(async |promises| {
        let fixture = fixture(&promises).await;
        let before = fixture.far.recoveries();
        let killed: i64 = redis::cmd("CLIENT")
            .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
            .query(&mut fixture.redis.connect())
            .expect("Redis executes the command");
        assert_eq!(killed, 2);
        // The payload that finds the connection closed is lost to other processes. They learn
        // that one may be missing.
        fixture.near.publish(&fixture.group, "lost on the way").await;
        let reported = async || fixture.far.recoveries() > before;
        promises.until_within(RECOVERED, "the other process learns of it", reported).await;
        fixture.recovers(before).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_layer_recovers_after_redis_was_killed() {
    Promises::check(async |promises| {
        let mut fixture = fixture(&promises).await;
        let here = fixture.near.subscribe(&fixture.group).await;
        fixture.redis.kill();
        let degraded = async || !fixture.near.layer.is_healthy() && !fixture.far.layer.is_healthy();
        let noticed = promises.until_within(NOTICED, "the outage is noticed", degraded).await;
        println!("the outage is noticed after {noticed:?}");

        // An outage of several seconds: every attempt to connect fails, until their delay is the
        // longest.
        let end = Instant::now() + Duration::from_secs(4);
        let (mut number, mut quickest) = (0, Duration::MAX);
        while Instant::now() < end {
            let payload = number.to_string();
            quickest = quickest.min(timed(fixture.near.publish(&fixture.group, &payload)).await);
            assert_eq!(received(&here).await, payload, "delivered within the process");
            assert!(!fixture.near.layer.is_healthy());
            number += 1;
        }
        assert!(quickest < PUBLISHED, "{quickest:?}");
        fixture.does_not_wait_for_redis().await;

        let before = fixture.far.recoveries();
        fixture.redis.restart();
        fixture.recovers(before).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_made_during_an_outage_receives_payloads_after_it() {
    Promises::check(async |promises| {
        let mut fixture = fixture(&promises).await;
        fixture.redis.kill();
        promises
            .until_within(NOTICED, "the outage is noticed", async || !fixture.far.layer.is_healthy())
            .await;
        let group = new_group();
        let member = fixture.far.subscribe(&group).await;
        let before = fixture.far.recoveries();
        fixture.redis.restart();
        let delivery = async || delivers(&fixture.near, &group, &member).await;
        promises.until_within(RECOVERED, "payloads are delivered", delivery).await;
        promises
            .until_within(RECOVERED, "the recovery is reported", async || fixture.far.recoveries() > before)
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_starts_before_redis_is_healthy_soon_after_it() {
    Promises::check(async |promises| {
        let mut redis = PrivateRedis::start();
        redis.kill();
        let side = Side::redis_connecting(&redis.url());
        let group = new_group();
        let member =
            timeout(TIMEOUT, side.subscribe(&group)).await.expect("subscribing does not wait for Redis");
        assert!(!side.layer.is_healthy());
        redis.restart();
        promises
            .until_within(RECOVERED, "payloads are delivered", async || {
                delivers(&side, &group, &member).await
            })
            .await;
        promises.until_within(RECOVERED, "the layer is healthy", async || side.layer.is_healthy()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_layer_recovers_after_redis_was_frozen() {
    Promises::check(async |promises| {
        let fixture = fixture(&promises).await;
        fixture.redis.freeze();
        let degraded = async || !fixture.near.layer.is_healthy() && !fixture.far.layer.is_healthy();
        promises.until_within(NOTICED, "the outage is noticed", degraded).await;
        // An outage of several seconds: long enough for the lack of probes to be noticed.
        let end = Instant::now() + Duration::from_secs(4);
        let mut quickest = Duration::MAX;
        while Instant::now() < end {
            quickest = quickest.min(timed(fixture.near.publish(&fixture.group, "while it is frozen")).await);
            assert!(!fixture.near.layer.is_healthy());
        }
        assert!(quickest < PUBLISHED, "{quickest:?}");
        fixture.does_not_wait_for_redis().await;
        let before = fixture.far.recoveries();
        fixture.redis.thaw();
        fixture.recovers(before).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_connection_on_which_nothing_arrives_is_replaced() {
    Promises::check(async |promises| {
        let redis = PrivateRedis::start();
        let proxy = Proxy::to(redis.port());
        let near = Side::redis(&redis.url()).await;
        let far = Side::redis(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
        let group = new_group();
        let member = far.subscribe(&group).await;
        let before = far.recoveries();
        assert_eq!(proxy.mute_subscribers(), 1);

        near.publish(&group, "discarded on the way").await;
        let noticed =
            promises.until_within(REPLACED, "it is noticed", async || !far.layer.is_healthy()).await;
        until("the other process is healthy", async || near.layer.is_healthy()).await;
        let delivery = async || delivers(&near, &group, &member).await;
        let replaced = promises.until_within(RECOVERED, "payloads are delivered", delivery).await;
        promises.until_within(RECOVERED, "the layer is healthy", async || far.layer.is_healthy()).await;
        promises
            .until_within(RECOVERED, "the recovery is reported", async || far.recoveries() > before)
            .await;
        println!("the connection is found after {noticed:?} and replaced {replaced:?} later");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_closed_are_opened_again() {
    Promises::check(async |promises| {
        let redis = PrivateRedis::start();
        let proxy = Proxy::to(redis.port());
        let near = Side::redis(&redis.url()).await;
        let far = Side::redis(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
        let group = new_group();
        let member = far.subscribe(&group).await;
        for _ in 0..5 {
            let before = far.recoveries();
            proxy.disconnect_all();
            promises
                .until_within(RECOVERED, "the recovery is reported", async || far.recoveries() > before)
                .await;
            promises
                .until_within(RECOVERED, "payloads are delivered", async || {
                    delivers(&near, &group, &member).await
                })
                .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_groups_are_subscribed_again_soon_after_redis_returns() {
    Promises::check(async |promises| {
        const GROUPS: usize = 20_000;
        let mut redis = PrivateRedis::start();
        let (near, far) = (Side::redis(&redis.url()).await, Side::redis(&redis.url()).await);
        let groups: Vec<Group> = (0..GROUPS).map(|_| new_group()).collect();
        let started = Instant::now();
        let members = join_all(groups.iter().map(|group| far.subscribe(group))).await;
        println!("{GROUPS} groups are subscribed after {:?}", started.elapsed());

        redis.kill();
        promises.until_within(NOTICED, "the outage is noticed", async || !far.layer.is_healthy()).await;
        let before = far.recoveries();
        redis.restart();
        let recovered = promises
            .until_within(2 * RECOVERED, "the recovery is reported", async || far.recoveries() > before)
            .await;
        println!("{GROUPS} groups are subscribed again {recovered:?} after the return of Redis");

        // A publication may fail on a busy machine; each group must receive one in the end.
        let mut missing: Vec<_> = groups.iter().zip(&members).collect();
        until("every group receives a payload", async || {
            for part in missing.chunks(500) {
                let payload =
                    |(group, _): &(&Group, _)| ((*group).clone(), Bytes::from_static(b"after").into());
                near.layer.publish_all(part.iter().map(payload).collect()).await;
            }
            missing.retain(|(_, member)| member.try_next().expect("no overflow").is_none());
            missing.is_empty()
        })
        .await;
    })
    .await;
}
