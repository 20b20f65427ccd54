//! The socket: frames from clients, and payloads from the channel layer.

use numeneon::fuzzing::{ControlMessage, respond, seq};
use serde_json::Value;

/// A frame from a client: the response is JSON, and an echo contains the frame.
pub fn frame(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let response = respond(text);
    let echoed = response.strip_prefix(r#"{"type":"echo","data":"#).and_then(|rest| rest.strip_suffix('}'));
    match (serde_json::from_str::<Value>(text), echoed) {
        (Ok(sent), Some(echoed)) => {
            let echoed: Value = serde_json::from_str(echoed).expect("an echo is JSON");
            assert_eq!(sent, echoed);
        }
        (Ok(sent), None) => {
            assert_eq!(response, r#"{"type":"pong"}"#);
            assert_eq!(sent["type"], "ping");
        }
        (Err(_), _) => assert_eq!(response, r#"{"type":"error","message":"Invalid JSON"}"#),
    }
}

/// A payload of a user's group, or of the instances' group: the `seq` that is extracted is
/// the one in the JSON.
pub fn payload(bytes: &[u8]) {
    // It is a revocation or is ignored; parsing it must not panic.
    let _ = serde_json::from_slice::<ControlMessage>(bytes);
    let Some(extracted) = seq(bytes) else { return };
    assert!(bytes.trim_ascii().starts_with(b"{") && bytes.trim_ascii().ends_with(b"}"));
    // This parser is stricter: it rejects deep nesting, large numbers and lone surrogates.
    if let Ok(frame) = serde_json::from_slice::<Value>(bytes) {
        assert_eq!(frame.get("seq").and_then(Value::as_i64), extracted);
    }
}
