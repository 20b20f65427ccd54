//! [`Inbound`] is what a client sends on its socket. It assembles fragmented messages, and
//! bounds both their size and the rate of their frames.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_codec::Decoder;
use actix_http::ws::{CloseReason as CloseFrame, Codec, Frame, Item, ProtocolError};
use actix_web::rt::net::TcpStream;
use actix_web::web::{Bytes, BytesMut};
use bytestring::ByteString;
use tokio::io::{AsyncRead, ReadBuf};

use super::close_reason::CloseReason;
use crate::limits::LocalLimiter;
use crate::telemetry::Metrics;

/// How large one message may be.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// The most bytes of a client's frame beside its payload: two, eight of a length, and four of a
/// mask.
const MAX_HEADER_BYTES: usize = 14;

/// How many bytes are read at once.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    /// What the sockets of this thread read into, one after the other.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// What a client sends, message by message.
pub(super) struct Inbound {
    codec: Codec,
    limiter: LocalLimiter,
    /// What was read and not parsed yet: [`READ_BYTES`] and a frame at most. Without memory when
    /// it is empty.
    unparsed: BytesMut,
    /// The fragments of a message that have been received so far, [`MAX_MESSAGE_BYTES`] at
    /// most.
    fragments: BytesMut,
    /// Whether what is unparsed may have a whole frame.
    may_have_frame: bool,
}

/// A message or control frame of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientFrame {
    Text(ByteString),
    Ping(Bytes),
    Pong,
    Close(Option<CloseFrame>),
}

impl Inbound {
    /// Returns what follows the early bytes, which the client sent before.
    pub(super) fn new(early: BytesMut, limiter: LocalLimiter) -> Self {
        let codec = Codec::new().max_size(MAX_MESSAGE_BYTES);
        let may_have_frame = !early.is_empty();
        Self { codec, limiter, unparsed: early, fragments: BytesMut::new(), may_have_frame }
    }

    /// Waits for the next message or control frame.
    ///
    /// Every frame counts against the limit, also pings and fragments: each costs this
    /// instance the same.
    ///
    /// # Errors
    ///
    /// Why the session ends.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut TcpStream,
        metrics: &Metrics,
    ) -> Poll<Result<ClientFrame, CloseReason>> {
        loop {
            while let Some(frame) = self.parse()? {
                self.limiter.take(metrics).map_err(|_| CloseReason::RateLimited("too many frames"))?;
                if let Some(frame) = self.assemble(frame)? {
                    return Poll::Ready(Ok(frame));
                }
            }
            ready!(self.poll_read(context, stream))?;
        }
    }

    /// Parses the next frame of what was read, if it is complete.
    fn parse(&mut self) -> Result<Option<Frame>, CloseReason> {
        if !self.may_have_frame {
            return Ok(None);
        }
        let parsed = self.codec.decode(&mut self.unparsed).map_err(|error| close_reason(&error))?;
        if parsed.is_none() {
            self.may_have_frame = false;
            if self.unparsed.is_empty() {
                self.unparsed = BytesMut::new();
            } else if self.unparsed.len() > MAX_MESSAGE_BYTES + MAX_HEADER_BYTES {
                // The codec itself notices when the whole frame was read.
                return Err(CloseReason::TooLarge);
            }
        }
        Ok(parsed)
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut TcpStream,
    ) -> Poll<Result<(), CloseReason>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let read = ready!(Pin::new(stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Err(CloseReason::Disconnected));
            }
            self.unparsed.extend_from_slice(buffer.filled());
            self.may_have_frame = true;
            Poll::Ready(Ok(()))
        })
    }

    /// Returns the message that a frame completes, or its control frame.
    fn assemble(&mut self, frame: Frame) -> Result<Option<ClientFrame>, CloseReason> {
        let text = match frame {
            Frame::Text(bytes) => bytes,
            Frame::Ping(bytes) => return Ok(Some(ClientFrame::Ping(bytes))),
            Frame::Pong(_) => return Ok(Some(ClientFrame::Pong)),
            Frame::Close(frame) => return Ok(Some(ClientFrame::Close(frame))),
            Frame::Binary(_) | Frame::Continuation(Item::FirstBinary(_)) => return Err(CloseReason::Binary),
            Frame::Continuation(Item::FirstText(bytes) | Item::Continue(bytes)) => {
                self.add(&bytes)?;
                return Ok(None);
            }
            Frame::Continuation(Item::Last(bytes)) => {
                self.add(&bytes)?;
                std::mem::take(&mut self.fragments).freeze()
            }
        };
        let text = ByteString::try_from(text).map_err(|_| CloseReason::Protocol)?;
        Ok(Some(ClientFrame::Text(text)))
    }

    fn add(&mut self, fragment: &Bytes) -> Result<(), CloseReason> {
        if self.fragments.len() + fragment.len() > MAX_MESSAGE_BYTES {
            return Err(CloseReason::TooLarge);
        }
        self.fragments.extend_from_slice(fragment);
        Ok(())
    }
}

/// Returns why an error of the codec ends the session. It reports frames with reserved bits, such
/// as those of compressed messages, as an I/O error.
fn close_reason(error: &ProtocolError) -> CloseReason {
    match error {
        ProtocolError::Overflow => CloseReason::TooLarge,
        ProtocolError::Io(error) if error.kind() != ErrorKind::InvalidData => CloseReason::Disconnected,
        _ => CloseReason::Protocol,
    }
}
