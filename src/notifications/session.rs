//! A session is one socket's life, from connect to close.
//!
//! Two halves run side by side: one sends what the [`Feed`] passes on, the other
//! answers what the client says. Either ends the session. Nobody but the session ever
//! waits for its socket.

use std::time::Duration;

use actix_ws::Closed;
use bytestring::ByteString;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::field::display;

use super::close_reason::CloseReason;
use super::feed::{Feed, Item};
use super::inbound::{Inbound, Said};
use super::roster::{Place, Signal};
use crate::auth::Account;
use crate::events::Seq;
use crate::ids::UserId;
use crate::settings::Socket;
use crate::telemetry::{CloseLabels, Metrics, Span};

/// How long a closing frame may take to leave: it takes milliseconds. A reader that
/// takes nothing does not get it; the kernel ends its connection.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// One socket and what it is sent.
///
/// There is one for each idle socket, so its size counts: it stays in its box, and the
/// halves borrow their parts of it.
pub(super) struct Session {
    pub(super) socket: actix_ws::Session,
    pub(super) inbound: Inbound,
    pub(super) feed: Feed,
    pub(super) place: Place,
    pub(super) settings: Socket,
    pub(super) metrics: Metrics,
}

impl Session {
    /// Greets, then lives until either side closes.
    pub(super) async fn run(mut self: Box<Self>, greeting: ByteString) {
        let mut sender = Sender {
            socket: self.socket.clone(),
            feed: &mut self.feed,
            place: &self.place,
            settings: &self.settings,
            metrics: &self.metrics,
        };
        sender.metrics.sockets_opened.inc();
        let end = tokio::select! {
            end = sender.send_all(greeting) => end,
            end = respond_all(&mut self.socket, &mut self.inbound, &self.place) => end,
        };
        drop(sender);
        let Self { socket, metrics, feed, .. } = *self;
        Box::pin(close(socket, end, Some(feed.user()), &metrics)).await;
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

/// Closes a socket. What waited for it is freed at once; the connection's own buffers
/// go when the client has taken them, or when the kernel has given the client up.
pub(super) async fn close(
    socket: actix_ws::Session,
    end: CloseReason,
    user: Option<UserId>,
    metrics: &Metrics,
) {
    tracing::info!(user.id = user.map(display), reason = end.label(), "socket closed");
    metrics.sockets_closed.get_or_create(&CloseLabels { reason: end.label() }).inc();
    if end != CloseReason::Disconnected {
        // A client that takes nothing is the kernel's to end.
        let _ = timeout(CLOSE_LIMIT, socket.close(end.reason())).await;
    }
}

/// The half that sends.
struct Sender<'a> {
    socket: actix_ws::Session,
    feed: &'a mut Feed,
    place: &'a Place,
    settings: &'a Socket,
    metrics: &'a Metrics,
}

impl Sender<'_> {
    async fn send_all(&mut self, greeting: ByteString) -> CloseReason {
        self.place.passed_on(self.feed.sent());
        let mut sent = self.text(greeting).await;
        while sent.is_ok() {
            sent = tokio::select! {
                item = self.feed.next() => match item {
                    Ok(item) => self.item(item).await,
                    Err(_overflow) => Err(CloseReason::TooSlow),
                },
                signal = self.place.next_signal() => match signal {
                    closing @ (Signal::Revoked | Signal::Restart | Signal::Unresponsive) => Err(end_of(closing)),
                    Signal::Ping => self.ping().await,
                    Signal::Heal => {
                        self.feed.heal();
                        Ok(())
                    }
                },
            };
        }
        sent.err().unwrap_or(CloseReason::Disconnected)
    }

    async fn item(&mut self, item: Item) -> Result<(), CloseReason> {
        let (seq, frame, origin) = match item {
            Item::Frame(seq, frame, origin) => (seq, frame, origin),
            Item::Resync(seq) => {
                let frame = json!({ "type": "resync_required", "seq": seq }).to_string();
                (None, frame.into(), None)
            }
        };
        let span = Span::delivery(origin.as_deref());
        self.text(frame).await?;
        span.end();
        self.metrics.frames_sent.inc();
        if let Some(origin) = origin {
            self.metrics.delivery_delay_seconds.observe(origin.age_seconds());
            let (user, request) = (self.feed.user(), origin.request_id.as_ref().map(display));
            tracing::debug!(user.id = %user, seq, request.id = request, "delivered");
        }
        self.place.passed_on(self.feed.sent());
        Ok(())
    }

    /// Hands a frame to the socket, which holds a few; waits while it takes none, as
    /// long as it may.
    async fn text(&mut self, frame: ByteString) -> Result<(), CloseReason> {
        tokio::select! {
            biased;
            sent = timeout(self.settings.write_timeout, self.socket.text(frame)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(Closed)) => Err(CloseReason::Disconnected),
                Err(_elapsed) => Err(CloseReason::TooSlow),
            },
            _overflow = self.feed.subscription().overflowed() => Err(CloseReason::TooSlow),
            signal = self.place.told_to_close() => Err(end_of(signal)),
        }
    }

    async fn ping(&mut self) -> Result<(), CloseReason> {
        self.place.pinged();
        match timeout(self.settings.write_timeout, self.socket.ping(b"")).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Closed)) => Err(CloseReason::Disconnected),
            Err(_elapsed) => Err(CloseReason::TooSlow),
        }
    }
}

/// Returns the end that a signal to close means.
fn end_of(signal: Signal) -> CloseReason {
    match signal {
        Signal::Revoked => CloseReason::Revoked,
        Signal::Restart => CloseReason::Restart,
        _ => CloseReason::TooSlow,
    }
}

/// The half that answers, one message after the other: a client that sends and does
/// not read waits for itself.
async fn respond_all(socket: &mut actix_ws::Session, inbound: &mut Inbound, place: &Place) -> CloseReason {
    loop {
        let answered = match inbound.next().await {
            Ok(Said::Text(text)) => socket.text(respond(&text)).await,
            Ok(Said::Ping(bytes)) => socket.pong(&bytes).await,
            Ok(Said::Pong) => {
                place.answered();
                Ok(())
            }
            Ok(Said::Close(reason)) => return CloseReason::ByClient(reason),
            Err(end) => return end,
        };
        if answered.is_err() {
            return CloseReason::Disconnected;
        }
    }
}

/// Returns the answer to what a client says: to a command its own, else an echo.
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
    fn a_ping_is_answered() {
        assert_eq!(respond(r#"{"type":"ping"}"#), r#"{"type":"pong"}"#);
    }

    #[test]
    fn what_only_some_parsers_take_is_no_json() {
        for text in ["", "hello", "NaN", "Infinity", r#""\ud800""#, "{", &"[".repeat(100_000)] {
            assert_eq!(respond(text), r#"{"type":"error","message":"Invalid JSON"}"#);
        }
    }
}
