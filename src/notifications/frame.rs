//! A [`Frame`] is one frame that is sent to a client: a header of its own, and a payload that
//! sockets share.

use std::io::IoSlice;

use actix_http::ws::CloseReason as CloseFrame;
use actix_web::web::Bytes;
use bytestring::ByteString;

/// The first byte of a frame that is a whole message, by its kind (RFC 6455, section 5.2).
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// The most bytes of a control frame's payload.
const MAX_CONTROL_BYTES: usize = 125;

/// The most bytes of a header: two, and eight of a length.
const MAX_HEADER_BYTES: usize = 10;

/// One frame that is sent to a client.
#[derive(Debug)]
pub(super) struct Frame {
    header: [u8; MAX_HEADER_BYTES],
    header_bytes: u8,
    payload: Bytes,
}

impl Frame {
    pub(super) fn text(text: ByteString) -> Self {
        Self::new(TEXT, text.into_bytes())
    }

    pub(super) fn ping() -> Self {
        Self::new(PING, Bytes::new())
    }

    /// Returns the reply to a ping, with its payload.
    pub(super) fn pong(payload: Bytes) -> Self {
        Self::new(PONG, payload)
    }

    /// Returns a close frame. A text that is too long is truncated.
    pub(super) fn close(frame: Option<CloseFrame>) -> Self {
        let Some(CloseFrame { code, description }) = frame else { return Self::new(CLOSE, Bytes::new()) };
        let text = description.unwrap_or_default();
        let end = text.floor_char_boundary(MAX_CONTROL_BYTES - size_of::<u16>());
        let payload = [&u16::from(code).to_be_bytes(), &text.as_bytes()[..end]].concat();
        Self::new(CLOSE, payload.into())
    }

    fn new(kind: u8, payload: Bytes) -> Self {
        let mut header = [0; MAX_HEADER_BYTES];
        header[0] = kind;
        let header_bytes = match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length @ ..126), _) => {
                header[1] = length;
                2
            }
            (_, Ok(length)) => {
                header[1] = 126;
                header[2..4].copy_from_slice(&length.to_be_bytes());
                4
            }
            _ => {
                header[1] = 127;
                header[2..10].copy_from_slice(&(payload.len() as u64).to_be_bytes());
                10
            }
        };
        Self { header, header_bytes, payload }
    }

    fn header(&self) -> &[u8] {
        &self.header[..usize::from(self.header_bytes)]
    }

    /// Returns how many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.header().len() + self.payload.len()
    }

    /// Returns its bytes from `start` on, in two parts.
    pub(super) fn slices(&self, start: usize) -> [IoSlice<'_>; 2] {
        let header = self.header();
        let header_start = start.min(header.len());
        let payload_start = (start - header_start).min(self.payload.len());
        [IoSlice::new(&header[header_start..]), IoSlice::new(&self.payload[payload_start..])]
    }
}

#[cfg(test)]
mod tests {
    use actix_codec::Decoder;
    use actix_http::ws::{CloseCode, CloseReason, Codec, Frame as Parsed};
    use actix_web::web::{Bytes, BytesMut};

    use super::Frame;

    /// Returns what a client reads.
    fn parsed(frame: &Frame) -> Option<Parsed> {
        let mut bytes = BytesMut::new();
        frame.slices(0).iter().for_each(|slice| bytes.extend_from_slice(slice));
        assert_eq!(bytes.len(), frame.len());
        let parsed = Codec::new().client_mode().max_size(1 << 20).decode(&mut bytes);
        assert!(bytes.is_empty());
        parsed.ok().flatten()
    }

    #[test]
    fn a_client_reads_what_was_sent() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 100_000] {
            let text = "x".repeat(length);
            assert_eq!(parsed(&Frame::text(text.clone().into())), Some(Parsed::Text(text.into())));
        }
        assert_eq!(parsed(&Frame::ping()), Some(Parsed::Ping(Bytes::new())));
        assert_eq!(parsed(&Frame::pong("a".into())), Some(Parsed::Pong("a".into())));
        assert_eq!(parsed(&Frame::close(None)), Some(Parsed::Close(None)));
    }

    #[test]
    fn the_text_of_a_close_frame_is_truncated_at_a_character() {
        let sent = |text: &str| CloseReason { code: CloseCode::Other(4001), description: Some(text.into()) };
        let expected = Some(sent(&"ä".repeat(61)));
        assert_eq!(parsed(&Frame::close(Some(sent(&"ä".repeat(62))))), Some(Parsed::Close(expected)));
    }

    #[test]
    fn slices_continue_anywhere() {
        let frame = Frame::text("hello".into());
        let whole: Vec<u8> = frame.slices(0).iter().flat_map(|slice| slice.to_vec()).collect();
        for start in 0..=whole.len() {
            let rest: Vec<u8> = frame.slices(start).iter().flat_map(|slice| slice.to_vec()).collect();
            assert_eq!(rest, whole[start..]);
        }
    }
}
