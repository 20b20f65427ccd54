//! [`Inbound`] is what a client sends on its socket. It assembles fragmented messages, and
//! bounds both their size and the rate of their frames.

use std::io::ErrorKind;

use actix_web::web::{Bytes, BytesMut};
use actix_ws::{CloseReason as CloseFrame, Item, Message, MessageStream, ProtocolError};
use bytestring::ByteString;

use super::close_reason::CloseReason;
use crate::limits::LocalLimiter;
use crate::telemetry::Metrics;

/// How large one message may be.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// What a client sends, message by message.
pub(super) struct Inbound {
    frames: MessageStream,
    limiter: LocalLimiter,
    metrics: Metrics,
    /// The fragments of a message that have been received so far, [`MAX_MESSAGE_BYTES`] at
    /// most.
    fragments: BytesMut,
}

/// A message or control frame of a client.
pub(super) enum ClientFrame {
    Text(ByteString),
    Ping(Bytes),
    Pong,
    Close(Option<CloseFrame>),
}

impl Inbound {
    pub(super) fn new(frames: MessageStream, limiter: LocalLimiter, metrics: Metrics) -> Self {
        let frames = frames.max_frame_size(MAX_MESSAGE_BYTES);
        Self { frames, limiter, metrics, fragments: BytesMut::new() }
    }

    /// Waits for the next message or control frame.
    ///
    /// Every frame counts against the limit, also pings and fragments: each costs this
    /// instance the same.
    ///
    /// # Errors
    ///
    /// Why the session ends.
    pub(super) async fn next(&mut self) -> Result<ClientFrame, CloseReason> {
        loop {
            let frame = self
                .frames
                .recv()
                .await
                .ok_or(CloseReason::Disconnected)?
                .map_err(|error| close_reason(&error))?;
            self.limiter.take(&self.metrics).map_err(|_| CloseReason::RateLimited("too many frames"))?;
            match frame {
                Message::Text(text) => return Ok(ClientFrame::Text(text)),
                Message::Ping(bytes) => return Ok(ClientFrame::Ping(bytes)),
                Message::Pong(_) => return Ok(ClientFrame::Pong),
                Message::Close(frame) => return Ok(ClientFrame::Close(frame)),
                Message::Binary(_) | Message::Continuation(Item::FirstBinary(_)) => {
                    return Err(CloseReason::Binary);
                }
                Message::Continuation(Item::FirstText(bytes) | Item::Continue(bytes)) => self.add(&bytes)?,
                Message::Continuation(Item::Last(bytes)) => {
                    self.add(&bytes)?;
                    let message = std::mem::take(&mut self.fragments).freeze();
                    return ByteString::try_from(message)
                        .map(ClientFrame::Text)
                        .map_err(|_| CloseReason::Protocol);
                }
                Message::Nop => {}
            }
        }
    }

    fn add(&mut self, fragment: &Bytes) -> Result<(), CloseReason> {
        if self.fragments.len() + fragment.len() > MAX_MESSAGE_BYTES {
            return Err(CloseReason::TooLarge);
        }
        self.fragments.extend_from_slice(fragment);
        Ok(())
    }
}

/// Returns why an error of the stream ends the session. The library reports text that is
/// not UTF-8 as an I/O error, as it does a connection that has ended.
fn close_reason(error: &ProtocolError) -> CloseReason {
    match error {
        ProtocolError::Overflow => CloseReason::TooLarge,
        ProtocolError::Io(error) if error.kind() == ErrorKind::InvalidData => CloseReason::Protocol,
        ProtocolError::Io(_) => CloseReason::Disconnected,
        _ => CloseReason::Protocol,
    }
}
