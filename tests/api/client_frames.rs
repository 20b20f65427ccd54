//! What a client says, and what it is answered.

use rstest::rstest;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::Kind::{self, Cluster, Laptop};

#[rstest]
#[case("{}")]
#[case("[]")]
#[case("null")]
#[case("true")]
#[case("0")]
#[case("-12.50e3")]
#[case("\"text\"")]
#[case(" \n{\"a\": [1, {\"b\": null}]}\t ")]
#[case(r#"{"type":"unknown","data":{"x":1}}"#)]
#[case(r#"{"type":7}"#)]
#[case(r#"["ping"]"#)]
#[case(r#""\ud83d\ude00 \u0000 grüße""#)]
#[case("123456789012345678901234567890")]
#[tokio::test]
async fn json_is_echoed(#[case] text: &str) {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let mut socket = stage.here().socket(&ada).await;
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(socket.answer(text).await, json!({ "type": "echo", "data": value }));
}

#[rstest]
#[case::empty("")]
#[case::words("hello")]
#[case::half("{\"a\":")]
#[case::single_quotes("{'a': 1}")]
#[case::nan("NaN")]
#[case::nan_inside("[1, NaN]")]
#[case::infinity("-Infinity")]
#[case::half_of_a_pair("\"\\ud800\"")]
#[case::other_half("[\"\\udc00\"]")]
#[case::two_values("{} {}")]
#[case::trailing_comma("[1,]")]
#[case::deep(&"[".repeat(60_000))]
#[case::deep_and_closed(&format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)))]
#[tokio::test]
async fn other_text_is_invalid_json_and_the_socket_stays(#[case] text: &str) {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let mut socket = stage.here().socket(&ada).await;
    assert_eq!(socket.answer(text).await, json!({ "type": "error", "message": "Invalid JSON" }));
    assert_eq!(socket.answer("1").await["data"], 1);
}

#[rstest]
#[tokio::test]
async fn a_ping_is_answered_by_a_pong(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let mut socket = stage.there().socket(&ada).await;
    assert_eq!(socket.answer(r#"{"type":"ping"}"#).await, json!({ "type": "pong" }));
    socket.send(Message::Ping(b"payload".to_vec().into())).await;
    assert_eq!(socket.frame().await, Message::Pong(b"payload".to_vec().into()));
}

#[rstest]
#[tokio::test]
async fn an_echo_is_for_its_own_socket(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let (mut one, mut two) = (stage.there().socket(&bob).await, stage.there().socket(&bob).await);
    assert_eq!(one.answer("1").await["type"], "echo");
    two.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[tokio::test]
async fn many_words_are_answered_in_order() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let mut socket = stage.here().socket(&ada).await;
    for number in 0..200 {
        socket.say(&number.to_string()).await;
    }
    let echoed: Vec<_> = socket.next_many(200).await.into_iter().map(|frame| frame["data"].clone()).collect();
    assert_eq!(echoed, (0..200).map(|number| json!(number)).collect::<Vec<_>>());
}

#[rstest]
#[tokio::test]
async fn a_binary_frame_closes_with_1003(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    for bytes in [vec![], b"{}".to_vec(), vec![0xff; 1000]] {
        let mut socket = stage.there().socket(&ada).await;
        socket.send(Message::Binary(bytes.into())).await;
        assert_eq!(socket.closed().await.0, 1003);
    }
}

#[tokio::test]
async fn up_to_64_kib_is_echoed_and_more_closes_with_1009() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let mut socket = stage.here().socket(&ada).await;
    let echoed = socket.answer(&text(65_536)).await;
    assert_eq!(echoed["data"].as_str().unwrap().len(), 65_534);
    socket.say(&text(65_537)).await;
    assert_eq!(socket.closed().await.0, 1009);
}

#[tokio::test]
async fn a_message_in_pieces_is_one_message() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let piece = |text: &str, code, last| {
        Message::Frame(Frame::message(text.as_bytes().to_vec(), OpCode::Data(code), last))
    };
    let mut socket = stage.here().socket(&ada).await;
    socket.send(piece("{\"a\":", Data::Text, false)).await;
    socket.send(piece(" [1,", Data::Continue, false)).await;
    socket.send(piece("2]}", Data::Continue, true)).await;
    assert_eq!(socket.next().await, json!({ "type": "echo", "data": { "a": [1, 2] } }));
    // Nor does the bound fall in pieces.
    let half = "x".repeat(40_000);
    socket.send(piece(&half, Data::Text, false)).await;
    socket.send(piece(&half, Data::Continue, true)).await;
    assert_eq!(socket.closed().await.0, 1009);
}

#[tokio::test]
async fn what_breaks_the_protocol_closes_only_this_socket() {
    let stage = Laptop.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut other = stage.here().socket(&bob).await;
    let mut socket = stage.here().socket(&bob).await;
    let broken = Frame::message(b"\xff\xfe".to_vec(), OpCode::Data(Data::Text), true);
    socket.send(Message::Frame(broken)).await;
    let code = socket.closed().await.0;
    assert!(matches!(code, 1002 | 1007), "{code}");
    other.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}
