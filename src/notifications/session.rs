//! A session is one socket's life, from connect to close.
//!
//! It has two halves that run concurrently: one sends what its [`Feed`] returns, the other
//! responds to what the client sends. Either ends the session. Only the session itself ever
//! waits for its socket.

use std::time::Duration;

use actix_ws::Closed;
use bytestring::ByteString;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::field::display;

use super::close_reason::CloseReason;
use super::feed::{Feed, Item};
use super::inbound::{ClientFrame, Inbound};
use super::roster::Registration;
use super::session_handle::{SessionHandle, Signal};
use crate::auth::Account;
use crate::events::Seq;
use crate::ids::UserId;
use crate::settings::Socket;
use crate::telemetry::{CloseLabels, Metrics, Span};

/// How long writing a close frame may take, which takes milliseconds. A client that reads
/// nothing does not get it; the kernel ends its connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// One socket and what serves it.
///
/// Every idle socket has one, so its size matters: it stays in its box, and the halves
/// borrow their fields of it.
pub(super) struct Session {
    pub(super) socket: actix_ws::Session,
    pub(super) inbound: Inbound,
    pub(super) feed: Feed,
    pub(super) registration: Registration,
    pub(super) settings: Socket,
    pub(super) metrics: Metrics,
}

impl Session {
    /// Sends the greeting, then serves the socket until either side closes it.
    pub(super) async fn run(mut self: Box<Self>, greeting: ByteString) {
        let mut sender = Sender {
            socket: self.socket.clone(),
            feed: &mut self.feed,
            session: &self.registration,
            settings: &self.settings,
            metrics: &self.metrics,
        };
        sender.metrics.sockets_opened.inc();
        let reason = tokio::select! {
            reason = sender.send_all(greeting) => reason,
            reason = respond_all(&mut self.socket, &mut self.inbound, &self.registration) => reason,
        };
        drop(sender);
        let Self { socket, metrics, feed, .. } = *self;
        Box::pin(close(socket, reason, Some(feed.user()), &metrics)).await;
    }
}

/// Returns the first frame of a session.
pub(super) fn greeting(account: &Account, last_seq: Seq) -> ByteString {
    let greeting = json!({
        "type": "connection_established",
        "message": format!("Connected as {}", account.username),
        "user_id": account.id,
        "seq": last_seq,
    });
    greeting.to_string().into()
}

/// Closes a socket. What waited for it is freed at once; the connection's own buffers are
/// freed when the client has read them, or when the kernel has ended the connection.
pub(super) async fn close(
    socket: actix_ws::Session,
    reason: CloseReason,
    user: Option<UserId>,
    metrics: &Metrics,
) {
    tracing::info!(user.id = user.map(display), reason = reason.label(), "socket closed");
    metrics.sockets_closed.get_or_create(&CloseLabels { reason: reason.label() }).inc();
    if reason != CloseReason::Disconnected {
        // If the client reads nothing, the kernel ends its connection.
        let _ = timeout(CLOSE_TIMEOUT, socket.close(reason.frame())).await;
    }
}

/// The half that sends.
struct Sender<'a> {
    socket: actix_ws::Session,
    feed: &'a mut Feed,
    session: &'a SessionHandle,
    settings: &'a Socket,
    metrics: &'a Metrics,
}

impl Sender<'_> {
    async fn send_all(&mut self, greeting: ByteString) -> CloseReason {
        self.session.set_sent(self.feed.sent());
        let mut sent = self.send_text(greeting).await;
        while sent.is_ok() {
            sent = tokio::select! {
                item = self.feed.next() => match item {
                    Ok(item) => self.send_item(item).await,
                    Err(_overflow) => Err(CloseReason::TooSlow),
                },
                signal = self.session.next_signal() => match signal {
                    closing @ (Signal::Revoked | Signal::Restart | Signal::Unresponsive) => Err(close_reason(closing)),
                    Signal::Ping => self.send_ping().await,
                    Signal::Heal => {
                        self.feed.heal();
                        Ok(())
                    }
                },
            };
        }
        sent.err().unwrap_or(CloseReason::Disconnected)
    }

    async fn send_item(&mut self, item: Item) -> Result<(), CloseReason> {
        let (seq, text, origin) = match item {
            Item::Frame { seq, text, origin } => (seq, text, origin),
            Item::Resync(seq) => {
                let frame = json!({ "type": "resync_required", "seq": seq }).to_string();
                (None, frame.into(), None)
            }
        };
        let span = Span::delivery(origin.as_deref());
        self.send_text(text).await?;
        span.end();
        self.metrics.frames_sent.inc();
        if let Some(origin) = origin {
            self.metrics.delivery_delay_seconds.observe(origin.age_seconds());
            let (user, request) = (self.feed.user(), origin.request_id.as_ref().map(display));
            tracing::debug!(user.id = %user, seq, request.id = request, "delivered");
        }
        self.session.set_sent(self.feed.sent());
        Ok(())
    }

    /// Passes a frame to the socket, which queues a few, and waits for room in that queue for
    /// the write timeout at most.
    async fn send_text(&mut self, text: ByteString) -> Result<(), CloseReason> {
        tokio::select! {
            biased;
            sent = timeout(self.settings.write_timeout, self.socket.text(text)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(Closed)) => Err(CloseReason::Disconnected),
                Err(_elapsed) => Err(CloseReason::TooSlow),
            },
            _overflow = self.feed.subscription().overflowed() => Err(CloseReason::TooSlow),
            signal = self.session.close_requested() => Err(close_reason(signal)),
        }
    }

    async fn send_ping(&mut self) -> Result<(), CloseReason> {
        self.session.ping_sent();
        match timeout(self.settings.write_timeout, self.socket.ping(b"")).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Closed)) => Err(CloseReason::Disconnected),
            Err(_elapsed) => Err(CloseReason::TooSlow),
        }
    }
}

/// Returns the reason for which a signal closes the session.
fn close_reason(signal: Signal) -> CloseReason {
    match signal {
        Signal::Revoked => CloseReason::Revoked,
        Signal::Restart => CloseReason::Restart,
        _ => CloseReason::TooSlow,
    }
}

/// The half that responds, to one message after the other: a client that sends and does
/// not read delays only its own responses.
async fn respond_all(
    socket: &mut actix_ws::Session,
    inbound: &mut Inbound,
    session: &SessionHandle,
) -> CloseReason {
    loop {
        let responded = match inbound.next().await {
            Ok(ClientFrame::Text(text)) => socket.text(respond(&text)).await,
            Ok(ClientFrame::Ping(bytes)) => socket.pong(&bytes).await,
            Ok(ClientFrame::Pong) => {
                session.pong_received();
                Ok(())
            }
            Ok(ClientFrame::Close(frame)) => return CloseReason::ByClient(frame),
            Err(reason) => return reason,
        };
        if responded.is_err() {
            return CloseReason::Disconnected;
        }
    }
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
