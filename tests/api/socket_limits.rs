//! Limits on the number of sockets, on the rate of handshakes, and on the rate of frames.

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::Mode::{self, Standalone};
use crate::support::{Handshake, Instance, Person, both_modes, until};

/// Checks that a handshake is refused with this status, and returns `Retry-After` in seconds.
async fn refused(handshake: Handshake, status: u16) -> u64 {
    match handshake.upgrade().await {
        Err(Error::Http(response)) => {
            assert_eq!(response.status().as_u16(), status);
            let body: serde_json::Value =
                serde_json::from_slice(response.body().as_ref().expect("a body")).expect("a body of JSON");
            assert!(body["detail"].is_string(), "{body}");
            response.headers()["retry-after"].to_str().unwrap().parse().expect("seconds")
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the socket opened"),
    }
}

/// A handshake of a client of this protocol, which receives the reason for a refusal as a close code.
fn versioned(instance: &Instance, person: &Person) -> Handshake {
    instance.handshake().subprotocols(&format!("numeneon.v1, bearer.{}", person.access))
}

#[apply(both_modes)]
async fn the_number_of_sockets_of_a_person_is_limited(mode: Mode) {
    let stage = mode.stage_with(&[("MAX_SOCKETS_BY_PERSON", "2")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let instance = stage.there();
    let first = instance.socket(&ada).await;
    let mut second = instance.socket(&ada).await;
    assert!(refused(instance.handshake().token(&ada.access), 429).await > 0);
    let close = versioned(instance, &ada).upgrade().await.unwrap().closed().await;
    assert_eq!(close, (4029, "too many sockets".to_owned()));
    instance.socket(&bob).await;
    // Open sockets are not affected.
    assert_eq!(second.reply_to("1").await, json!({ "type": "echo", "data": 1 }));

    first.close().await;
    until("another socket may be opened", async || {
        instance.handshake().token(&ada.access).upgrade().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn the_number_of_sockets_of_an_instance_is_limited() {
    let stage = Standalone.stage_with(&[("MAX_SOCKETS", "2")]);
    let people = stage.people(["ada", "bob", "cleo"]).await;
    let instance = stage.there();
    let first = instance.socket(&people[0]).await;
    let _second = instance.socket(&people[1]).await;
    assert!(refused(instance.handshake().token(&people[2].access), 503).await > 0);
    let close = versioned(instance, &people[2]).upgrade().await.unwrap().closed().await;
    assert_eq!(close, (1013, "too many sockets on this instance; try again".to_owned()));

    first.close().await;
    let opens = async || instance.handshake().token(&people[2].access).upgrade().await.is_ok();
    until("another socket may be opened", opens).await;
}

#[tokio::test]
async fn the_rate_of_handshakes_from_an_address_is_limited() {
    let stage = Standalone.stage_with(&[("LIMIT_CONNECTS_BY_ADDRESS", "3/1h"), ("TRUSTED_PROXIES", "1")]);
    let ada = stage.person("ada").await;
    let from = |handshake: Handshake, address: &str| handshake.header("x-forwarded-for", address);
    let instance = stage.there();
    for token in ["junk", &ada.access, "junk"] {
        // Handshakes that are refused count too.
        let _ = from(instance.handshake().token(token), "203.0.113.1").upgrade().await;
    }
    let wait = refused(from(instance.handshake().token(&ada.access), "203.0.113.1"), 429).await;
    assert!((1..=1_200).contains(&wait), "{wait}");
    let close = from(versioned(instance, &ada), "203.0.113.1").upgrade().await.unwrap().closed().await;
    assert_eq!(close, (4029, "too many connects; try again later".to_owned()));
    from(instance.handshake().token(&ada.access), "203.0.113.2").open().await;
}

#[rstest]
#[case::text_frames(Message::text("1"))]
#[case::pings(Message::Ping("".into()))]
#[case::pongs(Message::Pong("".into()))]
#[tokio::test]
async fn a_socket_that_exceeds_the_rate_of_frames_is_closed(#[case] frame: Message) {
    let stage = Standalone.stage_with(&[("LIMIT_FRAMES_BY_SOCKET", "5/1h")]);
    let ada = stage.person("ada").await;
    let mut socket = stage.there().socket(&ada).await;
    for _ in 0..5 {
        socket.send(frame.clone()).await;
    }
    if matches!(frame, Message::Text(_)) {
        assert_eq!(socket.next_many(5).await, vec![json!({ "type": "echo", "data": 1 }); 5]);
    }
    socket.send(frame).await;
    assert_eq!(socket.closed().await, (4029, "too many frames".to_owned()));
    // The rate is that of one socket.
    let mut next = stage.there().socket(&ada).await;
    assert_eq!(next.reply_to("1").await, json!({ "type": "echo", "data": 1 }));
}

#[tokio::test]
async fn fragments_of_a_message_count_as_frames() {
    let stage = Standalone.stage_with(&[("LIMIT_FRAMES_BY_SOCKET", "50/1h")]);
    let ada = stage.person("ada").await;
    let fragment = |code: Data, text: &'static str, last: bool| {
        Message::Frame(Frame::message(text, OpCode::Data(code), last))
    };
    let mut socket = stage.there().socket(&ada).await;
    for (code, text, last) in
        [(Data::Text, "[1,", false), (Data::Continue, "", false), (Data::Continue, "2]", true)]
    {
        socket.send(fragment(code, text, last)).await;
    }
    assert_eq!(socket.next().await, json!({ "type": "echo", "data": [1, 2] }));
    socket.send(fragment(Data::Text, "", false)).await;
    for _ in 0..47 {
        socket.send(fragment(Data::Continue, "", false)).await;
    }
    assert_eq!(socket.closed().await, (4029, "too many frames".to_owned()));
}
