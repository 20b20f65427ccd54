//! How many sockets there may be, how often they are opened, and what they may send.

use rstest::rstest;
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Dial, Instance, Person, until};

/// Checks that a handshake is refused with this status, and returns after how many
/// seconds to try again.
async fn refused(dial: Dial, status: u16) -> u64 {
    match dial.upgrade().await {
        Err(Error::Http(answer)) => {
            assert_eq!(answer.status().as_u16(), status);
            let body: serde_json::Value =
                serde_json::from_slice(answer.body().as_ref().expect("a body")).expect("a body of JSON");
            assert!(body["detail"].is_string(), "{body}");
            answer.headers()["retry-after"].to_str().unwrap().parse().expect("seconds")
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it opened"),
    }
}

/// A handshake of a client that can be told why it is refused.
fn versioned(instance: &Instance, person: &Person) -> Dial {
    instance.dial().subprotocols(&format!("numeneon.v1, bearer.{}", person.access))
}

#[rstest]
#[tokio::test]
async fn a_person_has_so_many_sockets_at_once(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage_with(&[("MAX_SOCKETS_BY_PERSON", "2")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let instance = stage.there();
    let first = instance.socket(&ada).await;
    let mut second = instance.socket(&ada).await;
    assert!(refused(instance.dial().token(&ada.access), 429).await > 0);
    let told = versioned(instance, &ada).upgrade().await.unwrap().closed().await;
    assert_eq!(told, (4029, "too many sockets".to_owned()));
    instance.socket(&bob).await;
    // Those that are there are not hindered.
    assert_eq!(second.answer("1").await, json!({ "type": "echo", "data": 1 }));

    first.close().await;
    until("there is room again", async || instance.dial().token(&ada.access).upgrade().await.is_ok()).await;
}

#[tokio::test]
async fn an_instance_holds_so_many_sockets_at_once() {
    let stage = Laptop.stage_with(&[("MAX_SOCKETS", "2")]);
    let people = stage.people(["ada", "bob", "cleo"]).await;
    let instance = stage.there();
    let first = instance.socket(&people[0]).await;
    let _second = instance.socket(&people[1]).await;
    assert!(refused(instance.dial().token(&people[2].access), 503).await > 0);
    let told = versioned(instance, &people[2]).upgrade().await.unwrap().closed().await;
    assert_eq!(told, (1013, "too many sockets on this instance; try again".to_owned()));

    first.close().await;
    let opens = async || instance.dial().token(&people[2].access).upgrade().await.is_ok();
    until("there is room again", opens).await;
}

#[tokio::test]
async fn one_address_opens_sockets_so_often() {
    let stage = Laptop.stage_with(&[("LIMIT_CONNECTS_BY_ADDRESS", "3/1h"), ("TRUSTED_PROXIES", "1")]);
    let ada = stage.person("ada").await;
    let from = |dial: Dial, address: &str| dial.header("x-forwarded-for", address);
    let instance = stage.there();
    for token in ["junk", &ada.access, "junk"] {
        // Refused or not, it costs the same.
        let _ = from(instance.dial().token(token), "203.0.113.1").upgrade().await;
    }
    let wait = refused(from(instance.dial().token(&ada.access), "203.0.113.1"), 429).await;
    assert!((1..=1_200).contains(&wait), "{wait}");
    let told = from(versioned(instance, &ada), "203.0.113.1").upgrade().await.unwrap().closed().await;
    assert_eq!(told, (4029, "too many connects; try again later".to_owned()));
    from(instance.dial().token(&ada.access), "203.0.113.2").open().await;
}

#[rstest]
#[case::texts(Message::text("1"))]
#[case::pings(Message::Ping("".into()))]
#[case::pongs(Message::Pong("".into()))]
#[tokio::test]
async fn a_socket_that_sends_too_many_frames_is_closed(#[case] frame: Message) {
    let stage = Laptop.stage_with(&[("LIMIT_FRAMES_BY_SOCKET", "5/1h")]);
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
    // The next socket begins anew.
    let mut next = stage.there().socket(&ada).await;
    assert_eq!(next.answer("1").await, json!({ "type": "echo", "data": 1 }));
}

#[tokio::test]
async fn parts_of_a_message_that_never_ends_are_frames_too() {
    let stage = Laptop.stage_with(&[("LIMIT_FRAMES_BY_SOCKET", "50/1h")]);
    let ada = stage.person("ada").await;
    let part = |code: Data, text: &'static str, last: bool| {
        Message::Frame(Frame::message(text, OpCode::Data(code), last))
    };
    let mut socket = stage.there().socket(&ada).await;
    for (code, text, last) in
        [(Data::Text, "[1,", false), (Data::Continue, "", false), (Data::Continue, "2]", true)]
    {
        socket.send(part(code, text, last)).await;
    }
    assert_eq!(socket.next().await, json!({ "type": "echo", "data": [1, 2] }));
    socket.send(part(Data::Text, "", false)).await;
    for _ in 0..47 {
        socket.send(part(Data::Continue, "", false)).await;
    }
    assert_eq!(socket.closed().await, (4029, "too many frames".to_owned()));
}
