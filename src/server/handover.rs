//! A [`Handover`] passes a connection's TCP stream from HTTP to what continues on it, such as
//! the session of a WebSocket.
//!
//! The **successor** is the future that continues. It gets the stream once the response that
//! permits it, 101, was written and flushed, and with it the **early bytes**: those that the
//! client sent with its request or right after it, and that HTTP has read. From the head of that
//! response on, HTTP reads no more. The dispatcher of actix-http then reads the end of its stream
//! and ends, and its buffers are freed before the successor begins. The successor runs on the connection's own task, so the connection counts
//! for as long as it lasts.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::rt::net::TcpStream;
use actix_web::web::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::future::LocalBoxFuture;

/// Continues on a stream, after the early bytes.
type Successor = Box<dyn FnOnce(TcpStream, BytesMut) -> LocalBoxFuture<'static, ()>>;

/// The handover of one connection. A cheap handle.
#[derive(Clone, Default)]
pub struct Handover(Rc<State>);

#[derive(Default)]
struct State {
    /// What was requested, until it is carried out.
    requested: RefCell<Option<Requested>>,
    /// Whether the head of the response was passed to the connection, or waits to be written.
    is_responded: Cell<bool>,
    /// Whether HTTP has passed on everything that it has read, too.
    is_due: Cell<bool>,
    /// The stream, between the connection and the successor.
    stream: RefCell<Option<TcpStream>>,
}

struct Requested {
    /// The rest of the connection, as HTTP has read it.
    payload: Payload,
    /// What was taken out of the payload: 320 KiB at most, twice what HTTP reads ahead and what a
    /// payload holds.
    early: BytesMut,
    successor: Successor,
}

impl Handover {
    /// Requests that the stream be handed over once a response with the returned body was
    /// written. `payload` is that of the request. If the connection ends before, the successor
    /// is dropped.
    pub fn request(
        &self,
        payload: Payload,
        successor: impl FnOnce(TcpStream, BytesMut) -> LocalBoxFuture<'static, ()> + 'static,
    ) -> HandoverBody {
        let successor: Successor = Box::new(successor);
        self.0.requested.replace(Some(Requested { payload, early: BytesMut::new(), successor }));
        HandoverBody(self.clone())
    }

    /// Returns whether HTTP is to read no more from the stream.
    pub(super) fn stops_reading(&self) -> bool {
        self.0.is_responded.get()
    }

    /// Returns whether the stream is to be handed over when all that HTTP has written is flushed.
    pub(super) fn is_due(&self) -> bool {
        self.0.is_due.get()
    }

    /// Takes the stream out of its connection.
    pub(super) fn put(&self, stream: TcpStream) {
        self.0.stream.replace(Some(stream));
    }

    /// Runs the successor to its end, if the stream was handed over. Called when HTTP has ended.
    pub(super) async fn continued(self) {
        if let Some(successor) = self.successor() {
            successor.await;
        }
    }

    fn successor(self) -> Option<LocalBoxFuture<'static, ()>> {
        let (requested, stream) = (self.0.requested.take(), self.0.stream.take());
        let (Requested { early, successor, .. }, stream) = requested.zip(stream)?;
        Some(successor(stream, early))
    }
}

impl State {
    /// Takes what HTTP has passed to the payload out of it. Returns whether there was anything:
    /// then HTTP may have more, for which the payload had no room.
    fn take_early_bytes(&self, context: &mut Context<'_>) -> bool {
        let mut requested = self.requested.borrow_mut();
        let Some(Requested { payload, early, .. }) = requested.as_mut() else { return false };
        let before = early.len();
        while let Poll::Ready(Some(Ok(bytes))) = Pin::new(&mut *payload).poll_next(context) {
            early.extend_from_slice(&bytes);
        }
        early.len() > before
    }
}

/// The empty body of the response after which the stream is handed over.
///
/// A body is read after the head of its response was put into the dispatcher's buffer, behind
/// all earlier responses: when that buffer is flushed, the client has the whole response.
pub struct HandoverBody(Handover);

impl MessageBody for HandoverBody {
    type Error = Infallible;

    /// Unknown, so that the dispatcher reads it.
    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let state = &self.0.0;
        state.is_responded.set(true);
        if state.take_early_bytes(context) {
            // The dispatcher passes on what it has read before it reads this body again.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        state.is_due.set(true);
        Poll::Ready(None)
    }
}
