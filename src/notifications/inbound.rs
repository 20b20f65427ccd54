//! [`Inbound`] is what a client sends on its socket: bounded messages, made whole, from a
//! bounded number of frames.

use std::io::ErrorKind;

use actix_web::web::{Bytes, BytesMut};
use actix_ws::{CloseReason as CloseFrame, Item, Message, MessageStream, ProtocolError};
use bytestring::ByteString;

use super::close_reason::CloseReason;
use crate::limits::LocalLimiter;
use crate::telemetry::Metrics;

/// What a client may send in one message, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// What a client sends.
pub(super) struct Inbound {
    frames: MessageStream,
    meter: LocalLimiter,
    metrics: Metrics,
    /// What has come of a message that comes in parts.
    parts: BytesMut,
}

/// One message of a client.
pub(super) enum Said {
    Text(ByteString),
    Ping(Bytes),
    Pong,
    Close(Option<CloseFrame>),
}

impl Inbound {
    pub(super) fn new(frames: MessageStream, meter: LocalLimiter, metrics: Metrics) -> Self {
        let frames = frames.max_frame_size(MOST_BYTES);
        Self { frames, meter, metrics, parts: BytesMut::new() }
    }

    /// Waits for the next message.
    ///
    /// Every frame counts, also pings and parts of a message that never ends: each costs
    /// this instance the same.
    ///
    /// # Errors
    ///
    /// What ends the session.
    pub(super) async fn next(&mut self) -> Result<Said, CloseReason> {
        loop {
            let frame =
                self.frames.recv().await.ok_or(CloseReason::Disconnected)?.map_err(|error| broken(&error))?;
            self.meter.take(&self.metrics).map_err(|_| CloseReason::RateLimited("too many frames"))?;
            match frame {
                Message::Text(text) => return Ok(Said::Text(text)),
                Message::Ping(bytes) => return Ok(Said::Ping(bytes)),
                Message::Pong(_) => return Ok(Said::Pong),
                Message::Close(reason) => return Ok(Said::Close(reason)),
                Message::Binary(_) | Message::Continuation(Item::FirstBinary(_)) => {
                    return Err(CloseReason::Binary);
                }
                Message::Continuation(Item::FirstText(part) | Item::Continue(part)) => self.add(&part)?,
                Message::Continuation(Item::Last(part)) => {
                    self.add(&part)?;
                    let whole = std::mem::take(&mut self.parts).freeze();
                    return ByteString::try_from(whole).map(Said::Text).map_err(|_| CloseReason::Protocol);
                }
                Message::Nop => {}
            }
        }
    }

    fn add(&mut self, part: &Bytes) -> Result<(), CloseReason> {
        if self.parts.len() + part.len() > MOST_BYTES {
            return Err(CloseReason::TooLarge);
        }
        self.parts.extend_from_slice(part);
        Ok(())
    }
}

/// Returns how an inbound error ends the session. The library reports what is not UTF-8
/// as an error of I/O, as it does a connection that is gone.
fn broken(error: &ProtocolError) -> CloseReason {
    match error {
        ProtocolError::Overflow => CloseReason::TooLarge,
        ProtocolError::Io(error) if error.kind() == ErrorKind::InvalidData => CloseReason::Protocol,
        ProtocolError::Io(_) => CloseReason::Disconnected,
        _ => CloseReason::Protocol,
    }
}
