//! Several installations on one Redis, and what others publish there by hand.

use std::sync::Arc;

use bytes::Bytes;
use numeneon::channel_layer::{Group, Payload};
use numeneon::telemetry::Origin;

use super::pair::{MARK, Side, installation, new_group, received};
use super::private_redis::PrivateRedis;
use super::wait::until;

/// Publishes what an instance publishes after a commit.
async fn publish_committed(side: &Side, group: &Group, text: &'static str) {
    let origin = Some(Arc::new(Origin::committed_now(None, None)));
    side.layer.publish(group.clone(), Payload { bytes: Bytes::from_static(text.as_bytes()), origin }).await;
}

/// Publishes a payload as `redis-cli` does.
fn publish_by_hand(redis: &PrivateRedis, channel: &str, text: &str) {
    redis::cmd("PUBLISH").arg(channel).arg(text).exec(&mut redis.connect()).expect("Redis publishes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installations_on_one_redis_do_not_hear_each_other() {
    let redis = PrivateRedis::start();
    let near = Side::redis(&redis.url()).await;
    let other = Side::of_installation(&format!("{}1", redis.url()), &installation("fedcba9876543210", ""));
    until("the other is healthy", async || other.layer.is_healthy()).await;
    let group = new_group();
    let (ours, theirs) = (near.subscribe(&group).await, other.subscribe(&group).await);
    publish_committed(&other, &group, r#"{"a":"theirs"}"#).await;
    publish_committed(&near, &group, r#"{"a":"ours"}"#).await;
    assert_eq!(received(&ours).await, r#"{"a":"ours"}"#);
    assert_eq!(received(&theirs).await, r#"{"a":"theirs"}"#);
    assert_eq!((ours.try_next(), theirs.try_next()), (Ok(None), Ok(None)));
    assert!(near.metrics.foreign_payloads.get() >= 1, "they are counted");

    // An instance of theirs that dies is no reason for ours to compare positions.
    let (before, heartbeats) = (near.recoveries(), near.metrics.publications.get());
    drop(other);
    until("its heartbeats are missing", async || near.metrics.publications.get() >= heartbeats + 6).await;
    assert_eq!(near.recoveries(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_publish_by_hand_arrives_without_an_origin() {
    let redis = PrivateRedis::start();
    let near = Side::redis(&redis.url()).await;
    let group = new_group();
    let member = near.subscribe(&group).await;
    for (published, arrives) in [
        (r#"{"type":"new_post","data":{}}"#, r#"{"type":"new_post","data":{}}"#),
        // As instances of the version before publish.
        (r#"{"type":"a","seq":1,"meta":{"committed_us":1}}"#, r#"{"type":"a","seq":1}"#),
    ] {
        publish_by_hand(&redis, group.name(), published);
        assert_eq!(member.next().await, Ok(Bytes::from(arrives).into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_have_the_prefix_of_their_installation() {
    let redis = PrivateRedis::start();
    let side = |prefix| Side::of_installation(&redis.url(), &installation(MARK, prefix));
    let (near, far, without) = (side("staging."), side("staging."), side(""));
    let healthy = async || [&near, &far, &without].iter().all(|side| side.layer.is_healthy());
    until("all are healthy", healthy).await;
    let group = new_group();
    let members = [far.subscribe(&group).await, without.subscribe(&group).await];
    near.publish(&group, "from near").await;
    publish_by_hand(&redis, &format!("staging.{}", group.name()), "by hand");
    assert_eq!(received(&members[0]).await, "from near");
    assert_eq!(received(&members[0]).await, "by hand");
    without.publish(&group, "without a prefix").await;
    assert_eq!(received(&members[1]).await, "without a prefix");
    assert_eq!(members[0].try_next(), Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stops_as_planned_is_not_taken_for_dead() {
    let redis = PrivateRedis::start();
    let (near, far) = (Side::redis(&redis.url()).await, Side::redis(&redis.url()).await);
    let heard = async || near.metrics.publications.get() >= 3 && far.metrics.publications.get() >= 3;
    until("each has heard the other", heard).await;
    far.layer.leave().await;
    drop(far);
    let (before, heartbeats) = (near.recoveries(), near.metrics.publications.get());
    until("its heartbeats are missing", async || near.metrics.publications.get() >= heartbeats + 6).await;
    assert_eq!(near.recoveries(), before, "positions are not compared");

    let killed = Side::redis(&redis.url()).await;
    until("it is heard", async || killed.metrics.publications.get() >= 3).await;
    drop(killed);
    until("positions are compared", async || near.recoveries() > before).await;
}
