//! The guarantees of the channel layer, tested on every backend.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use numeneon::channel_layer::{Capacity, Overflow, Payload};
use numeneon::telemetry::{Origin, RequestId, TraceParent};
use rstest::rstest;
use rstest_reuse::{apply, template};
use tokio::time::timeout;

use super::pair::{AMPLE, Pair, new_group, overflowed, received};
use super::wait::{TIMEOUT, until};

/// Runs a test on every backend.
#[template]
#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[awt]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_backend(
    #[future]
    #[case]
    pair: Pair,
) {
}

#[apply(every_backend)]
async fn a_payload_is_delivered_to_every_subscription_of_its_group_and_to_no_other(pair: Pair) {
    let (group, other) = (new_group(), new_group());
    let members = [
        pair.near.subscribe(&group).await,
        pair.near.subscribe(&group).await,
        pair.far.subscribe(&group).await,
    ];
    let outsiders = [pair.near.subscribe(&other).await, pair.far.subscribe(&other).await];

    pair.near.publish(&group, "from near").await;
    for member in &members {
        assert_eq!(received(member).await, "from near");
    }
    pair.far.publish(&group, "from far").await;
    for member in &members {
        assert_eq!(received(member).await, "from far");
    }
    pair.far.publish(&other, "for others").await;
    for outsider in &outsiders {
        assert_eq!(received(outsider).await, "for others");
    }
    for member in &members {
        assert_eq!(member.try_next(), Ok(None));
    }
}

#[apply(every_backend)]
async fn payloads_are_delivered_in_the_order_of_publishing(pair: Pair) {
    const EACH: usize = 500;
    let group = new_group();
    let members = [pair.near.subscribe(&group).await, pair.far.subscribe(&group).await];
    for number in 0..EACH {
        pair.near.publish(&group, &number.to_string()).await;
    }
    let batch = (EACH..2 * EACH).map(|number| (group.clone(), Bytes::from(number.to_string()).into()));
    pair.near.layer.publish_all(batch.collect()).await;
    for member in &members {
        for number in 0..2 * EACH {
            assert_eq!(received(member).await, number.to_string());
        }
    }
}

#[apply(every_backend)]
async fn concurrent_publishers_each_keep_their_order(pair: Pair) {
    const PUBLISHERS: usize = 8;
    const EACH: usize = 100;
    let group = new_group();
    let member = pair.far.subscribe(&group).await;
    join_all((0..PUBLISHERS).map(|publisher| {
        let (side, group) = (if publisher % 2 == 0 { &pair.near } else { &pair.far }, &group);
        async move {
            for number in 0..EACH {
                side.publish(group, &format!("{publisher} {number}")).await;
            }
        }
    }))
    .await;
    let mut next = [0; PUBLISHERS];
    for _ in 0..PUBLISHERS * EACH {
        let payload = received(&member).await;
        let (publisher, number) = payload.split_once(' ').expect("two words");
        let next = &mut next[publisher.parse::<usize>().expect("a number")];
        assert_eq!(number, next.to_string(), "of publisher {publisher}");
        *next += 1;
    }
}

#[apply(every_backend)]
async fn a_payload_is_delivered_byte_for_byte(pair: Pair) {
    let group = new_group();
    let member = pair.far.subscribe(&group).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    for payload in [Bytes::new(), every_byte.clone().into(), every_byte.repeat(4_096).into()] {
        pair.near.layer.publish(group.clone(), payload.clone()).await;
        assert_eq!(timeout(TIMEOUT, member.next()).await.expect("in time"), Ok(payload.into()));
    }
}

#[apply(every_backend)]
async fn the_origin_of_a_frame_is_delivered_with_it(pair: Pair) {
    let group = new_group();
    let member = pair.far.subscribe(&group).await;
    let frame = Bytes::from_static(br#"{"type":"a","data":{},"seq":1}"#);
    let parent = TraceParent { trace_id: 1, span_id: 2, is_sampled: true };
    for (request_id, parent) in [(None, None), (RequestId::parse("8f1e-FRA"), None), (None, Some(parent))] {
        let origin = Some(Arc::new(Origin::committed_now(request_id, parent)));
        let payload = Payload { bytes: frame.clone(), origin };
        pair.near.layer.publish(group.clone(), payload.clone()).await;
        assert_eq!(timeout(TIMEOUT, member.next()).await.expect("in time"), Ok(payload));
    }
}

#[apply(every_backend)]
async fn a_payload_that_is_published_after_subscribing_is_delivered(pair: Pair) {
    for round in 0..200 {
        let group = new_group();
        let member = pair.far.subscribe(&group).await;
        pair.near.publish(&group, "after").await;
        let delivered = timeout(TIMEOUT, member.next()).await;
        assert_eq!(delivered, Ok(Ok(Bytes::from("after").into())), "in round {round}");
    }
}

#[apply(every_backend)]
async fn a_dropped_subscription_leaves_its_group(pair: Pair) {
    let group = new_group();
    let kept = pair.near.subscribe(&group).await;
    let dropped = pair.near.subscribe(&group).await;
    assert_eq!(pair.near.metrics.subscriptions.get(), 2);
    drop(dropped);
    assert_eq!(pair.near.metrics.subscriptions.get(), 1);
    pair.far.publish(&group, "to the one that is left").await;
    assert_eq!(received(&kept).await, "to the one that is left");
    drop(kept);
    assert_eq!(pair.near.metrics.subscriptions.get(), 0);

    let new = pair.near.subscribe(&group).await;
    pair.far.publish(&group, "to the new one").await;
    assert_eq!(received(&new).await, "to the new one");
}

#[apply(every_backend)]
async fn a_queue_overflow_ends_its_own_subscription_and_no_other(pair: Pair) {
    let group = new_group();
    let few_payloads = Capacity { payloads: 4, ..AMPLE };
    let few_bytes = Capacity { bytes: 40, ..AMPLE };
    let slow = [
        pair.near.layer.subscribe(group.clone(), few_payloads).await,
        pair.near.layer.subscribe(group.clone(), few_bytes).await,
    ];
    let fast = pair.near.subscribe(&group).await;
    for number in 0..4 {
        pair.far.publish(&group, &format!("payload {number}")).await;
    }
    for number in 0..4 {
        assert_eq!(received(&fast).await, format!("payload {number}"));
    }
    for slow in &slow {
        assert_eq!(slow.overflowed().now_or_never(), None, "four payloads of nine bytes fit");
    }
    pair.far.publish(&group, "too much").await;
    assert_eq!(received(&fast).await, "too much");
    for slow in &slow {
        assert_eq!(overflowed(slow).await, Overflow);
        assert_eq!(slow.try_next(), Err(Overflow), "its queue is discarded");
        assert_eq!(timeout(TIMEOUT, slow.next()).await, Ok(Err(Overflow)));
    }
    until("both overflows are counted", async || pair.near.metrics.queue_overflows.get() == 2).await;

    pair.far.publish(&group, "later").await;
    assert_eq!(received(&fast).await, "later");
    assert_eq!(slow[0].try_next(), Err(Overflow), "a subscription that has ended stays ended");
    assert_eq!(pair.near.metrics.queue_overflows.get(), 2, "each overflow is counted once");
}

#[apply(every_backend)]
async fn a_payload_larger_than_the_queue_is_delivered_if_the_queue_is_empty(pair: Pair) {
    let group = new_group();
    let small = Capacity { payloads: 2, bytes: 8 };
    let member = pair.far.layer.subscribe(group.clone(), small).await;
    for _ in 0..3 {
        pair.near.publish(&group, "longer than eight bytes").await;
        assert_eq!(received(&member).await, "longer than eight bytes");
    }
}

#[apply(every_backend)]
async fn publishing_never_waits_for_a_reader(pair: Pair) {
    const PAYLOADS: usize = 5_000;
    let group = new_group();
    let narrow = Capacity { payloads: 1, bytes: 1 };
    let never_read = [
        pair.near.layer.subscribe(group.clone(), narrow).await,
        pair.far.layer.subscribe(group.clone(), narrow).await,
        pair.far.subscribe(&group).await,
    ];
    let publishing = async {
        for _ in 0..PAYLOADS {
            pair.near.publish(&group, "a payload that nobody reads").await;
        }
    };
    // A publication that waits for a reader takes 250 ms, all of them together 20 minutes.
    timeout(Duration::from_secs(120), publishing).await.expect("publishing does not wait");
    drop(never_read);
}

#[apply(every_backend)]
async fn a_receive_that_is_cancelled_loses_no_payload(pair: Pair) {
    let group = new_group();
    let member = pair.far.subscribe(&group).await;
    for number in 0..50 {
        for _ in 0..10 {
            assert_eq!(member.next().now_or_never(), None);
        }
        pair.near.publish(&group, &number.to_string()).await;
        assert_eq!(received(&member).await, number.to_string());
    }
}

#[apply(every_backend)]
async fn a_layer_that_publishes_and_receives_is_healthy(pair: Pair) {
    let healthy = async || pair.near.layer.is_healthy() && pair.far.layer.is_healthy();
    until("both processes are healthy", healthy).await;
    assert_eq!(pair.near.metrics.subscriber_connected.get(), 1);
}

#[tokio::test]
async fn a_subscription_that_has_ended_frees_its_queue() {
    struct Payload {
        _held: Arc<()>,
    }

    impl AsRef<[u8]> for Payload {
        fn as_ref(&self) -> &[u8] {
            &[0; 100]
        }
    }

    // The memory backend shares payloads without copying them, so the holders can be counted.
    let pair = Pair::memory().await;
    let group = new_group();
    let slow = pair.near.layer.subscribe(group.clone(), Capacity { payloads: 10, ..AMPLE }).await;
    let held = Arc::new(());
    for count in 1..=10 {
        pair.near.layer.publish(group.clone(), Bytes::from_owner(Payload { _held: held.clone() })).await;
        assert_eq!(Arc::strong_count(&held), 1 + count);
    }
    for _ in 0..10 {
        pair.near.layer.publish(group.clone(), Bytes::from_owner(Payload { _held: held.clone() })).await;
        assert_eq!(Arc::strong_count(&held), 1, "the queue of a subscription that has ended is empty");
    }
    drop(slow);
}
