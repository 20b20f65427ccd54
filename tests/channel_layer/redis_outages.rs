//! What becomes of the layer when Redis fails, and when it returns.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use numeneon::channel_layer::{Group, Subscription};
use tokio::time::timeout;

use super::pair::{LIMIT, Side, heard, new_group};
use super::private_redis::PrivateRedis;
use super::proxy::Proxy;
use super::wait::within;

/// After the return of Redis everything works again this soon; it is what the
/// service promises, with nothing else to do.
const BACK: Duration = Duration::from_secs(2);

/// An outage is noticed this soon: a probe each second, which may take 250 ms.
const NOTICED: Duration = Duration::from_secs(2);

/// A connection that has gone deaf is replaced this soon: three seconds of patience,
/// the second of a probe, and one for a busy machine.
const DEAF: Duration = Duration::from_secs(5);

/// Publishes until a payload arrives, and takes in what arrives with it.
async fn flows(side: &Side, group: &Group, member: &Subscription) -> bool {
    side.publish(group, "after the outage").await;
    let arrived = timeout(Duration::from_millis(20), member.next()).await.is_ok();
    while member.try_next().expect("room enough").is_some() {}
    arrived
}

struct Scene {
    redis: PrivateRedis,
    near: Side,
    far: Side,
    group: Group,
    member: Subscription,
}

/// Two processes, one of which listens.
async fn scene() -> Scene {
    let redis = PrivateRedis::start();
    let (near, far) = (Side::redis(&redis.url()).await, Side::redis(&redis.url()).await);
    let group = new_group();
    let member = far.subscribe(&group).await;
    Scene { redis, near, far, group, member }
}

impl Scene {
    /// Waits until everything works again, and checks that positions are compared then.
    async fn is_back_within(&self, limit: Duration, recoveries: u64) {
        let Self { near, far, group, member, .. } = self;
        let flowing = within(limit, "payloads arrive", async || flows(near, group, member).await).await;
        let whole = async || far.layer.is_healthy() && near.layer.is_healthy();
        let whole = flowing + within(limit, "the layer is whole", whole).await;
        within(limit, "positions are compared", async || far.recoveries() > recoveries).await;
        println!("payloads arrive after {flowing:?}, the layer is whole after {whole:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_redis_cuts_off_comes_back() {
    let scene = scene().await;
    let before = scene.far.recoveries();
    let killed: i64 = redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "pubsub"])
        .query(&mut scene.redis.client().get_connection().expect("Redis answers"))
        .expect("Redis obeys");
    assert_eq!(killed, 2);
    scene.is_back_within(BACK, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_redis_cuts_off_comes_back_and_tells_everybody() {
    let scene = scene().await;
    let before = scene.far.recoveries();
    let killed: i64 = redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
        .query(&mut scene.redis.client().get_connection().expect("Redis answers"))
        .expect("Redis obeys");
    assert_eq!(killed, 2);
    // The payload that finds the connection dead is lost to other processes. They
    // are told that one may be missing.
    scene.near.publish(&scene.group, "lost on the way").await;
    let told = async || scene.far.recoveries() > before;
    within(BACK, "the process that lost nothing itself is told", told).await;
    scene.is_back_within(BACK, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_layer_comes_back_after_redis_was_killed() {
    let mut scene = scene().await;
    let here = scene.near.subscribe(&scene.group).await;
    scene.redis.kill();
    let broken = async || !scene.near.layer.is_healthy() && !scene.far.layer.is_healthy();
    let noticed = within(NOTICED, "the outage is noticed", broken).await;
    println!("the outage is noticed after {noticed:?}");

    // Several seconds: every attempt to connect fails, and their delay is the longest.
    let end = Instant::now() + Duration::from_secs(4);
    let mut published = 0;
    while Instant::now() < end {
        let started = Instant::now();
        scene.near.publish(&scene.group, &published.to_string()).await;
        assert!(started.elapsed() < Duration::from_millis(750), "{:?}", started.elapsed());
        assert_eq!(heard(&here).await, published.to_string(), "the process's own still hear it");
        assert!(!scene.near.layer.is_healthy());
        published += 1;
    }
    let started = Instant::now();
    drop(scene.far.subscribe(&new_group()).await);
    assert!(started.elapsed() < Duration::from_secs(2), "subscribing waits a bounded time");

    let before = scene.far.recoveries();
    scene.redis.start_again();
    scene.is_back_within(BACK, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_subscribes_during_an_outage_is_served_after_it() {
    let mut scene = scene().await;
    scene.redis.kill();
    within(NOTICED, "the outage is noticed", async || !scene.far.layer.is_healthy()).await;
    let group = new_group();
    let member = scene.far.subscribe(&group).await;
    let before = scene.far.recoveries();
    scene.redis.start_again();
    within(BACK, "payloads arrive", async || flows(&scene.near, &group, &member).await).await;
    within(BACK, "positions are compared", async || scene.far.recoveries() > before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_starts_before_redis_is_whole_soon_after_it() {
    let mut redis = PrivateRedis::start();
    redis.kill();
    let side = Side::redis_in_a_while(&redis.url());
    let group = new_group();
    let member = timeout(LIMIT, side.subscribe(&group)).await.expect("subscribing does not wait for Redis");
    assert!(!side.layer.is_healthy());
    redis.start_again();
    within(BACK, "payloads arrive", async || flows(&side, &group, &member).await).await;
    within(BACK, "the layer is whole", async || side.layer.is_healthy()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_layer_comes_back_after_redis_was_frozen() {
    let scene = scene().await;
    scene.redis.freeze();
    let broken = async || !scene.near.layer.is_healthy() && !scene.far.layer.is_healthy();
    within(NOTICED, "the outage is noticed", broken).await;
    // Several seconds: long enough for probes to count as missing.
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        let started = Instant::now();
        scene.near.publish(&scene.group, "while it is frozen").await;
        assert!(started.elapsed() < Duration::from_millis(750), "{:?}", started.elapsed());
        assert!(!scene.near.layer.is_healthy());
    }
    let started = Instant::now();
    drop(scene.far.subscribe(&new_group()).await);
    assert!(started.elapsed() < Duration::from_secs(2), "subscribing waits a bounded time");
    let before = scene.far.recoveries();
    scene.redis.thaw();
    scene.is_back_within(BACK, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_has_gone_deaf_is_found_and_replaced() {
    let redis = PrivateRedis::start();
    let proxy = Proxy::before(redis.port());
    let near = Side::redis(&redis.url()).await;
    let far = Side::redis(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
    let group = new_group();
    let member = far.subscribe(&group).await;
    let before = far.recoveries();
    assert_eq!(proxy.deafen_subscribers(), 1);

    near.publish(&group, "into a deaf ear").await;
    let deaf = within(DEAF, "it is noticed", async || !far.layer.is_healthy()).await;
    assert!(near.layer.is_healthy(), "who hears says so");
    let cured = within(BACK, "payloads arrive", async || flows(&near, &group, &member).await).await;
    within(BACK, "the layer is whole", async || far.layer.is_healthy()).await;
    within(BACK, "positions are compared", async || far.recoveries() > before).await;
    println!("deafness is found after {deaf:?} and cured {cured:?} later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_come_back() {
    let redis = PrivateRedis::start();
    let proxy = Proxy::before(redis.port());
    let near = Side::redis(&redis.url()).await;
    let far = Side::redis(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
    let group = new_group();
    let member = far.subscribe(&group).await;
    for _ in 0..5 {
        let before = far.recoveries();
        proxy.cut();
        within(BACK, "positions are compared", async || far.recoveries() > before).await;
        within(BACK, "payloads arrive", async || flows(&near, &group, &member).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_groups_are_back_soon_after_redis() {
    const GROUPS: usize = 20_000;
    let mut redis = PrivateRedis::start();
    let (near, far) = (Side::redis(&redis.url()).await, Side::redis(&redis.url()).await);
    let groups: Vec<Group> = (0..GROUPS).map(|_| new_group()).collect();
    let started = Instant::now();
    let members = join_all(groups.iter().map(|group| far.subscribe(group))).await;
    println!("{GROUPS} groups are subscribed to after {:?}", started.elapsed());

    redis.kill();
    within(NOTICED, "the outage is noticed", async || !far.layer.is_healthy()).await;
    let before = far.recoveries();
    redis.start_again();
    let back = within(LIMIT, "positions are compared", async || far.recoveries() > before).await;
    println!("{GROUPS} groups are back {back:?} after Redis");
    assert!(back < 2 * BACK, "{back:?}");

    // A publication may fail on a busy machine; each group must hear one in the end.
    let mut unheard: Vec<_> = groups.iter().zip(&members).collect();
    within(LIMIT, "every group hears", async || {
        for part in unheard.chunks(500) {
            let payload = |(group, _): &(&Group, _)| ((*group).clone(), Bytes::from_static(b"after").into());
            near.layer.publish_all(part.iter().map(payload).collect()).await;
        }
        unheard.retain(|(_, member)| member.try_next().expect("room enough").is_none());
        unheard.is_empty()
    })
    .await;
}
