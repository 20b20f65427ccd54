//! Groups as channels of Redis: a process that has subscriptions to a group subscribes to its
//! channel once.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use numeneon::channel_layer::Group;
use numeneon::ids::UserId;
use redis::Connection;
use tokio::time::timeout;

use super::pair::{AMPLE, Side, new_group, received};
use super::private_redis::PrivateRedis;
use super::wait::{TIMEOUT, until};

/// Returns how many processes are subscribed to the group.
fn subscribers(conn: &mut Connection, group: &Group) -> i64 {
    let counted: (String, i64) =
        redis::cmd("PUBSUB").arg("NUMSUB").arg(group.name()).query(conn).expect("Redis counts");
    counted.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_subscribes_to_a_channel_once_and_unsubscribes_with_its_last_subscription() {
    let redis = PrivateRedis::start();
    let (near, far) = (Side::redis(&redis.url()).await, Side::redis(&redis.url()).await);
    let mut conn = redis.connect();
    let group = new_group();
    assert_eq!(subscribers(&mut conn, &group), 0);

    let mut members = join_all((0..50).map(|_| near.subscribe(&group))).await;
    assert_eq!(subscribers(&mut conn, &group), 1, "once for fifty subscriptions");
    let on_far = far.subscribe(&group).await;
    assert_eq!(subscribers(&mut conn, &group), 2, "once for each process");

    members.truncate(1);
    near.publish(&group, "to the one that is left").await;
    assert_eq!(received(&members[0]).await, "to the one that is left");
    assert_eq!(subscribers(&mut conn, &group), 2, "one subscription is left");

    members.clear();
    until("near has unsubscribed", async || subscribers(&mut conn, &group) == 1).await;
    drop(on_far);
    until("far has unsubscribed", async || subscribers(&mut conn, &group) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_of_a_process_subscribes_to_all_of_its_groups() {
    let redis = PrivateRedis::start();
    let side = Side::redis(&redis.url()).await;
    let members = join_all((0..200).map(|_| async { side.subscribe(&new_group()).await })).await;
    let list: String = redis::cmd("CLIENT")
        .arg("LIST")
        .arg("TYPE")
        .arg("pubsub")
        .query(&mut redis.connect())
        .expect("Redis lists its clients");
    assert_eq!(list.lines().count(), 1, "{list}");
    assert!(list.contains(" sub=201 "), "200 groups and the probe: {list}");
    drop(members);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_concurrent_subscriptions_leave_only_the_wanted_channels() {
    const GROUPS: usize = 10;
    let redis = PrivateRedis::start();
    let side = Side::redis(&redis.url()).await;
    let groups: Vec<Group> = (0..GROUPS).map(|_| new_group()).collect();
    let churn = (0..40).map(|task: usize| {
        let (side, groups) = (&side, &groups);
        async move {
            for round in 0..50 {
                let group = &groups[(task + round * 7) % GROUPS];
                let member = side.subscribe(group).await;
                if (task + round).is_multiple_of(3) {
                    // Other tasks publish the same: the first payload shows that it is subscribed.
                    side.publish(group, "during the churn").await;
                    assert_eq!(received(&member).await, "during the churn");
                }
            }
        }
    });
    timeout(TIMEOUT, join_all(churn)).await.expect("the churn ends");

    let kept: Vec<_> = join_all(groups.iter().step_by(2).map(|group| side.subscribe(group))).await;
    let mut conn = redis.connect();
    until("Redis has only the channels of the subscriptions that are kept", async || {
        groups
            .iter()
            .enumerate()
            .all(|(number, group)| subscribers(&mut conn, group) == i64::from(number.is_multiple_of(2)))
    })
    .await;
    for (group, member) in groups.iter().step_by(2).zip(&kept) {
        side.publish(group, "after the churn").await;
        // Payloads published during the churn may have been on their way when these subscribed.
        while received(member).await != "after the churn" {}
    }
    assert_eq!(side.metrics.subscriptions.get(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscribe_that_is_cancelled_leaves_no_channel() {
    let redis = PrivateRedis::start();
    let side = Side::redis(&redis.url()).await;
    let groups: Vec<Group> = (0..100).map(|_| new_group()).collect();
    for group in &groups {
        // Long enough to send SUBSCRIBE, too short for most confirmations.
        let _ = timeout(Duration::from_micros(50), side.subscribe(group)).await;
    }
    let mut conn = redis.connect();
    until("nobody is subscribed", async || groups.iter().all(|group| subscribers(&mut conn, group) == 0))
        .await;
    assert_eq!(side.metrics.subscriptions.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_client_of_redis_can_publish_to_a_person() {
    let redis = PrivateRedis::start();
    let side = Side::redis(&redis.url()).await;
    let member = side.subscribe(&Group::user(UserId::new(7))).await;
    let frame = r#"{"type":"new_post","data":{"id":5}}"#;
    let reached: i64 =
        redis::cmd("PUBLISH").arg("user_7").arg(frame).query(&mut redis.connect()).expect("Redis publishes");
    assert_eq!(reached, 1);
    assert_eq!(received(&member).await, frame);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_client_of_redis_can_subscribe_to_a_person() {
    let redis = PrivateRedis::start();
    let side = Side::redis(&redis.url()).await;
    let mut conn = redis.connect();
    let mut listener = conn.as_pubsub();
    listener.subscribe("user_7").expect("Redis subscribes");
    side.layer.publish(Group::user(UserId::new(7)), Bytes::from_static(b"a payload")).await;
    let message = listener.get_message().expect("a message");
    assert_eq!((message.get_channel_name(), message.get_payload_bytes()), ("user_7", &b"a payload"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_stays_in_redis() {
    let redis = PrivateRedis::start();
    let side = Side::redis(&redis.url()).await;
    let group = new_group();
    let member = side.layer.subscribe(group.clone(), AMPLE).await;
    side.publish(&group, "a payload").await;
    assert_eq!(received(&member).await, "a payload");
    let keys: i64 = redis::cmd("DBSIZE").query(&mut redis.connect()).expect("Redis counts");
    assert_eq!(keys, 0);
}
