//! Frames from clients, and the server's replies.

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::Mode::{self, Standalone};
use crate::support::both_modes;

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
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let mut socket = stage.here().socket(&ada).await;
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(socket.reply_to(text).await, json!({ "type": "echo", "data": value }));
}

#[rstest]
#[case::empty("")]
#[case::plain_text("hello")]
#[case::truncated("{\"a\":")]
#[case::single_quotes("{'a': 1}")]
#[case::nan("NaN")]
#[case::nan_inside("[1, NaN]")]
#[case::infinity("-Infinity")]
#[case::lone_high_surrogate("\"\\ud800\"")]
#[case::lone_low_surrogate("[\"\\udc00\"]")]
#[case::two_values("{} {}")]
#[case::trailing_comma("[1,]")]
#[case::deeply_nested(&"[".repeat(60_000))]
#[case::deeply_nested_and_closed(&format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)))]
#[tokio::test]
async fn a_text_that_is_not_json_is_an_error_and_leaves_the_socket_open(#[case] text: &str) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let mut socket = stage.here().socket(&ada).await;
    assert_eq!(socket.reply_to(text).await, json!({ "type": "error", "message": "Invalid JSON" }));
    assert_eq!(socket.reply_to("1").await["data"], 1);
}

#[apply(both_modes)]
async fn a_ping_gets_a_pong(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let mut socket = stage.there().socket(&ada).await;
    assert_eq!(socket.reply_to(r#"{"type":"ping"}"#).await, json!({ "type": "pong" }));
    socket.send(Message::Ping(b"payload".to_vec().into())).await;
    assert_eq!(socket.frame().await, Message::Pong(b"payload".to_vec().into()));
}

#[apply(both_modes)]
async fn an_echo_is_sent_only_to_its_own_socket(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let (mut one, mut two) = (stage.there().socket(&bob).await, stage.there().socket(&bob).await);
    assert_eq!(one.reply_to("1").await["type"], "echo");
    two.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[tokio::test]
async fn many_frames_get_their_replies_in_order() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let mut socket = stage.here().socket(&ada).await;
    for number in 0..200 {
        socket.send_text(&number.to_string()).await;
    }
    let echoed: Vec<_> = socket.next_many(200).await.into_iter().map(|frame| frame["data"].clone()).collect();
    assert_eq!(echoed, (0..200).map(|number| json!(number)).collect::<Vec<_>>());
}

#[apply(both_modes)]
async fn a_binary_frame_closes_with_1003(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    for bytes in [vec![], b"{}".to_vec(), vec![0xff; 1000]] {
        let mut socket = stage.there().socket(&ada).await;
        socket.send(Message::Binary(bytes.into())).await;
        assert_eq!(socket.closed().await.0, 1003);
    }
}

#[tokio::test]
async fn a_frame_of_64_kib_is_echoed_and_a_larger_one_closes_with_1009() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let mut socket = stage.here().socket(&ada).await;
    let echoed = socket.reply_to(&text(65_536)).await;
    assert_eq!(echoed["data"].as_str().unwrap().len(), 65_534);
    socket.send_text(&text(65_537)).await;
    assert_eq!(socket.closed().await.0, 1009);
}

#[tokio::test]
async fn a_fragmented_message_is_one_message() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let fragment = |text: &str, code, last| {
        Message::Frame(Frame::message(text.as_bytes().to_vec(), OpCode::Data(code), last))
    };
    let mut socket = stage.here().socket(&ada).await;
    socket.send(fragment("{\"a\":", Data::Text, false)).await;
    socket.send(fragment(" [1,", Data::Continue, false)).await;
    socket.send(fragment("2]}", Data::Continue, true)).await;
    assert_eq!(socket.next().await, json!({ "type": "echo", "data": { "a": [1, 2] } }));
    // The maximum size is that of the whole message.
    let half = "x".repeat(40_000);
    socket.send(fragment(&half, Data::Text, false)).await;
    socket.send(fragment(&half, Data::Continue, true)).await;
    assert_eq!(socket.closed().await.0, 1009);
}

#[tokio::test]
async fn a_protocol_error_closes_only_its_own_socket() {
    let stage = Standalone.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut other = stage.here().socket(&bob).await;
    let mut socket = stage.here().socket(&bob).await;
    let not_utf_8 = Frame::message(b"\xff\xfe".to_vec(), OpCode::Data(Data::Text), true);
    socket.send(Message::Frame(not_utf_8)).await;
    let code = socket.closed().await.0;
    assert!(matches!(code, 1002 | 1007), "{code}");
    other.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}
