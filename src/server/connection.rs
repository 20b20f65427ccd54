//! A [`Connection`] is a TCP stream whose client has a bounded time to send a request and to
//! read a response.
//!
//! actix-http bounds the head of a connection's first request only. Without further bounds, a
//! client that got one response could send a byte a second of its next head, or of a body
//! that is no longer read, or read a byte a second of a response, and keep its connection for
//! any time. Nor does it bound an idle connection well: its timer starts anew whenever the
//! connection's task is woken.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::handover::Handover;

/// How long a client may go on sending without getting a response. A well-behaved request
/// takes less: its body has 20 s, hashing a password waits for 10 s, a database call for some
/// 11 s.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a client may leave a part of a response unread, and how much longer for each byte
/// that it reads meanwhile: 64 kbit/s.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
const WRITE_TIME_PER_BYTE: Duration = Duration::from_micros(1_000_000 / 8_192);

/// A stream that ends when its client sends for too long without getting a response, and
/// fails when the client reads a response too slowly.
///
/// It ends as if the client had closed its side: a request that is being handled still gets
/// its response, and an incomplete one is dropped.
pub struct Connection {
    /// None once it was handed over.
    stream: Option<TcpStream>,
    handover: Handover,
    read_timeout: Duration,
    write_timeout: Duration,
    keep_alive: Duration,
    /// Set by the first byte read after the last write.
    read_deadline: Option<Instant>,
    /// Set by the first write that finds the kernel's buffer full, moved on by what the client
    /// reads.
    write_deadline: Option<Instant>,
    /// Set when a response was written, until the first byte of the next request.
    idle_deadline: Option<Instant>,
    /// Wakes the reading task. It is moved on with the deadlines and not reset when there is
    /// none: an early wake-up costs less than a timer for each response. A client that reads
    /// nothing at all needs none: the kernel ends its connection.
    timer: Pin<Box<Sleep>>,
    has_ended: bool,
}

impl Connection {
    /// Returns a bounded stream, which ends when its client leaves it idle for `keep_alive`.
    pub fn new(stream: TcpStream, keep_alive: Duration) -> Self {
        Self::with_timeouts(stream, READ_TIMEOUT, WRITE_TIMEOUT, keep_alive)
    }

    fn with_timeouts(
        stream: TcpStream,
        read_timeout: Duration,
        write_timeout: Duration,
        keep_alive: Duration,
    ) -> Self {
        Self {
            stream: Some(stream),
            handover: Handover::default(),
            read_timeout,
            write_timeout,
            keep_alive,
            read_deadline: None,
            write_deadline: None,
            idle_deadline: None,
            timer: Box::pin(sleep(read_timeout)),
            has_ended: false,
        }
    }

    /// Returns the handle by which a request takes the stream over.
    pub fn handover(&self) -> Handover {
        self.handover.clone()
    }

    /// Wakes the task at the earliest deadline.
    fn arm(&mut self, context: &mut Context<'_>) {
        let deadlines = [self.read_deadline, self.write_deadline, self.idle_deadline];
        let Some(earliest) = deadlines.into_iter().flatten().min() else { return };
        if self.timer.deadline() != earliest {
            self.timer.as_mut().reset(earliest);
        }
        if self.timer.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
    }
}

fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(Ok(())) };
        if this.has_ended || is_over(this.read_deadline) {
            this.has_ended = true;
            return Poll::Ready(Ok(()));
        }
        if this.handover.stops_reading() {
            // The rest is for the successor. The end of the flush wakes the dispatcher.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.idle_deadline = None;
            this.read_deadline.get_or_insert_with(|| Instant::now() + this.read_timeout);
        }
        if read.is_pending() {
            // Only now: a request that has arrived is read.
            if is_over(this.idle_deadline) {
                this.has_ended = true;
                return Poll::Ready(Ok(()));
            }
            this.arm(context);
        }
        read
    }
}

/// Everything that is written is part of a response.
impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        // No response follows the one after which the stream is handed over.
        let Some(stream) = &mut this.stream else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        (this.read_deadline, this.idle_deadline) = (None, None);
        if is_over(this.write_deadline) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let written = Pin::new(stream).poll_write(context, bytes);
        match written {
            Poll::Ready(Ok(count)) => {
                let longer = WRITE_TIME_PER_BYTE * u32::try_from(count).unwrap_or(u32::MAX);
                this.write_deadline = this.write_deadline.map(|deadline| deadline + longer);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                this.write_deadline =
                    this.write_deadline.or_else(|| Some(Instant::now() + this.write_timeout));
                this.arm(context);
            }
        }
        written
    }

    /// The dispatcher flushes when it has written all of a response.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write_deadline = None;
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        ready!(Pin::new(stream).poll_flush(context))?;
        if self.handover.is_due()
            && let Some(stream) = self.stream.take()
        {
            self.handover.put(stream);
            // The dispatcher reads the end of the stream next, and ends.
            context.waker().wake_by_ref();
        } else if self.read_deadline.is_none() && self.idle_deadline.is_none() {
            self.idle_deadline = Some(Instant::now() + self.keep_alive);
            // The dispatcher may have read before it flushed.
            self.arm(context);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        Pin::new(stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::{interval, timeout};

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);
    /// Longer than a test takes.
    const NONE: Duration = Duration::from_secs(60);
    /// Several times [`SHORT`]: nothing more happens after it.
    const LONG: Duration = Duration::from_millis(500);

    async fn pair(read_timeout: Duration, write_timeout: Duration) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (Connection::with_timeouts(stream, read_timeout, write_timeout, NONE), client)
    }

    /// Reads to the end, and returns how long that took.
    async fn read_to_end(connection: &mut Connection) -> Duration {
        let started = Instant::now();
        timeout(NONE, connection.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
        started.elapsed()
    }

    #[tokio::test]
    async fn a_client_that_stops_within_a_request_is_disconnected() {
        let (mut connection, mut client) = pair(SHORT, NONE).await;
        client.write_all(b"GET").await.unwrap();
        assert!(read_to_end(&mut connection).await >= SHORT);
    }

    #[tokio::test]
    async fn a_client_that_goes_on_sending_is_disconnected_after_its_response() {
        let (mut connection, client) = pair(SHORT, NONE).await;
        let (mut responses, mut requests) = client.into_split();
        let sending = tokio::spawn(async move {
            let mut ticks = interval(SHORT / 10);
            while requests.write_all(b"a").await.is_ok() {
                ticks.tick().await;
            }
        });
        assert!(read_to_end(&mut connection).await >= SHORT);
        connection.write_all(b"response").await.unwrap();
        let mut response = [0; 8];
        responses.read_exact(&mut response).await.unwrap();
        assert_eq!(&response, b"response");
        sending.abort();
    }

    #[tokio::test]
    async fn a_response_resets_the_read_timeout() {
        let (mut connection, mut client) = pair(SHORT, NONE).await;
        client.write_all(b"a").await.unwrap();
        connection.read_u8().await.unwrap();
        connection.write_all(b"response").await.unwrap();
        assert!(timeout(LONG, connection.read_u8()).await.is_err(), "it is kept");
        // It begins again with the next request.
        client.write_all(b"a").await.unwrap();
        assert!(read_to_end(&mut connection).await >= SHORT);
    }

    /// However often the task is woken meanwhile: actix-http starts its own timer anew each time.
    #[tokio::test]
    async fn an_idle_connection_ends_after_its_time_and_a_request_starts_it_anew() {
        let (mut connection, mut client) = pair(LONG, NONE).await;
        connection.keep_alive = LONG;
        for _ in 0..2 {
            client.write_all(b"a").await.unwrap();
            connection.read_u8().await.unwrap();
            connection.write_all(b"response").await.unwrap();
            connection.flush().await.unwrap();
            assert!(timeout(SHORT, connection.read_u8()).await.is_err(), "it is kept");
        }
        let started = Instant::now();
        let mut wakes = interval(SHORT / 10);
        let ended = loop {
            tokio::select! {
                ended = connection.read_u8() => break ended,
                _ = wakes.tick() => {}
            }
        };
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(started.elapsed() >= LONG - SHORT * 2, "{:?}", started.elapsed());
        assert!(started.elapsed() < LONG * 10, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn a_client_that_reads_a_response_too_slowly_is_disconnected() {
        let (mut connection, client) = pair(NONE, SHORT).await;
        let (mut responses, _requests) = client.into_split();
        let reading = tokio::spawn(async move {
            let mut ticks = interval(SHORT / 10);
            while responses.read_u8().await.is_ok() {
                ticks.tick().await;
            }
        });
        let response = async { while connection.write_all(&[0; 1 << 16]).await.is_ok() {} };
        timeout(NONE, response).await.unwrap();
        assert_eq!(connection.write(b"more").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        reading.abort();
    }

    #[tokio::test]
    async fn a_client_that_keeps_reading_gets_a_whole_large_response() {
        const BYTES: usize = 64 << 20;
        let (mut connection, mut client) = pair(NONE, SHORT).await;
        let reading = tokio::spawn(async move {
            let (mut buffer, mut count) = (vec![0; 1 << 16], 0);
            while count < BYTES {
                count += client.read(&mut buffer).await.unwrap();
            }
        });
        connection.write_all(&vec![0; BYTES]).await.unwrap();
        connection.flush().await.unwrap();
        timeout(NONE, reading).await.unwrap().unwrap();
    }
}
