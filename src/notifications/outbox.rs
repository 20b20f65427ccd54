//! An [`Outbox`] is what waits to be written to one socket: frames that the session has taken
//! and the kernel has not.
//!
//! A session has one only while something waits; those that were written are used again by the
//! next session that sends on the same thread.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep, sleep_until};

use super::frame::Frame;

/// The most frames in one system call.
const MAX_FRAMES_AT_ONCE: usize = 16;

/// Frames beyond which the memory of an outbox is freed when it was written.
const MAX_SPARE_FRAMES: usize = 64;

/// What waits to be written to one socket.
#[derive(Default)]
pub(super) struct Outbox {
    frames: VecDeque<Frame>,
    /// How many bytes of the first frame were written.
    written: usize,
    /// All bytes of the frames.
    bytes: usize,
    /// Whether one of them responds to the client.
    has_response: bool,
    /// When the first frame must have been written; none before a write found the kernel's buffer
    /// full.
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why frames were not written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A frame was not written in time.
    TimedOut,
    /// The connection failed.
    Disconnected,
}

thread_local! {
    /// An empty outbox.
    static SPARE: Cell<Option<Box<Outbox>>> = const { Cell::new(None) };
}

impl Outbox {
    /// Returns an empty outbox.
    pub(super) fn take_spare() -> Box<Self> {
        SPARE.take().unwrap_or_default()
    }

    /// Keeps an outbox that was written for the next session.
    pub(super) fn keep_spare(self: Box<Self>) {
        if self.frames.is_empty() && self.frames.capacity() <= MAX_SPARE_FRAMES {
            SPARE.set(Some(self));
        }
    }

    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Adds a frame that responds to the client.
    pub(super) fn push_response(&mut self, frame: Frame) {
        self.has_response = true;
        self.push(frame);
    }

    /// Returns how many bytes its frames have.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether a response waits to be written.
    pub(super) const fn has_response(&self) -> bool {
        self.has_response
    }

    /// Drops every frame of which nothing was written yet. What is left has the whole write
    /// timeout again.
    pub(super) fn truncate(&mut self) {
        self.deadline = None;
        self.frames.truncate(usize::from(self.written > 0));
        self.bytes = self.frames.iter().map(Frame::len).sum();
    }

    /// Writes all frames. Is done when the kernel has taken them.
    ///
    /// # Errors
    ///
    /// [`Failure`], if the client does not read one within `timeout`, or is gone.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut TcpStream,
        timeout: Duration,
    ) -> Poll<Result<(), Failure>> {
        while !self.frames.is_empty() {
            match self.poll_write_once(context, stream) {
                Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => return Poll::Ready(Err(Failure::Disconnected)),
                Poll::Ready(Ok(count)) => {
                    if self.advance(count) {
                        self.deadline = None;
                    }
                }
                Poll::Pending => {
                    ready!(self.poll_deadline(context, timeout));
                    return Poll::Ready(Err(Failure::TimedOut));
                }
            }
        }
        (self.deadline, self.timer, self.has_response) = (None, None, false);
        Poll::Ready(Ok(()))
    }

    fn poll_write_once(&self, context: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); 2 * MAX_FRAMES_AT_ONCE];
        let mut start = self.written;
        for (frame, pair) in self.frames.iter().zip(slices.chunks_exact_mut(2)) {
            pair.copy_from_slice(&frame.slices(start));
            start = 0;
        }
        let used = self.frames.len().min(MAX_FRAMES_AT_ONCE) * 2;
        Pin::new(stream).poll_write_vectored(context, &slices[..used])
    }

    /// Records that so many bytes were written. Returns whether a frame is complete.
    fn advance(&mut self, count: usize) -> bool {
        self.written += count;
        let before = self.frames.len();
        while let Some(first) = self.frames.front()
            && self.written >= first.len()
        {
            self.written -= first.len();
            self.bytes -= first.len();
            self.frames.pop_front();
        }
        self.frames.len() < before
    }

    /// Is done when the first frame was not written in time.
    fn poll_deadline(&mut self, context: &mut Context<'_>, timeout: Duration) -> Poll<()> {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + timeout);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            ready!(timer.as_mut().poll(context));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            // It was set for an earlier frame.
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);
    /// Longer than a test takes.
    const NONE: Duration = Duration::from_secs(60);
    /// More than the kernel buffers.
    const LARGE: usize = 16 << 20;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, client)
    }

    async fn write(outbox: &mut Outbox, stream: &mut TcpStream, timeout: Duration) -> Result<(), Failure> {
        poll_fn(|context| outbox.poll_write(context, stream, timeout)).await
    }

    #[tokio::test]
    async fn frames_are_written_in_order_however_many_there_are() {
        let (mut stream, mut client) = pair().await;
        let mut outbox = Outbox::default();
        let texts: Vec<String> = (0..100).map(|number| format!("frame {number}")).collect();
        texts.iter().for_each(|text| outbox.push(Frame::text(text.as_str().into())));
        let mut expected = Vec::new();
        for text in &texts {
            expected.extend([0x81, u8::try_from(text.len()).unwrap()]);
            expected.extend(text.as_bytes());
        }
        assert_eq!(outbox.bytes(), expected.len());
        write(&mut outbox, &mut stream, NONE).await.unwrap();
        assert_eq!(outbox.bytes(), 0);
        drop(stream);
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, expected);
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_fails_in_time_and_may_get_the_rest_of_its_frame_later() {
        let (mut stream, mut client) = pair().await;
        let mut outbox = Outbox::default();
        outbox.push(Frame::text("x".repeat(LARGE).into()));
        outbox.push_response(Frame::text("dropped".into()));
        let started = Instant::now();
        assert_eq!(write(&mut outbox, &mut stream, SHORT).await, Err(Failure::TimedOut));
        assert!(started.elapsed() >= SHORT && outbox.has_response());
        outbox.truncate();
        outbox.push(Frame::close(None));
        let reading = tokio::spawn(async move {
            let mut received = Vec::new();
            client.read_to_end(&mut received).await.unwrap();
            received
        });
        write(&mut outbox, &mut stream, NONE).await.unwrap();
        drop(stream);
        let received = reading.await.unwrap();
        assert_eq!((received.len(), received.ends_with(&[0x88, 0])), (10 + LARGE + 2, true));
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_noticed() {
        let (mut stream, client) = pair().await;
        drop(client);
        let mut outbox = Outbox::default();
        outbox.push(Frame::text("x".repeat(LARGE).into()));
        assert_eq!(write(&mut outbox, &mut stream, NONE).await, Err(Failure::Disconnected));
    }
}
