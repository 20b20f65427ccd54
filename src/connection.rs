//! A connection is a TCP stream whose client may not take forever over a request.
//!
//! The HTTP library bounds the head of a connection's first request only. Without more, a
//! client that was answered once could send a byte a second of its next head, or of a body
//! that nobody reads any more, and keep its connection for as long as it likes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a client may go on sending without anything being said to it: longer than an honest
/// request takes, whose body has 20 s, and whose work waits for a thread and a database no
/// longer than they.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// How an answer begins that makes a socket of the connection.
const SWITCHING_PROTOCOLS: &[u8] = b"HTTP/1.1 101 ";

/// A stream that ends when its client has sent for too long without having been answered. It
/// ends as if the client had closed its side: a request that is being worked on still gets
/// its answer, and what is there in part is dropped.
///
/// A socket is left alone: it is pinged, and its frames have bounds of their own.
pub struct Connection {
    stream: TcpStream,
    /// The limit after the first byte since the last write.
    deadline: Option<Instant>,
    /// Wakes whoever reads. It is moved on with the deadline, and not taken back when that is
    /// no more: waking too early costs less than a change of timers for each answer.
    alarm: Pin<Box<Sleep>>,
    is_socket: bool,
    is_over: bool,
}

impl Connection {
    /// Watches a stream.
    pub fn new(stream: TcpStream) -> Self {
        let alarm = Box::pin(sleep(REQUEST_LIMIT));
        Self { stream, deadline: None, alarm, is_socket: false, is_over: false }
    }

    /// Whether the client has had its time. If not, whoever reads is woken when it has.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let Some(deadline) = self.deadline else { return false };
        if Instant::now() >= deadline {
            return true;
        }
        if self.alarm.deadline() != deadline {
            self.alarm.as_mut().reset(deadline);
        }
        self.alarm.as_mut().poll(context).is_ready()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over || self.is_late(context) {
            self.is_over = true;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.deadline.is_none() && !self.is_socket && buffer.filled().len() > before {
            self.deadline = Some(Instant::now() + REQUEST_LIMIT);
        }
        read
    }
}

/// Whatever is written is an answer, or the beginning of one.
impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.deadline = None;
        self.is_socket |= bytes.starts_with(SWITCHING_PROTOCOLS);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
