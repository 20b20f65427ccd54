//! A session is one socket's life, from connect to close.
//!
//! Two halves run side by side: one sends what the [`Feed`] passes on, the other
//! answers what the client says. Either ends the session. Nobody but the session ever
//! waits for its socket.

use std::io::ErrorKind;
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Closed, ProtocolError};
use bytestring::ByteString;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::feed::{Feed, Item};
use super::roster::{Place, Signal};
use crate::accounts::Account;
use crate::events::Seq;
use crate::settings::Socket;
use crate::telemetry::{CloseLabels, Metrics};

/// What a client may send in one message, in bytes.
pub(super) const MOST_INBOUND: usize = 64 * 1024;

/// How long a closing frame may take to leave: it takes milliseconds. A reader that
/// takes nothing does not get it; the kernel ends its connection.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Why a session ended: every close code of the service is on this page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// 4001: no good token. Only clients that offer `numeneon.v1` get it.
    Refused(&'static str),
    /// 4001: what let the client in was ended.
    SignedOut,
    /// 4008: the client takes frames too slowly, or answers no pings.
    TooSlow,
    /// 1012: the instance stops.
    Restart,
    /// 1013: the database cannot be asked where to begin.
    TryAgain,
    /// 1003: the client sent a binary frame.
    Binary,
    /// 1009: the client sent too much at once.
    TooLarge,
    /// 1002: the client broke the protocol.
    Protocol,
    /// The client closed, and gets its own code back.
    ByClient(Option<CloseReason>),
    /// The connection is gone.
    Gone,
}

impl End {
    fn reason(self) -> Option<CloseReason> {
        let (code, text) = match self {
            Self::Refused(why) => (CloseCode::Other(4001), why),
            Self::SignedOut => (CloseCode::Other(4001), "signed out"),
            Self::TooSlow => (CloseCode::Other(4008), "too slow; resume with your cursor"),
            Self::Restart => (CloseCode::Restart, "the instance restarts; resume with your cursor"),
            Self::TryAgain => (CloseCode::Again, "try again"),
            Self::Binary => (CloseCode::Unsupported, "text frames only"),
            Self::TooLarge => (CloseCode::Size, "64 KiB at most"),
            Self::Protocol => (CloseCode::Protocol, "protocol error"),
            Self::ByClient(reason) => return reason,
            Self::Gone => return None,
        };
        Some(CloseReason { code, description: Some(text.to_owned()) })
    }

    const fn label(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::SignedOut => "signed_out",
            Self::TooSlow => "too_slow",
            Self::Restart => "restart",
            Self::TryAgain => "try_again",
            Self::Binary => "binary",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol",
            Self::ByClient(_) => "by_client",
            Self::Gone => "gone",
        }
    }
}

/// One socket and what it is sent.
///
/// There is one for each idle socket, so its size counts: it stays in its box, and the
/// halves borrow their parts of it.
pub(super) struct Session {
    pub(super) socket: actix_ws::Session,
    pub(super) inbound: AggregatedMessageStream,
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
        let end = tokio::select! {
            end = sender.send_all(greeting) => end,
            end = answer_all(&mut self.socket, &mut self.inbound, &self.place) => end,
        };
        drop(sender);
        let Self { socket, metrics, .. } = *self;
        Box::pin(close(socket, end, &metrics)).await;
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
pub(super) async fn close(socket: actix_ws::Session, end: End, metrics: &Metrics) {
    metrics.sockets_closed.get_or_create(&CloseLabels { reason: end.label() }).inc();
    if end != End::Gone {
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
    async fn send_all(&mut self, greeting: ByteString) -> End {
        self.place.passed_on(self.feed.sent());
        let mut sent = self.text(greeting).await;
        while sent.is_ok() {
            sent = tokio::select! {
                item = self.feed.next() => match item {
                    Ok(item) => self.item(item).await,
                    Err(_overflow) => Err(End::TooSlow),
                },
                signal = self.place.next_signal() => match signal {
                    closing @ (Signal::SignedOut | Signal::Restart | Signal::Silent) => Err(end_of(closing)),
                    Signal::Ping => self.ping().await,
                    Signal::Heal => {
                        self.feed.heal();
                        Ok(())
                    }
                },
            };
        }
        sent.err().unwrap_or(End::Gone)
    }

    async fn item(&mut self, item: Item) -> Result<(), End> {
        let frame = match item {
            Item::Frame(_, frame) => frame,
            Item::Resync(seq) => json!({ "type": "resync_required", "seq": seq }).to_string().into(),
        };
        self.text(frame).await?;
        self.metrics.frames_sent.inc();
        self.place.passed_on(self.feed.sent());
        Ok(())
    }

    /// Hands a frame to the socket, which holds a few; waits while it takes none, as
    /// long as it may.
    async fn text(&mut self, frame: ByteString) -> Result<(), End> {
        tokio::select! {
            biased;
            sent = timeout(self.settings.write_timeout, self.socket.text(frame)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(Closed)) => Err(End::Gone),
                Err(_elapsed) => Err(End::TooSlow),
            },
            _overflow = self.feed.subscription().overflowed() => Err(End::TooSlow),
            signal = self.place.told_to_close() => Err(end_of(signal)),
        }
    }

    async fn ping(&mut self) -> Result<(), End> {
        self.place.pinged();
        match timeout(self.settings.write_timeout, self.socket.ping(b"")).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Closed)) => Err(End::Gone),
            Err(_elapsed) => Err(End::TooSlow),
        }
    }
}

/// Returns the end that a signal to close means.
fn end_of(signal: Signal) -> End {
    match signal {
        Signal::SignedOut => End::SignedOut,
        Signal::Restart => End::Restart,
        _ => End::TooSlow,
    }
}

/// The half that answers, one message after the other: a client that sends and does
/// not read waits for itself.
async fn answer_all(
    socket: &mut actix_ws::Session,
    inbound: &mut AggregatedMessageStream,
    place: &Place,
) -> End {
    while let Some(message) = inbound.next().await {
        let answered = match message {
            Ok(AggregatedMessage::Text(text)) => socket.text(answer(&text)).await,
            Ok(AggregatedMessage::Ping(bytes)) => socket.pong(&bytes).await,
            Ok(AggregatedMessage::Pong(_)) => {
                place.answered();
                Ok(())
            }
            Ok(AggregatedMessage::Binary(_)) => return End::Binary,
            Ok(AggregatedMessage::Close(reason)) => return End::ByClient(reason),
            Err(error) => return broken(&error),
        };
        if answered.is_err() {
            return End::Gone;
        }
    }
    End::Gone
}

/// Returns how an inbound error ends the session. The library reports what is not
/// UTF-8, and a message that is too large only as a whole, as errors of I/O.
fn broken(error: &ProtocolError) -> End {
    match error {
        ProtocolError::Overflow => End::TooLarge,
        ProtocolError::Io(error) if error.kind() == ErrorKind::InvalidData => End::Protocol,
        ProtocolError::Io(error) => match error.get_ref() {
            Some(cause) if !cause.is::<PayloadError>() => End::TooLarge,
            _ => End::Gone,
        },
        _ => End::Protocol,
    }
}

/// Returns the answer to what a client says: to a command its own, else an echo.
fn answer(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Err(_) => r#"{"type":"error","message":"Invalid JSON"}"#.into(),
        Ok(value) if value.get("type").is_some_and(|name| name == "ping") => r#"{"type":"pong"}"#.into(),
        // The text itself, so that numbers and the order of keys stay as they were.
        Ok(_) => format!(r#"{{"type":"echo","data":{}}}"#, text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn json_is_echoed_as_it_was() {
        assert_eq!(answer(r#" {"b":1.50,"a":[]} "#), r#"{"type":"echo","data":{"b":1.50,"a":[]}}"#);
        assert_eq!(answer("null"), r#"{"type":"echo","data":null}"#);
    }

    #[test]
    fn a_ping_is_answered() {
        assert_eq!(answer(r#"{"type":"ping"}"#), r#"{"type":"pong"}"#);
    }

    #[test]
    fn what_only_some_parsers_take_is_no_json() {
        for text in ["", "hello", "NaN", "Infinity", r#""\ud800""#, "{", &"[".repeat(100_000)] {
            assert_eq!(answer(text), r#"{"type":"error","message":"Invalid JSON"}"#);
        }
    }
}
