//! The form of a payload in Redis: its bytes, and the mark of the installation and its origin as
//! two more keys at the very end of them if they are a JSON object.
//!
//! ```text
//! {"type":…,"data":…,"seq":5,"mark":"9f…","meta":{"request_id":"…","traceparent":"00-…","committed_us":1764…}}
//! ```
//!
//! `request_id` is present if a request caused it, `traceparent` if its trace is recorded.
//!
//! So other services that subscribe still read JSON. The keys are removed on arrival, in
//! exactly that form and at exactly that place: an object that a client or another service
//! wrote is never changed, whatever it contains.
//!
//! Instances of the version before publish `meta` without a mark, and pass a mark on to their
//! clients, which ignore it: the two versions understand each other.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::super::payload::Payload;
use crate::db::Installation;
use crate::telemetry::{Origin, RequestId, TraceParent};

const MARK: &[u8] = br#","mark":""#;
const META: &[u8] = br#","meta":{"#;
const REQUEST_ID: &[u8] = br#""request_id":""#;
const TRACE_PARENT: &[u8] = br#""traceparent":""#;
const COMMITTED: &[u8] = br#""committed_us":"#;

/// The most bytes of an origin in Redis: the four texts above, an id of 128 characters,
/// a parent, a number of 16 digits, and the punctuation between and after them.
const MAX_ORIGIN_BYTES: usize = META.len()
    + (REQUEST_ID.len() + 128 + 2)
    + (TRACE_PARENT.len() + TraceParent::LENGTH + 2)
    + (COMMITTED.len() + MAX_DIGITS + 2);

/// The bytes of a mark with its key.
const MARK_KEY_BYTES: usize = MARK.len() + Installation::MARK_BYTES + 1;

/// The most digits of a time: enough until the year 2286.
const MAX_DIGITS: usize = 16;

/// What arrived from Redis.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A payload; it has an origin if an instance of this installation published it.
    Payload(Payload),
    /// A payload of another installation.
    Foreign,
}

/// Returns the bytes that an installation with this mark publishes.
pub(super) fn encode(payload: &Payload, mark: &str) -> Bytes {
    let (Some(origin), Some(open)) = (&payload.origin, payload.bytes.strip_suffix(b"}")) else {
        return payload.bytes.clone();
    };
    if !open.starts_with(b"{\"") {
        return payload.bytes.clone();
    }
    let mut wire = BytesMut::with_capacity(open.len() + MARK_KEY_BYTES + MAX_ORIGIN_BYTES);
    wire.put_slice(open);
    wire.put_slice(MARK);
    wire.put_slice(mark.as_bytes());
    wire.put_u8(b'"');
    wire.put_slice(META);
    if let Some(id) = &origin.request_id {
        wire.put_slice(REQUEST_ID);
        wire.put_slice(id.as_str().as_bytes());
        wire.put_slice(b"\",");
    }
    if let Some(parent) = &origin.trace_parent {
        wire.put_slice(TRACE_PARENT);
        wire.put_slice(parent.to_string().as_bytes());
        wire.put_slice(b"\",");
    }
    wire.put_slice(COMMITTED);
    wire.put_slice(origin.committed_us.to_string().as_bytes());
    wire.put_slice(b"}}");
    wire.freeze()
}

/// Returns what an instance of an installation with this mark receives, copied out of the
/// client's buffer.
pub(super) fn decode(wire: &[u8], mark: &str) -> Received {
    let Some((marked, origin)) = split(wire) else {
        return Received::Payload(Bytes::copy_from_slice(wire).into());
    };
    let (open, origin) = match split_mark(marked) {
        Some((_, other)) if other != mark.as_bytes() => return Received::Foreign,
        Some((open, _)) => (open, Some(Arc::new(origin))),
        None => (marked, None),
    };
    let mut bytes = BytesMut::with_capacity(open.len() + 1);
    bytes.put_slice(open);
    bytes.put_u8(b'}');
    Received::Payload(Payload { bytes: bytes.freeze(), origin })
}

/// Splits an object without its last brace into what stands before the mark at its end, and the
/// mark; returns nothing if there is none.
fn split_mark(marked: &[u8]) -> Option<(&[u8], &[u8])> {
    let (open, key) = marked.split_at(marked.len().checked_sub(MARK_KEY_BYTES)?);
    Some((open, key.strip_prefix(MARK)?.strip_suffix(b"\"")?))
}

/// Splits published bytes into the object without its last brace and the origin at its
/// end; returns nothing if there is no origin.
fn split(wire: &[u8]) -> Option<(&[u8], Origin)> {
    let tail = &wire[wire.len().saturating_sub(MAX_ORIGIN_BYTES)..];
    // The last one: the same text may occur before it, in what a user wrote.
    let start = wire.len() - tail.len() + tail.windows(META.len()).rposition(|window| window == META)?;
    let (open, rest) = wire.split_at(start);
    let mut rest = rest.strip_prefix(META)?.strip_suffix(b"}}")?;
    let (mut request_id, mut trace_parent) = (None, None);
    if let Some(after) = rest.strip_prefix(REQUEST_ID) {
        let (text, after) = quoted(after)?;
        (request_id, rest) = (Some(RequestId::parse(text)?), after);
    }
    if let Some(after) = rest.strip_prefix(TRACE_PARENT) {
        let (text, after) = quoted(after)?;
        (trace_parent, rest) = (Some(TraceParent::parse(text)?), after);
    }
    let digits = rest.strip_prefix(COMMITTED)?;
    let is_number = (1..=MAX_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let committed_us = std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()?;
    open.starts_with(b"{\"").then_some((open, Origin { request_id, committed_us, trace_parent }))
}

/// Splits off a text that ends with a quote and a comma.
fn quoted(rest: &[u8]) -> Option<(&str, &[u8])> {
    let end = rest.iter().position(|byte| *byte == b'"')?;
    Some((std::str::from_utf8(&rest[..end]).ok()?, rest[end..].strip_prefix(b"\",")?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::{Received, decode, encode};
    use crate::channel_layer::payload::Payload;
    use crate::telemetry::{Origin, RequestId, TraceParent};

    const MARK: &str = "0123456789abcdef";
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn payload(text: &str, id: Option<&str>) -> Payload {
        with_origin(text, id, None)
    }

    fn with_origin(text: &str, id: Option<&str>, parent: Option<&str>) -> Payload {
        let (request_id, trace_parent) = (id.and_then(RequestId::parse), parent.and_then(TraceParent::parse));
        let origin = Origin { request_id, committed_us: 1_764_000_000_000_000, trace_parent };
        Payload { bytes: Bytes::copy_from_slice(text.as_bytes()), origin: Some(Arc::new(origin)) }
    }

    #[test]
    fn an_origin_is_added_as_the_last_key_and_removed_again() {
        let with_id = payload(r#"{"type":"a","seq":5}"#, Some("8f1e-FRA"));
        let expected = r#"{"type":"a","seq":5,"mark":"0123456789abcdef","meta":{"request_id":"8f1e-FRA","committed_us":1764000000000000}}"#;
        assert_eq!(encode(&with_id, MARK), expected);
        let expected = format!(
            r#"{{"a":1,"mark":"{MARK}","meta":{{"request_id":"8f1e","traceparent":"{PARENT}","committed_us":1764000000000000}}}}"#
        );
        assert_eq!(encode(&with_origin(r#"{"a":1}"#, Some("8f1e"), Some(PARENT)), MARK), expected);
        for id in [None, Some("8f1e-FRA"), Some(&*"x".repeat(128))] {
            for parent in [None, Some(PARENT)] {
                let payload = with_origin(r#"{"type":"a","data":{"meta":{}},"seq":5}"#, id, parent);
                let wire = encode(&payload, MARK);
                assert!(serde_json::from_slice::<serde_json::Value>(&wire).is_ok());
                assert_eq!(decode(&wire, MARK), Received::Payload(payload));
                assert_eq!(decode(&wire, "fedcba9876543210"), Received::Foreign);
            }
        }
    }

    #[test]
    fn payloads_that_are_not_objects_are_published_without_their_origin() {
        for text in ["", "}", "{}", "[]}", "a payload", "{a}"] {
            assert_eq!(encode(&payload(text, Some("id")), MARK), text);
        }
    }

    #[test]
    fn a_payload_of_the_version_before_has_no_origin() {
        for (wire, text) in [
            (r#"{"type":"a","seq":5,"meta":{"committed_us":1}}"#, r#"{"type":"a","seq":5}"#),
            (r#"{"a":"b","mark":"0","meta":{"committed_us":1}}"#, r#"{"a":"b","mark":"0"}"#),
            (
                r#"{"a":",\"mark\":\"fedcba9876543210","meta":{"committed_us":1}}"#,
                r#"{"a":",\"mark\":\"fedcba9876543210"}"#,
            ),
        ] {
            assert_eq!(decode(wire.as_bytes(), MARK), Received::Payload(Bytes::from(text).into()));
        }
    }

    #[test]
    fn payloads_of_other_services_are_not_changed() {
        for text in [
            "",
            "{}",
            r#"{"type":"new_post","data":{"id":5}}"#,
            r#"{"type":"a","meta":{"committed_us":1}} "#,
            r#"{"type":"a","meta":{ "committed_us":1}}"#,
            r#"{"type":"a","meta":{"committed_us":-1}}"#,
            r#"{"type":"a","meta":{"committed_us":}}"#,
            r#"{"type":"a","meta":{"committed_us":12345678901234567}}"#,
            r#"{"type":"a","meta":{"request_id":"a b","committed_us":1}}"#,
            r#"{"type":"a","meta":{"request_id":"a\"","committed_us":1}}"#,
            r#"{"type":"a","meta":{"request_id":"","committed_us":1}}"#,
            r#"{"type":"a","meta":{"committed_us":1,"request_id":"a"}}"#,
            r#"{"type":"a","meta":{"committed_us":1,"more":1}}"#,
            r#"{"type":"a","meta":{"traceparent":"00-0-0-01","committed_us":1}}"#,
            r#"{"type":"a","meta":{"traceparent":"","request_id":"a","committed_us":1}}"#,
            r#"{"meta":{"committed_us":1}}"#,
            r#"{"type":"a","data":{"b":1,"meta":{"committed_us":1}}}"#,
            r#"{"type":"a","data":",\"meta\":{\"committed_us\":1}}"}"#,
            r#","meta":{"committed_us":1}}"#,
        ] {
            let unchanged = Received::Payload(Bytes::from(text).into());
            assert_eq!(decode(text.as_bytes(), MARK), unchanged, "{text}");
        }
    }
}
