//! How groups become channels of Redis: one for each, subscribed to once by each
//! process that listens, and by nobody else.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use numeneon::channel_layer::Group;
use numeneon::ids::UserId;
use redis::Connection;
use tokio::time::timeout;

use super::pair::{AMPLE, LIMIT, Side, heard, new_group};
use super::private_redis::PrivateRedis;
use super::wait::within;

fn connect(redis: &PrivateRedis) -> Connection {
    redis.client().get_connection().expect("Redis answers")
}

/// Returns how many processes are subscribed to the group.
fn subscribers(conn: &mut Connection, group: &Group) -> i64 {
    let counted: (String, i64) =
        redis::cmd("PUBSUB").arg("NUMSUB").arg(group.name()).query(conn).expect("Redis counts");
    counted.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_subscribes_to_a_group_once_and_leaves_it_with_its_last_subscription() {
    let redis = PrivateRedis::start();
    let (near, far) = (Side::redis(&redis.url()).await, Side::redis(&redis.url()).await);
    let mut conn = connect(&redis);
    let group = new_group();
    assert_eq!(subscribers(&mut conn, &group), 0);

    let mut members = join_all((0..50).map(|_| near.subscribe(&group))).await;
    assert_eq!(subscribers(&mut conn, &group), 1, "once for fifty subscriptions");
    let there = far.subscribe(&group).await;
    assert_eq!(subscribers(&mut conn, &group), 2, "once for each process");

    members.truncate(1);
    near.publish(&group, "to who is left").await;
    assert_eq!(heard(&members[0]).await, "to who is left");
    assert_eq!(subscribers(&mut conn, &group), 2, "the last one has not gone yet");

    members.clear();
    within(LIMIT, "near has left", async || subscribers(&mut conn, &group) == 1).await;
    drop(there);
    within(LIMIT, "far has left", async || subscribers(&mut conn, &group) == 0).await;
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
        .query(&mut connect(&redis))
        .expect("Redis lists its clients");
    assert_eq!(list.lines().count(), 1, "{list}");
    assert!(list.contains(" sub=201 "), "200 groups and the probe: {list}");
    drop(members);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_come_and_go_in_a_storm_leave_just_what_is_wanted() {
    const GROUPS: usize = 10;
    let redis = PrivateRedis::start();
    let side = Side::redis(&redis.url()).await;
    let groups: Vec<Group> = (0..GROUPS).map(|_| new_group()).collect();
    let storm = (0..40).map(|task: usize| {
        let (side, groups) = (&side, &groups);
        async move {
            for round in 0..50 {
                let group = &groups[(task + round * 7) % GROUPS];
                let member = side.subscribe(group).await;
                if (task + round).is_multiple_of(3) {
                    // Others publish too: whatever comes first shows that it is heard.
                    side.publish(group, "in the storm").await;
                    assert_eq!(heard(&member).await, "in the storm");
                }
            }
        }
    });
    timeout(LIMIT, join_all(storm)).await.expect("the storm passes");

    let kept: Vec<_> = join_all(groups.iter().step_by(2).map(|group| side.subscribe(group))).await;
    let mut conn = connect(&redis);
    within(LIMIT, "Redis has just the groups that are kept", async || {
        groups
            .iter()
            .enumerate()
            .all(|(number, group)| subscribers(&mut conn, group) == i64::from(number.is_multiple_of(2)))
    })
    .await;
    for (group, member) in groups.iter().step_by(2).zip(&kept) {
        side.publish(group, "after the storm").await;
        // What was published in the storm may still have been on its way when they joined.
        while heard(member).await != "after the storm" {}
    }
    assert_eq!(side.metrics.subscriptions.get(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_is_given_up_halfway_leaves_nothing_behind() {
    let redis = PrivateRedis::start();
    let side = Side::redis(&redis.url()).await;
    let groups: Vec<Group> = (0..100).map(|_| new_group()).collect();
    for group in &groups {
        // Long enough to ask Redis, too short for most answers.
        let _ = timeout(Duration::from_micros(50), side.subscribe(group)).await;
    }
    let mut conn = connect(&redis);
    within(LIMIT, "nobody is subscribed", async || {
        groups.iter().all(|group| subscribers(&mut conn, group) == 0)
    })
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
        redis::cmd("PUBLISH").arg("user_7").arg(frame).query(&mut connect(&redis)).expect("Redis publishes");
    assert_eq!(reached, 1);
    assert_eq!(heard(&member).await, frame);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_client_of_redis_hears_what_is_published_to_a_person() {
    let redis = PrivateRedis::start();
    let side = Side::redis(&redis.url()).await;
    let mut conn = connect(&redis);
    let mut listener = conn.as_pubsub();
    listener.subscribe("user_7").expect("Redis subscribes");
    side.layer.publish(Group::user(UserId::new(7)), Bytes::from_static(b"a payload")).await;
    let message = listener.get_message().expect("a message");
    assert_eq!((message.get_channel_name(), message.get_payload_bytes()), ("user_7", &b"a payload"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_in_redis() {
    let redis = PrivateRedis::start();
    let side = Side::redis(&redis.url()).await;
    let group = new_group();
    let member = side.layer.subscribe(group.clone(), AMPLE).await;
    side.publish(&group, "a payload").await;
    assert_eq!(heard(&member).await, "a payload");
    let keys: i64 = redis::cmd("DBSIZE").query(&mut connect(&redis)).expect("Redis counts");
    assert_eq!(keys, 0);
}
