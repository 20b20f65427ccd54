//! A reader is a client with one socket. It keeps a cursor, detects a dead connection and
//! reconnects, as the project's own client does.

use super::clock::Clock;
use super::history::{AcceptedEvent, ClientHistory};
use super::sender::addressee;
use crate::frame::{Frame, Identity, NewMessage};
use crate::http::Endpoint;
use crate::people::Person;
use crate::socket::{Dial, Socket, next_text};
use anyhow::{Context, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// How long a handshake and the first frame may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// The interval between pings of the client.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// A connection is dead when nothing has been received for this long: the interval of a
/// ping and two seconds for its pong.
pub const DEAD_AFTER: Duration = Duration::from_secs(3);

/// Bounds of the delay before reconnecting. Each delay is random between zero and a
/// bound that starts at the minimum and doubles up to the maximum.
const MIN_BACKOFF_MS: u64 = 100;
const MAX_BACKOFF_MS: u64 = 1000;

/// How a reader connects to the cluster.
#[derive(Debug, Clone)]
pub struct Route {
    /// The address of nginx.
    pub endpoint: Endpoint,
    /// The proxy, for readers that connect through it.
    pub proxy: Option<SocketAddr>,
    /// A small receive buffer, for readers that stop reading.
    pub receive_buffer_bytes: Option<u32>,
}

/// A handle to a running client.
#[derive(Debug)]
pub struct Reader {
    /// The index of the person.
    pub person: usize,
    progress: AtomicU64,
    connected: AtomicBool,
    paused: watch::Sender<bool>,
    /// While locked: no await.
    history: Mutex<ClientHistory>,
}

impl Reader {
    /// Starts a client that runs until the program ends.
    #[must_use]
    pub fn start(person: usize, owner: Person, route: Route, clock: Clock) -> Arc<Self> {
        let reader = Arc::new(Self {
            person,
            progress: AtomicU64::new(0),
            connected: AtomicBool::new(false),
            paused: watch::Sender::new(false),
            history: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&reader).run(owner, route, clock));
        reader
    }

    /// Whether the client is connected and has every event up to `seq`.
    #[must_use]
    pub fn is_current(&self, seq: u64) -> bool {
        self.connected.load(Ordering::Relaxed) && self.progress.load(Ordering::Relaxed) >= seq
    }

    /// Describes the client's position and connection, to diagnose why it is behind.
    #[must_use]
    pub fn status(&self) -> String {
        let connected = self.connected.load(Ordering::Relaxed);
        let (cursor, last_error) = self.edit(|history| (history.cursor(), history.last_error.clone()));
        let state = if connected { "connected".to_owned() } else { format!("not connected: {last_error}") };
        format!("person {} at {cursor}, {state}", self.person)
    }

    /// Makes the client stop reading, or continue.
    pub fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    /// Returns a copy of the history so far.
    #[must_use]
    pub fn history(&self) -> ClientHistory {
        self.edit(|history| history.clone())
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut ClientHistory) -> T) -> T {
        edit(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn run(self: Arc<Self>, owner: Person, route: Route, clock: Clock) {
        let mut failures = 0;
        loop {
            match self.connect(&owner, &route).await {
                Ok(socket) => {
                    failures = 0;
                    self.connected.store(true, Ordering::Relaxed);
                    let cause = self.read(socket, clock).await;
                    self.connected.store(false, Ordering::Relaxed);
                    self.edit(|history| history.closed(&cause));
                }
                Err(error) => {
                    failures += 1;
                    self.edit(|history| history.last_error = format!("{error:#}"));
                }
            }
            let bound_ms = (MIN_BACKOFF_MS << failures.min(10)).min(MAX_BACKOFF_MS);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=bound_ms))).await;
        }
    }

    async fn connect(&self, owner: &Person, route: &Route) -> anyhow::Result<Socket> {
        let (reconnects, cursor) = self.edit(|history| (history.connects > 0, history.cursor()));
        let dial = Dial {
            endpoint: &route.endpoint,
            proxy: route.proxy,
            token: &owner.token,
            cursor: reconnects.then_some(cursor),
            receive_buffer_bytes: route.receive_buffer_bytes,
        };
        let opening = async {
            let mut socket = dial.open().await?;
            let text = next_text(&mut socket).await?;
            anyhow::Ok((socket, text))
        };
        let (socket, text) = tokio::time::timeout(HANDSHAKE_TIMEOUT, opening).await??;
        let frame = Frame::parse(&text)?;
        ensure!(frame.kind == "connection_established", "the first frame is {text}");
        let seq = frame.seq.context("the first frame has no seq")?;
        self.edit(|history| {
            if frame.user_id != Some(owner.id) {
                history.misdelivered += 1;
            }
            if !reconnects {
                history.first = seq;
                self.progress.store(seq, Ordering::Relaxed);
            }
            history.connects += 1;
        });
        Ok(socket)
    }

    /// Reads until the connection ends; returns why it ended.
    async fn read(&self, mut socket: Socket, clock: Clock) -> String {
        let mut paused = self.paused.subscribe();
        let mut last_received = Instant::now();
        let mut ping = tokio::time::interval(PING_INTERVAL);
        loop {
            if *paused.borrow_and_update() {
                if paused.wait_for(|paused| !paused).await.is_err() {
                    return "end".to_owned();
                }
                last_received = Instant::now();
            }
            tokio::select! {
                // Read what has arrived before concluding that nothing has.
                biased;
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        last_received = Instant::now();
                        self.receive(&text, clock.now_ms());
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return frame.map_or(1005, |frame| u16::from(frame.code)).to_string();
                    }
                    Some(Ok(_)) => last_received = Instant::now(),
                    Some(Err(_)) | None => return "cut".to_owned(),
                },
                _ = paused.changed() => {}
                _ = ping.tick() => {
                    if last_received.elapsed() >= DEAD_AFTER {
                        return "silent".to_owned();
                    }
                    if socket.send(Message::text(r#"{"type":"ping"}"#)).await.is_err() {
                        return "cut".to_owned();
                    }
                }
            }
        }
    }

    fn receive(&self, text: &str, at_ms: u64) {
        let Ok(frame) = Frame::parse(text) else {
            return;
        };
        let Some(seq) = frame.seq else {
            return;
        };
        let data = frame.data.map_or("", RawValue::get);
        self.edit(|history| {
            if frame.kind == "resync_required" {
                // A page reloads over REST here and continues from this seq.
                history.resync(seq, at_ms);
            } else {
                if is_for_another(&frame.kind, data, self.person) {
                    history.misdelivered += 1;
                }
                let identity = Identity::of(&frame.kind, data);
                history.record(AcceptedEvent { seq, identity, at_ms });
            }
            self.progress.store(history.cursor(), Ordering::Relaxed);
        });
    }
}

fn is_for_another(kind: &str, data: &str, person: usize) -> bool {
    kind == "new_message"
        && serde_json::from_str(data)
            .ok()
            .and_then(|message: NewMessage<'_>| addressee(&message.content))
            .is_some_and(|addressee| addressee != person)
}
