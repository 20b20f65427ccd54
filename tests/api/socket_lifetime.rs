//! The lifetime of a socket: pings, slow readers, shutdown, and closes.

use rstest_reuse::apply;
use serde_json::json;

use crate::support::Mode::{self, Cluster};
use crate::support::{both_modes, until};

#[apply(both_modes)]
async fn a_socket_that_responds_to_pings_stays_open(mode: Mode) {
    // Were its pongs not counted, the socket would be closed after the fifth ping. A busy machine
    // may delay them by five seconds.
    let stage = mode.stage_with(&[("SOCKET_PING_SECONDS", "1"), ("SOCKET_UNANSWERED_PINGS", "5")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    for _ in 0..8 {
        socket.receive_ping().await;
    }
    stage.here().message(&ada, &bob, "still here").await;
    assert_eq!(socket.next().await["data"]["content"], "still here");
}

#[apply(both_modes)]
async fn a_client_that_responds_to_no_ping_is_closed(mode: Mode) {
    let stage = mode.stage_with(&[("SOCKET_PING_SECONDS", "1"), ("SOCKET_UNANSWERED_PINGS", "2")]);
    let bob = stage.person("bob").await;
    let tail = stage.there().socket(&bob).await.read_without_replying(200).await;
    // A close frame of the server is 0x88, a length, and the code.
    let close = tail.windows(4).find(|bytes| bytes[0] == 0x88).expect("a close frame");
    assert_eq!(u16::from_be_bytes([close[2], close[3]]), 4008);
}

#[apply(both_modes)]
async fn an_instance_that_shuts_down_closes_sockets_with_1012_and_clients_resume_on_another(mode: Mode) {
    let mut stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.start_instance(&[]);
    let mut stopping = stage.take_last();
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(stopping.socket(&bob).await);
    }
    stopping.request_stop();
    for socket in &mut sockets {
        assert_eq!(socket.closed().await.0, 1012);
    }
    stage.here().message(&ada, &bob, "meanwhile").await;
    let mut socket = stage.there().resume(&bob, 0).await;
    assert_eq!(socket.next().await["data"]["content"], "meanwhile");
}

#[apply(both_modes)]
async fn an_instance_is_unready_as_soon_as_its_shutdown_begins(mode: Mode) {
    let mut stage = mode.stage();
    let ada = stage.person("ada").await;
    // Long enough for the requests below on a busy machine.
    stage.start_instance(&[("SHUTDOWN_DELAY_SECONDS", "10")]);
    let mut stopping = stage.take_last();
    let mut socket = stopping.socket(&ada).await;
    until("the instance is ready", async || stopping.get("/readyz").await.status == 200).await;
    stopping.request_stop();
    until("the instance is unready", async || stopping.get("/readyz").await.status == 503).await;
    // During the delay it still serves requests and sockets.
    stopping.get("/api/auth/me/").by(&ada).await.is(200);
    assert_eq!(socket.reply_to("1").await["data"], 1);
    assert_eq!(socket.closed().await.0, 1012);
}

#[apply(both_modes)]
async fn a_close_by_the_client_is_acknowledged(mode: Mode) {
    let stage = mode.stage_with(&[("METRICS_ADDRESS", "127.0.0.1:0")]);
    let bob = stage.person("bob").await;
    let sockets = || async { stage.there().on_metrics_port("/metrics").await.text };
    let socket = stage.there().socket(&bob).await;
    assert!(sockets().await.contains("numeneon_sockets 1\n"));
    socket.close().await;
    until("the socket is gone", || async { sockets().await.contains("numeneon_sockets 0\n") }).await;
    drop(stage.there().socket(&bob).await);
    until("the socket is gone", || async { sockets().await.contains("numeneon_sockets 0\n") }).await;
}

#[tokio::test]
async fn a_reader_whose_queue_overflows_is_closed_with_4008_and_may_resume() {
    let stage = Cluster.stage_with(&[("SOCKET_QUEUE_EVENTS", "2")]);
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let mut eves = stage.there().socket(&eve).await;
    let mut socket = stage.there().socket(&bob).await;
    stage.here().message(&ada, &bob, "one").await;
    assert_eq!(socket.next().await["seq"], 1);
    stage.publish(&bob, &[r#"{"type":"new_post","data":{}}"#; 5000]);
    assert_eq!(socket.closed().await.0, 4008);
    // It arrives after all that was published before, which would fill the next socket's queue too.
    eves.has_nothing_before_a_message(stage.here(), &ada, &eve).await;
    stage.here().message(&ada, &bob, "two").await;
    let mut socket = stage.there().resume(&bob, 1).await;
    assert_eq!(socket.next().await["seq"], 2);
}

#[apply(both_modes)]
async fn a_reader_that_stops_reading_does_not_affect_others(mode: Mode) {
    let mut stage = mode.stage_with(&[
        ("SOCKET_QUEUE_EVENTS", "4"),
        ("SOCKET_WRITE_TIMEOUT_SECONDS", "1"),
        ("METRICS_ADDRESS", "127.0.0.1:0"),
    ]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let stuck = stage.there().handshake().token(&bob.access).receive_buffer_bytes(4096).open().await;
    let mut reader = stage.there().socket(&bob).await;
    let is_closed = async || {
        let metrics = stage.there().on_metrics_port("/metrics").await.text;
        metrics.contains("numeneon_sockets 1\n")
    };
    // The kernel buffers some megabytes before a write blocks.
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
    // On a busy machine this reader may pause for longer than the timeout above.
    let patient = stage.start_instance(&[("SOCKET_WRITE_TIMEOUT_SECONDS", "60")]);
    let mut resumed = patient.resume(&bob, 0).await;
    for number in 1..=seq {
        assert_eq!(resumed.next().await["seq"], number);
    }
    assert_eq!(reader.reply_to("1").await, json!({ "type": "echo", "data": 1 }));
}
