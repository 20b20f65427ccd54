//! Frames that other services publish to a person's group through Redis.

use rstest::rstest;
use serde_json::json;

use crate::support::{Cluster, Stage, redis_publish};

#[rstest]
#[case(r#"{"type":"new_post","data":{"id":7,"text":"grüße 😀"}}"#)]
#[case(r#"{ "data" : {"b":1.50,"a":[]},  "type":"wall_post" }"#)]
#[case(r#"{"type":"comment_reply","data":null,"extra":true}"#)]
#[tokio::test]
async fn a_frame_without_a_seq_is_forwarded_unchanged(#[case] frame: &str) {
    let stage = Cluster.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut sockets = Vec::new();
    for instance in stage.round_robin().take(4) {
        sockets.push(instance.socket(&bob).await);
    }
    let mut adas = stage.there().socket(&ada).await;
    stage.publish(&bob, &[frame, frame]);
    for socket in &mut sockets {
        assert_eq!(socket.text().await, frame);
        assert_eq!(socket.text().await, frame);
    }
    adas.has_nothing_before_a_message(stage.here(), &bob, &ada).await;
    // It has no seq, so it is neither stored nor replayed.
    let inbox = stage.here().get("/api/notifications/").by(&bob).await.is(200);
    assert_eq!(inbox["last_seq"], 0);
    let mut resumed = stage.there().resume(&bob, 0).await;
    resumed.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[rstest]
#[case::plain_text(b"hello")]
#[case::empty(b"")]
#[case::truncated(b"{\"type\":")]
#[case::not_utf_8(b"\xff\xfe\x00")]
#[case::not_utf_8_in_json(b"{\"type\":\"x\",\"data\":\"\xff\"}")]
#[case::number(b"5")]
#[case::null(b"null")]
#[case::text(b"\"text\"")]
#[case::list(b"[]")]
#[case::list_with_the_next_seq(b"[1]")]
#[case::list_with_a_later_seq(b"[7]")]
#[case::seq_as_text(b"{\"type\":\"x\",\"seq\":\"1\"}")]
#[case::fractional_seq(b"{\"type\":\"x\",\"seq\":1.5}")]
#[case::negative_seq(b"{\"type\":\"x\",\"seq\":-1}")]
#[case::seq_of_zero(b"{\"type\":\"x\",\"seq\":0}")]
#[case::seq_far_ahead(b"{\"type\":\"x\",\"seq\":1000}")]
#[case::seq_beyond_64_bits(b"{\"type\":\"x\",\"seq\":99999999999999999999}")]
#[tokio::test]
async fn invalid_frames_do_not_disturb_later_events(#[case] junk: &[u8]) {
    let stage = Cluster.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    redis_publish(&bob, junk);
    // It may be forwarded or dropped. The event that follows arrives, and with its own seq.
    stage.here().message(&ada, &bob, "one").await;
    loop {
        let frame = socket.next().await;
        assert!(frame.is_object(), "{frame} is not a frame");
        if frame["type"] == "new_message" {
            assert_eq!((&frame["seq"], &frame["data"]["content"]), (&json!(1), &json!("one")));
            break;
        }
    }
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[tokio::test]
async fn an_event_that_is_published_twice_is_sent_once() {
    let stage: Stage = Cluster.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    stage.here().message(&ada, &bob, "one").await;
    let one = socket.text().await;
    stage.publish(&bob, &[&one, &one]);
    stage.here().message(&ada, &bob, "two").await;
    let two = socket.text().await;
    assert!(two.contains("two"), "{two}");
    stage.publish(&bob, &[&two, &one, &two]);
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[tokio::test]
async fn an_event_that_arrives_out_of_order_is_sent_in_order() {
    let stage: Stage = Cluster.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut first = stage.there().socket(&bob).await;
    for text in ["one", "two", "three"] {
        stage.here().message(&ada, &bob, text).await;
    }
    let frames = [first.text().await, first.text().await, first.text().await];
    // The same events, for a socket that has not received them yet.
    let mut late = stage.there().resume(&bob, 0).await;
    stage.publish(&bob, &[&frames[2], &frames[0], &frames[1]]);
    for frame in &frames {
        assert_eq!(&late.text().await, frame);
    }
    late.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}
