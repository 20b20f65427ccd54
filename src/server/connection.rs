//! A connection is a TCP stream whose client may not take forever over a request or an answer.
//!
//! The HTTP library bounds the head of a connection's first request only. Without more, a
//! client that was answered once could send a byte a second of its next head, or of a body
//! that nobody reads any more, or take a byte a second of an answer, and keep its connection
//! for as long as it likes.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a client may go on sending without anything being said to it. An honest request
/// takes less: its body has 20 s, hashing a password waits for 10 s, a database call for some
/// 11 s.
const SENDING_LIMIT: Duration = Duration::from_secs(60);

/// How long a client may leave a part of an answer untaken, and how much longer for each byte
/// that it takes meanwhile: 64 kbit/s.
const TAKING_LIMIT: Duration = Duration::from_secs(60);
const TAKING_A_BYTE: Duration = Duration::from_micros(1_000_000 / 8_192);

/// Tells a connection that it is a socket from now on.
#[derive(Clone, Debug, Default)]
pub struct Switch(Rc<Cell<bool>>);

impl Switch {
    /// A socket is left alone: it is pinged, and what it sends and takes has bounds of its own.
    pub fn to_socket(&self) {
        self.0.set(true);
    }
}

/// A stream that ends when its client has sent for too long without having been answered, and
/// fails when it has taken an answer too slowly.
///
/// It ends as if the client had closed its side: a request that is being worked on still gets
/// its answer, and what is there in part is dropped.
pub struct Connection {
    stream: TcpStream,
    switch: Switch,
    sending: Duration,
    taking: Duration,
    /// The limit after the first byte since the last write.
    sent_until: Option<Instant>,
    /// The limit after the first write that found no room, moved on by what is taken.
    taken_until: Option<Instant>,
    /// Wakes whoever reads. It is moved on with the deadline, and not taken back when that is
    /// no more: waking too early costs less than a change of timers for each answer. Who takes
    /// nothing at all needs none: the kernel ends their connection.
    alarm: Pin<Box<Sleep>>,
    has_ended: bool,
}

impl Connection {
    /// Watches a stream.
    pub fn new(stream: TcpStream) -> Self {
        Self::with_limits(stream, SENDING_LIMIT, TAKING_LIMIT)
    }

    fn with_limits(stream: TcpStream, sending: Duration, taking: Duration) -> Self {
        Self {
            stream,
            switch: Switch::default(),
            sending,
            taking,
            sent_until: None,
            taken_until: None,
            alarm: Box::pin(sleep(sending)),
            has_ended: false,
        }
    }

    /// Returns what tells it that it is a socket.
    pub fn switch(&self) -> Switch {
        self.switch.clone()
    }

    fn is_socket(&self) -> bool {
        self.switch.0.get()
    }

    /// Wakes the task when the earliest deadline is over.
    fn arm(&mut self, context: &mut Context<'_>) {
        let Some(earliest) = self.sent_until.into_iter().chain(self.taken_until).min() else { return };
        if self.alarm.deadline() != earliest {
            self.alarm.as_mut().reset(earliest);
        }
        if self.alarm.as_mut().poll(context).is_ready() {
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
        if self.is_socket() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        if self.has_ended || is_over(self.sent_until) {
            self.has_ended = true;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.sent_until.is_none() && buffer.filled().len() > before {
            self.sent_until = Some(Instant::now() + self.sending);
        }
        if read.is_pending() {
            self.arm(context);
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
        if self.is_socket() {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        self.sent_until = None;
        if is_over(self.taken_until) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        match written {
            Poll::Ready(Ok(taken)) => {
                let longer = TAKING_A_BYTE * u32::try_from(taken).unwrap_or(u32::MAX);
                self.taken_until = self.taken_until.map(|deadline| deadline + longer);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.taken_until = self.taken_until.or_else(|| Some(Instant::now() + self.taking));
                self.arm(context);
            }
        }
        written
    }

    /// All that there was to write has been written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.taken_until = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::{interval, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);
    const NO_LIMIT: Duration = Duration::from_secs(60);
    /// Long enough to be sure that nothing more comes.
    const LONG: Duration = Duration::from_millis(500);

    async fn pair(sending: Duration, taking: Duration) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (Connection::with_limits(stream, sending, taking), client)
    }

    /// Reads to the end, and returns how long that took.
    async fn read_to_end(connection: &mut Connection) -> Duration {
        let started = Instant::now();
        timeout(NO_LIMIT, connection.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
        started.elapsed()
    }

    #[tokio::test]
    async fn who_begins_a_request_and_falls_silent_is_cut_off() {
        let (mut connection, mut client) = pair(LIMIT, NO_LIMIT).await;
        client.write_all(b"GET").await.unwrap();
        assert!(read_to_end(&mut connection).await >= LIMIT);
    }

    #[tokio::test]
    async fn who_goes_on_sending_is_cut_off_and_answered_still() {
        let (mut connection, client) = pair(LIMIT, NO_LIMIT).await;
        let (mut answers, mut requests) = client.into_split();
        let sending = tokio::spawn(async move {
            let mut ticks = interval(LIMIT / 10);
            while requests.write_all(b"a").await.is_ok() {
                ticks.tick().await;
            }
        });
        assert!(read_to_end(&mut connection).await >= LIMIT);
        connection.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        answers.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
        sending.abort();
    }

    #[tokio::test]
    async fn an_answer_ends_the_wait() {
        let (mut connection, mut client) = pair(LIMIT, NO_LIMIT).await;
        client.write_all(b"a").await.unwrap();
        connection.read_u8().await.unwrap();
        connection.write_all(b"answer").await.unwrap();
        assert!(timeout(LONG, connection.read_u8()).await.is_err(), "it is kept");
        // And begins anew with the next request.
        client.write_all(b"a").await.unwrap();
        assert!(read_to_end(&mut connection).await >= LIMIT);
    }

    #[tokio::test]
    async fn a_socket_is_left_alone() {
        let (mut connection, mut client) = pair(LIMIT, LIMIT).await;
        client.write_all(b"aa").await.unwrap();
        connection.read_u8().await.unwrap();
        connection.switch().to_socket();
        connection.read_u8().await.unwrap();
        assert!(timeout(LONG, connection.read_u8()).await.is_err(), "it is kept");
        let flood = async { while connection.write_all(&[0; 1 << 16]).await.is_ok() {} };
        assert!(timeout(LONG, flood).await.is_err(), "it waits");
    }

    #[tokio::test]
    async fn who_takes_too_little_of_an_answer_is_cut_off() {
        let (mut connection, client) = pair(NO_LIMIT, LIMIT).await;
        let (mut answers, _requests) = client.into_split();
        let taking = tokio::spawn(async move {
            let mut ticks = interval(LIMIT / 10);
            while answers.read_u8().await.is_ok() {
                ticks.tick().await;
            }
        });
        let answer = async { while connection.write_all(&[0; 1 << 16]).await.is_ok() {} };
        timeout(NO_LIMIT, answer).await.unwrap();
        assert_eq!(connection.write(b"more").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        taking.abort();
    }

    #[tokio::test]
    async fn who_takes_it_as_it_comes_gets_all_of_it() {
        const BYTES: usize = 64 << 20;
        let (mut connection, mut client) = pair(NO_LIMIT, LIMIT).await;
        let taking = tokio::spawn(async move {
            let (mut buffer, mut taken) = (vec![0; 1 << 16], 0);
            while taken < BYTES {
                taken += client.read(&mut buffer).await.unwrap();
            }
        });
        connection.write_all(&vec![0; BYTES]).await.unwrap();
        connection.flush().await.unwrap();
        timeout(NO_LIMIT, taking).await.unwrap().unwrap();
    }
}
