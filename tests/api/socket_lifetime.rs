//! How sockets are kept alive, and how they end.

use rstest::rstest;
use serde_json::json;

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::until;

#[rstest]
#[tokio::test]
async fn a_socket_is_pinged_and_lives_as_long_as_it_answers(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage_with(&[("SOCKET_PING_SECONDS", "1"), ("SOCKET_UNANSWERED_PINGS", "1")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    for _ in 0..4 {
        socket.pinged().await;
    }
    stage.here().message(&ada, &bob, "still here").await;
    assert_eq!(socket.next().await["data"]["content"], "still here");
}

#[rstest]
#[tokio::test]
async fn a_silent_client_is_closed(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage_with(&[("SOCKET_PING_SECONDS", "1"), ("SOCKET_UNANSWERED_PINGS", "2")]);
    let bob = stage.person("bob").await;
    let tail = stage.there().socket(&bob).await.read_silently(200).await;
    // A closing frame of the server is 0x88, a length, and the code.
    let close = tail.windows(4).find(|bytes| bytes[0] == 0x88).expect("a closing frame");
    assert_eq!(u16::from_be_bytes([close[2], close[3]]), 4008);
}

#[rstest]
#[tokio::test]
async fn a_stopping_instance_closes_with_1012_and_another_takes_over(#[values(Laptop, Cluster)] kind: Kind) {
    let mut stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.start_another(&[]);
    let mut leaving = stage.take_there();
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(leaving.socket(&bob).await);
    }
    leaving.begin_to_stop();
    for socket in &mut sockets {
        assert_eq!(socket.closed().await.0, 1012);
    }
    stage.here().message(&ada, &bob, "meanwhile").await;
    let mut socket = stage.there().resume(&bob, 0).await;
    assert_eq!(socket.next().await["data"]["content"], "meanwhile");
}

#[rstest]
#[tokio::test]
async fn an_instance_is_unready_as_soon_as_it_begins_to_stop(#[values(Laptop, Cluster)] kind: Kind) {
    let mut stage = kind.stage();
    let ada = stage.person("ada").await;
    stage.start_another(&[("SHUTDOWN_DELAY_SECONDS", "3")]);
    let mut leaving = stage.take_there();
    let mut socket = leaving.socket(&ada).await;
    assert_eq!(leaving.get("/readyz").await.status, 200);
    leaving.begin_to_stop();
    until("it is unready", async || leaving.get("/readyz").await.status == 503).await;
    // Meanwhile it serves as before.
    leaving.get("/api/auth/me/").by(&ada).await.is(200);
    assert_eq!(socket.answer("1").await["data"], 1);
    assert_eq!(socket.closed().await.0, 1012);
}

#[rstest]
#[tokio::test]
async fn a_client_that_closes_is_answered(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage_with(&[("METRICS_ADDRESS", "127.0.0.1:0")]);
    let bob = stage.person("bob").await;
    let sockets = || async { stage.there().watch("/metrics").await.text };
    let socket = stage.there().socket(&bob).await;
    assert!(sockets().await.contains("numeneon_sockets 1\n"));
    socket.close().await;
    until("the socket is gone", || async { sockets().await.contains("numeneon_sockets 0\n") }).await;
    drop(stage.there().socket(&bob).await);
    until("the socket is gone", || async { sockets().await.contains("numeneon_sockets 0\n") }).await;
}

#[tokio::test]
async fn a_reader_too_slow_for_its_queue_is_closed_with_4008_and_resumes() {
    let stage = Cluster.stage_with(&[("SOCKET_QUEUE_EVENTS", "2")]);
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let mut eves = stage.there().socket(&eve).await;
    let mut socket = stage.there().socket(&bob).await;
    stage.here().message(&ada, &bob, "one").await;
    assert_eq!(socket.next().await["seq"], 1);
    stage.publish(&bob, &[r#"{"type":"new_post","data":{}}"#; 5000]);
    assert_eq!(socket.closed().await.0, 4008);
    stage.here().message(&ada, &bob, "two").await;
    let mut socket = stage.there().resume(&bob, 1).await;
    assert_eq!(socket.next().await["seq"], 2);
    eves.has_nothing_before_a_message(stage.here(), &ada, &eve).await;
}

#[rstest]
#[tokio::test]
async fn a_reader_that_stops_reading_costs_only_itself(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage_with(&[
        ("SOCKET_QUEUE_EVENTS", "4"),
        ("SOCKET_WRITE_TIMEOUT_SECONDS", "1"),
        ("METRICS_ADDRESS", "127.0.0.1:0"),
    ]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let stuck = stage.there().dial().token(&bob.access).receive_buffer_bytes(4096).open().await;
    let mut reader = stage.there().socket(&bob).await;
    let is_closed = async || {
        let metrics = stage.there().watch("/metrics").await.text;
        metrics.contains("numeneon_sockets 1\n")
    };
    // Some megabytes stand in the kernel before a writer notices.
    let content = "😀".repeat(10_000);
    let mut seq = 0;
    while !is_closed().await {
        assert!(seq < 500, "20 MB were written to a reader that reads nothing");
        for _ in 0..5 {
            stage.here().message(&ada, &bob, &content).await;
            seq += 1;
            assert_eq!(reader.next().await["seq"], seq);
        }
    }
    drop(stuck);
    let mut resumed = stage.there().resume(&bob, 0).await;
    for number in 1..=seq {
        assert_eq!(resumed.next().await["seq"], number);
    }
    assert_eq!(reader.answer("1").await, json!({ "type": "echo", "data": 1 }));
}
