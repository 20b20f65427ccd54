//! What every backend promises.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use numeneon::channel_layer::{Capacity, Overflow, Payload};
use numeneon::telemetry::{Origin, RequestId, TraceParent};
use rstest::rstest;
use tokio::time::timeout;

use super::pair::{AMPLE, LIMIT, Pair, ended, heard, new_group};
use super::wait::within;

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_reaches_every_subscription_of_its_group_and_no_other(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    let (group, other) = (new_group(), new_group());
    let members = [
        pair.near.subscribe(&group).await,
        pair.near.subscribe(&group).await,
        pair.far.subscribe(&group).await,
    ];
    let outsiders = [pair.near.subscribe(&other).await, pair.far.subscribe(&other).await];

    pair.near.publish(&group, "from near").await;
    for member in &members {
        assert_eq!(heard(member).await, "from near");
    }
    pair.far.publish(&group, "from far").await;
    for member in &members {
        assert_eq!(heard(member).await, "from far");
    }
    pair.far.publish(&other, "for others").await;
    for outsider in &outsiders {
        assert_eq!(heard(outsider).await, "for others");
    }
    for member in &members {
        assert_eq!(member.try_next(), Ok(None));
    }
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_arrive_in_the_order_of_publishing(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    const EACH: usize = 500;
    let group = new_group();
    let members = [pair.near.subscribe(&group).await, pair.far.subscribe(&group).await];
    for number in 0..EACH {
        pair.near.publish(&group, &number.to_string()).await;
    }
    let at_once = (EACH..2 * EACH).map(|number| (group.clone(), Bytes::from(number.to_string()).into()));
    pair.near.layer.publish_all(at_once.collect()).await;
    for member in &members {
        for number in 0..2 * EACH {
            assert_eq!(heard(member).await, number.to_string());
        }
    }
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_publishers_each_keep_their_order(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
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
        let payload = heard(&member).await;
        let (publisher, number) = payload.split_once(' ').expect("two words");
        let next = &mut next[publisher.parse::<usize>().expect("a number")];
        assert_eq!(number, next.to_string(), "of publisher {publisher}");
        *next += 1;
    }
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_arrives_byte_for_byte(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    let group = new_group();
    let member = pair.far.subscribe(&group).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    for payload in [Bytes::new(), every_byte.clone().into(), every_byte.repeat(4_096).into()] {
        pair.near.layer.publish(group.clone(), payload.clone()).await;
        assert_eq!(timeout(LIMIT, member.next()).await.expect("in time"), Ok(payload.into()));
    }
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_frame_comes_from_arrives_beside_it(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    let group = new_group();
    let member = pair.far.subscribe(&group).await;
    let frame = Bytes::from_static(br#"{"type":"a","data":{},"seq":1}"#);
    let parent = TraceParent { trace_id: 1, span_id: 2, is_sampled: true };
    for (request_id, parent) in [(None, None), (RequestId::parse("8f1e-FRA"), None), (None, Some(parent))] {
        let origin = Some(Arc::new(Origin::committed_now(request_id, parent)));
        let payload = Payload { bytes: frame.clone(), origin };
        pair.near.layer.publish(group.clone(), payload.clone()).await;
        assert_eq!(timeout(LIMIT, member.next()).await.expect("in time"), Ok(payload));
    }
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_after_subscribing_arrives(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    for round in 0..200 {
        let group = new_group();
        let member = pair.far.subscribe(&group).await;
        pair.near.publish(&group, "after").await;
        let arrived = timeout(LIMIT, member.next()).await;
        assert_eq!(arrived, Ok(Ok(Bytes::from("after").into())), "in round {round}");
    }
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_subscription_leaves_its_group(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    let group = new_group();
    let stays = pair.near.subscribe(&group).await;
    let goes = pair.near.subscribe(&group).await;
    assert_eq!(pair.near.metrics.subscriptions.get(), 2);
    drop(goes);
    assert_eq!(pair.near.metrics.subscriptions.get(), 1);
    pair.far.publish(&group, "to who is left").await;
    assert_eq!(heard(&stays).await, "to who is left");
    drop(stays);
    assert_eq!(pair.near.metrics.subscriptions.get(), 0);

    let back = pair.near.subscribe(&group).await;
    pair.far.publish(&group, "to who came back").await;
    assert_eq!(heard(&back).await, "to who came back");
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_ends_its_own_subscription_and_no_other(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    let group = new_group();
    let by_number = Capacity { payloads: 4, ..AMPLE };
    let by_bytes = Capacity { bytes: 40, ..AMPLE };
    let slow = [
        pair.near.layer.subscribe(group.clone(), by_number).await,
        pair.near.layer.subscribe(group.clone(), by_bytes).await,
    ];
    let quick = pair.near.subscribe(&group).await;
    for number in 0..4 {
        pair.far.publish(&group, &format!("payload {number}")).await;
    }
    for number in 0..4 {
        assert_eq!(heard(&quick).await, format!("payload {number}"));
    }
    for slow in &slow {
        assert_eq!(slow.overflowed().now_or_never(), None, "four payloads of nine bytes fit");
    }
    pair.far.publish(&group, "too much").await;
    assert_eq!(heard(&quick).await, "too much");
    for slow in &slow {
        assert_eq!(ended(slow).await, Overflow);
        assert_eq!(slow.try_next(), Err(Overflow), "what waited in it is gone");
        assert_eq!(timeout(LIMIT, slow.next()).await, Ok(Err(Overflow)));
    }
    within(LIMIT, "both are counted", async || pair.near.metrics.queue_overflows.get() == 2).await;

    pair.far.publish(&group, "later").await;
    assert_eq!(heard(&quick).await, "later");
    assert_eq!(slow[0].try_next(), Err(Overflow), "an ended subscription stays ended");
    assert_eq!(pair.near.metrics.queue_overflows.get(), 2, "and is counted once");
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_larger_than_the_queue_arrives_if_nothing_waits(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    let group = new_group();
    let small = Capacity { payloads: 2, bytes: 8 };
    let member = pair.far.layer.subscribe(group.clone(), small).await;
    for _ in 0..3 {
        pair.near.publish(&group, "longer than eight bytes").await;
        assert_eq!(heard(&member).await, "longer than eight bytes");
    }
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_never_waits_for_a_reader(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    const PAYLOADS: usize = 5_000;
    let group = new_group();
    let narrow = Capacity { payloads: 1, bytes: 1 };
    let never_read = [
        pair.near.layer.subscribe(group.clone(), narrow).await,
        pair.far.layer.subscribe(group.clone(), narrow).await,
        pair.far.subscribe(&group).await,
    ];
    let started = Instant::now();
    for _ in 0..PAYLOADS {
        pair.near.publish(&group, "a payload that nobody reads").await;
    }
    let took = started.elapsed();
    // Waiting for a reader even once would take the limit of a publication, 250 ms,
    // each time.
    assert!(took < Duration::from_millis(4) * u32::try_from(PAYLOADS).expect("few"), "{took:?}");
    drop(never_read);
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_up_waiting_loses_nothing(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    let group = new_group();
    let member = pair.far.subscribe(&group).await;
    for number in 0..50 {
        for _ in 0..10 {
            assert_eq!(member.next().now_or_never(), None);
        }
        pair.near.publish(&group, &number.to_string()).await;
        assert_eq!(heard(&member).await, number.to_string());
    }
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspected_loss_is_told_to_every_process(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    let (near, far) = (pair.near.recoveries(), pair.far.recoveries());
    pair.near.layer.suspect_loss();
    let told = async || pair.near.recoveries() > near && pair.far.recoveries() > far;
    within(Duration::from_secs(5), "both processes compare positions", told).await;
}

#[rstest]
#[case::memory(Pair::memory())]
#[case::redis(Pair::redis())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_in_good_health_says_so(
    #[future(awt)]
    #[case]
    pair: Pair,
) {
    assert!(pair.near.layer.is_healthy());
    assert!(pair.far.layer.is_healthy());
    assert_eq!(pair.near.metrics.subscriber_connected.get(), 1);
}

#[tokio::test]
async fn an_ended_subscription_frees_what_waited_for_it() {
    struct Payload {
        _held: Arc<()>,
    }

    impl AsRef<[u8]> for Payload {
        fn as_ref(&self) -> &[u8] {
            &[0; 100]
        }
    }

    // In memory, where payloads are shared and not copied: whoever holds one is seen.
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
        assert_eq!(Arc::strong_count(&held), 1, "the queue of an ended subscription is empty");
    }
    drop(slow);
}
