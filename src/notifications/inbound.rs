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
    /// What was read and not parsed yet: [`READ_BYTES`] and a frame at most, or the early bytes.
    /// Without memory when it is empty.
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::future::poll_fn;

    use actix_codec::Encoder;
    use actix_http::ws::Message;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// Returns what a client sends as these messages.
    fn encoded(messages: impl IntoIterator<Item = Message>) -> BytesMut {
        let (mut codec, mut bytes) = (Codec::new().client_mode(), BytesMut::new());
        messages.into_iter().for_each(|message| codec.encode(message, &mut bytes).unwrap());
        bytes
    }

    /// Returns a socket that has these early bytes, and its client.
    async fn connect(early: BytesMut) -> (Inbound, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (Inbound::new(early, LocalLimiter::new("frames_by_socket", None)), stream, client)
    }

    async fn next(inbound: &mut Inbound, stream: &mut TcpStream) -> Result<ClientFrame, CloseReason> {
        let metrics = Metrics::default();
        poll_fn(|context| inbound.poll_next(context, stream, &metrics)).await
    }

    #[tokio::test]
    async fn a_frame_may_begin_with_early_bytes_and_needs_no_memory_afterwards() {
        let sent = encoded([Message::Text("one".into()), Message::Text("two".into())]);
        let (early, rest) = sent.split_at(12);
        let (mut inbound, mut stream, mut client) = connect(early.into()).await;
        assert_eq!(next(&mut inbound, &mut stream).await, Ok(ClientFrame::Text("one".into())));
        client.write_all(rest).await.unwrap();
        assert_eq!(next(&mut inbound, &mut stream).await, Ok(ClientFrame::Text("two".into())));
        drop(client);
        assert_eq!(next(&mut inbound, &mut stream).await, Err(CloseReason::Disconnected));
        assert_eq!(inbound.unparsed.capacity(), 0);
    }

    #[tokio::test]
    async fn a_frame_that_is_too_large_is_not_read_to_its_end() {
        let (mut inbound, mut stream, mut client) = connect(BytesMut::new()).await;
        // A masked text frame of 1 GiB, which the client begins to send.
        client.write_all(&[0x81, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4]).await.unwrap();
        let sending = tokio::spawn(async move { while client.write_all(&[0; 1 << 16]).await.is_ok() {} });
        assert_eq!(next(&mut inbound, &mut stream).await, Err(CloseReason::TooLarge));
        assert!(inbound.unparsed.len() <= MAX_MESSAGE_BYTES + MAX_HEADER_BYTES + READ_BYTES);
        sending.abort();
    }
}
