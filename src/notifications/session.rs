//! A session is one socket's life, from connect to close.
//!
//! It is one future over the TCP stream, which HTTP has handed over. It sends what its [`Feed`]
//! returns, and responds to what the client sends; either ends it. What the kernel does not take
//! waits in an [`Outbox`], and nothing more is taken from the feed meanwhile. Only the session
//! itself ever waits for its socket.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use bytestring::ByteString;
use serde_json::{Value, json};
use tracing::field::display;

use super::close_reason::CloseReason;
use super::closing;
use super::feed::{Feed, Item};
use super::frame::Frame;
use super::inbound::{ClientFrame, Inbound};
use super::model::AccountPosition;
use super::outbox::{Failure, Outbox};
use super::roster::Registration;
use super::session_handle::Signal;
use super::shared::Shared;
use crate::auth::Account;
use crate::telemetry::Span;

/// The bytes of an outbox beyond which no further frame of the feed is taken.
const MAX_OUTBOX_BYTES: usize = 32 * 1024;

/// The most messages of a client in one round.
const MAX_MESSAGES: usize = 64;

/// How often a session writes before it lets the other sockets of its thread go on.
const MAX_ROUNDS: usize = 4;

/// One socket and what serves it.
///
/// Every idle socket has one, so its size matters: it stays in its box.
pub(super) struct Session {
    pub(super) stream: TcpStream,
    pub(super) inbound: Inbound,
    pub(super) feed: Feed,
    pub(super) registration: Registration,
    pub(super) shared: Arc<Shared>,
    /// What the kernel has not taken yet, if anything.
    pub(super) outbox: Option<Box<Outbox>>,
}

impl Session {
    /// Sends the greeting, then serves the socket until either side closes it.
    pub(super) async fn run(mut self: Box<Self>, greeting: ByteString) {
        self.outbox.get_or_insert_with(Outbox::take_spare).push(Frame::text(greeting));
        self.registration.set_sent(self.feed.sent());
        self.shared.metrics.sockets_opened.inc();
        let reason = poll_fn(|context| self.poll(context)).await;
        // Boxed, so that it takes no memory before.
        Box::pin(self.close(reason)).await;
    }

    /// Frees everything but the connection, and closes it.
    async fn close(self: Box<Self>, reason: CloseReason) {
        let Self { stream, inbound, feed, registration, shared, outbox } = *self;
        closing::record(&reason, Some(feed.user()), &shared.metrics);
        drop((inbound, feed, registration));
        closing::close(stream, outbox, reason, shared.settings.write_timeout).await;
    }

    /// Is done when the session ends.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<CloseReason> {
        for _ in 0..MAX_ROUNDS {
            match self.poll_round(context) {
                Ok(Progress::Made) => {}
                Ok(Progress::Waiting) => return Poll::Pending,
                Err(reason) => return Poll::Ready(reason),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does what can be done now. An error is the end of the session.
    fn poll_round(&mut self, context: &mut Context<'_>) -> Result<Progress, CloseReason> {
        self.take_signals(context)?;
        let is_blocked = self.poll_write(context)?.is_pending();
        if is_blocked {
            self.feed.read_ahead(context);
            if self.feed.subscription().poll_overflow(context).is_ready() {
                return Err(CloseReason::TooSlow);
            }
        }
        let mut progress = self.respond_all(context)?;
        if !is_blocked {
            self.take_items(context)?;
            if self.outbox.is_some() {
                progress = Progress::Made;
            }
        }
        Ok(progress)
    }

    fn take_signals(&mut self, context: &mut Context<'_>) -> Result<(), CloseReason> {
        while let Poll::Ready(signal) = self.registration.poll_signal(context) {
            match signal {
                Signal::Revoked => return Err(CloseReason::Revoked),
                Signal::Expired => return Err(CloseReason::Expired),
                Signal::Restart => return Err(CloseReason::Restart),
                Signal::Unresponsive => return Err(CloseReason::TooSlow),
                Signal::Heal => self.feed.heal(),
                Signal::Ping => {
                    self.registration.ping_sent();
                    self.outbox().push(Frame::ping());
                }
            }
        }
        Ok(())
    }

    fn outbox(&mut self) -> &mut Outbox {
        self.outbox.get_or_insert_with(Outbox::take_spare)
    }

    /// Writes what waits. Is done when the kernel has taken all of it.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Result<Poll<()>, CloseReason> {
        let Some(outbox) = &mut self.outbox else { return Ok(Poll::Ready(())) };
        match outbox.poll_write(context, &mut self.stream, self.shared.settings.write_timeout) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(Failure::TimedOut)) => return Err(CloseReason::TooSlow),
            Poll::Ready(Err(Failure::Disconnected)) => return Err(CloseReason::Disconnected),
        }
        if let Some(outbox) = self.outbox.take() {
            outbox.keep_spare();
        }
        Ok(Poll::Ready(()))
    }

    /// Responds to one message after the other, while no response waits to be written: a client
    /// that sends and does not read delays only its own responses.
    fn respond_all(&mut self, context: &mut Context<'_>) -> Result<Progress, CloseReason> {
        for _ in 0..MAX_MESSAGES {
            if self.outbox.as_ref().is_some_and(|outbox| outbox.has_response()) {
                return Ok(Progress::Waiting);
            }
            let next = self.inbound.poll_next(context, &mut self.stream, &self.shared.metrics);
            let Poll::Ready(frame) = next else { return Ok(Progress::Waiting) };
            match frame? {
                ClientFrame::Text(text) => {
                    let response = Frame::text(respond(&text).into());
                    self.outbox().push_response(response);
                }
                ClientFrame::Ping(bytes) => self.outbox().push_response(Frame::pong(bytes)),
                ClientFrame::Pong => self.registration.pong_received(),
                ClientFrame::Close(frame) => return Err(CloseReason::ByClient(frame)),
            }
        }
        Ok(Progress::Made)
    }

    /// Takes from the feed what is written in one go.
    fn take_items(&mut self, context: &mut Context<'_>) -> Result<(), CloseReason> {
        while self.outbox.as_ref().is_none_or(|outbox| outbox.bytes() < MAX_OUTBOX_BYTES) {
            match self.feed.poll_next(context) {
                Poll::Ready(Ok(item)) => self.take(item),
                Poll::Ready(Err(_overflow)) => return Err(CloseReason::TooSlow),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn take(&mut self, item: Item) {
        let (seq, text, origin) = match item {
            Item::Frame { seq, text, origin } => (seq, text, origin),
            Item::Resync(seq) => {
                let frame = json!({ "type": "resync_required", "seq": seq }).to_string();
                (None, frame.into(), None)
            }
        };
        let span = Span::delivery(origin.as_deref());
        self.outbox().push(Frame::text(text));
        span.end();
        self.shared.metrics.frames_sent.inc();
        if let Some(origin) = origin {
            self.shared.metrics.delivery_delay_seconds.observe(origin.age_seconds());
            let (user, request) = (self.feed.user(), origin.request_id.as_ref().map(display));
            tracing::debug!(user.id = %user, seq, request.id = request, "delivered");
        }
        self.registration.set_sent(self.feed.sent());
    }
}

/// Whether a session can go on at once.
enum Progress {
    Made,
    Waiting,
}

/// Returns the first frame of a session.
pub(super) fn greeting(account: &Account, position: &AccountPosition) -> ByteString {
    let greeting = json!({
        "type": "connection_established",
        "message": format!("Connected as {}", account.username),
        "user_id": account.id,
        "seq": position.last_seq,
        "read_seq": position.read_seq,
    });
    greeting.to_string().into()
}

/// Returns the response to a client's text: to a command its own, else an echo.
pub fn respond(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Err(_) => r#"{"type":"error","message":"Invalid JSON"}"#.into(),
        Ok(value) if value.get("type").is_some_and(|name| name == "ping") => r#"{"type":"pong"}"#.into(),
        // The text itself, so that numbers and the order of keys stay as they were.
        Ok(_) => format!(r#"{{"type":"echo","data":{}}}"#, text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::respond;

    #[test]
    fn json_is_echoed_as_it_was() {
        assert_eq!(respond(r#" {"b":1.50,"a":[]} "#), r#"{"type":"echo","data":{"b":1.50,"a":[]}}"#);
        assert_eq!(respond("null"), r#"{"type":"echo","data":null}"#);
    }

    #[test]
    fn a_ping_gets_a_pong() {
        assert_eq!(respond(r#"{"type":"ping"}"#), r#"{"type":"pong"}"#);
    }

    #[test]
    fn text_that_only_lenient_parsers_accept_is_not_json() {
        for text in ["", "hello", "NaN", "Infinity", r#""\ud800""#, "{", &"[".repeat(100_000)] {
            assert_eq!(respond(text), r#"{"type":"error","message":"Invalid JSON"}"#);
        }
    }
}
