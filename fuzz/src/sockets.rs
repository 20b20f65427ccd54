//! The socket: what a client says, and what arrives for it over the channel layer.

use numeneon::untrusted::{SessionsEnded, answer, seq};
use serde_json::Value;

/// A frame from a client: its answer is JSON, and an echo holds what was said.
pub fn frame(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let answer = answer(text);
    let echoed = answer.strip_prefix(r#"{"type":"echo","data":"#).and_then(|rest| rest.strip_suffix('}'));
    match (serde_json::from_str::<Value>(text), echoed) {
        (Ok(said), Some(echoed)) => {
            let echoed: Value = serde_json::from_str(echoed).expect("an echo is JSON");
            assert_eq!(said, echoed);
        }
        (Ok(said), None) => {
            assert_eq!(answer, r#"{"type":"pong"}"#);
            assert_eq!(said["type"], "ping");
        }
        (Err(_), _) => assert_eq!(answer, r#"{"type":"error","message":"Invalid JSON"}"#),
    }
}

/// A payload of a person's group, or of the instances': what is told by its number has
/// that number.
pub fn payload(bytes: &[u8]) {
    // Whatever it is, it is taken for an ending or passed over.
    let _ = serde_json::from_slice::<SessionsEnded>(bytes);
    let Some(number) = seq(bytes) else { return };
    assert!(bytes.trim_ascii().starts_with(b"{") && bytes.trim_ascii().ends_with(b"}"));
    // Stricter than a frame need be: depth, size of numbers, halves of surrogate pairs.
    if let Ok(frame) = serde_json::from_slice::<Value>(bytes) {
        assert_eq!(frame.get("seq").and_then(Value::as_i64), number);
    }
}
