//! A reader is one client with one socket: it keeps a cursor, notices when the
//! connection is dead, and comes back, as the project's own client does.

use super::account::{Accepted, Account};
use super::clock::Clock;
use super::sender::addressee;
use crate::frame::{Frame, Identity, NewMessage};
use crate::http::Endpoint;
use crate::people::Person;
use crate::socket::{Dial, Socket, first_text};
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

/// Longest wait for a handshake and the first frame.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the client pings.
const PING_EVERY: Duration = Duration::from_secs(1);

/// A connection is dead when nothing has been heard for this long: a ping and
/// two seconds for its answer.
pub const DEAD_AFTER: Duration = Duration::from_secs(3);

/// First and longest wait before connecting again; each is random between zero
/// and a bound that doubles.
const BACKOFF_MS: (u64, u64) = (100, 1000);

/// How a reader reaches the cluster.
#[derive(Debug, Clone)]
pub struct Way {
    /// nginx.
    pub endpoint: Endpoint,
    /// The proxy, for those who go through it.
    pub through: Option<SocketAddr>,
    /// A small buffer, for those who stop reading.
    pub receive_buffer_bytes: Option<u32>,
}

/// One client, as the others see it.
#[derive(Debug)]
pub struct Reader {
    /// Index of the person.
    pub person: usize,
    progress: AtomicU64,
    connected: AtomicBool,
    paused: watch::Sender<bool>,
    // Never held across an await.
    account: Mutex<Account>,
}

impl Reader {
    /// Starts a client that goes on until the program ends.
    #[must_use]
    pub fn start(person: usize, who: Person, way: Way, clock: Clock) -> Arc<Self> {
        let reader = Arc::new(Self {
            person,
            progress: AtomicU64::new(0),
            connected: AtomicBool::new(false),
            paused: watch::Sender::new(false),
            account: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&reader).live(who, way, clock));
        reader
    }

    /// Whether the client is connected and has everything up to that seq.
    #[must_use]
    pub fn is_current(&self, seq: u64) -> bool {
        self.connected.load(Ordering::Relaxed) && self.progress.load(Ordering::Relaxed) >= seq
    }

    /// Says where the client stands, for the one who wonders why it is behind.
    #[must_use]
    pub fn standing(&self) -> String {
        let connected = self.connected.load(Ordering::Relaxed);
        let (cursor, last_error) = self.edit(|account| (account.cursor(), account.last_error.clone()));
        let state = if connected { "connected".to_owned() } else { format!("not connected: {last_error}") };
        format!("person {} at {cursor}, {state}", self.person)
    }

    /// Has the client stop reading, or read on.
    pub fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    /// Returns a copy of the account as it stands.
    #[must_use]
    pub fn account(&self) -> Account {
        self.edit(|account| account.clone())
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut Account) -> T) -> T {
        edit(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn live(self: Arc<Self>, who: Person, way: Way, clock: Clock) {
        let mut failures = 0;
        loop {
            match self.connect(&who, &way).await {
                Ok(socket) => {
                    failures = 0;
                    self.connected.store(true, Ordering::Relaxed);
                    let cause = self.read(socket, clock).await;
                    self.connected.store(false, Ordering::Relaxed);
                    self.edit(|account| account.closed(&cause));
                }
                Err(error) => {
                    failures += 1;
                    self.edit(|account| account.last_error = format!("{error:#}"));
                }
            }
            let most = (BACKOFF_MS.0 << failures.min(10)).min(BACKOFF_MS.1);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=most))).await;
        }
    }

    async fn connect(&self, who: &Person, way: &Way) -> anyhow::Result<Socket> {
        let (comes_back, cursor) = self.edit(|account| (account.connects > 0, account.cursor()));
        let dial = Dial {
            endpoint: &way.endpoint,
            through: way.through,
            token: &who.token,
            cursor: comes_back.then_some(cursor),
            receive_buffer_bytes: way.receive_buffer_bytes,
        };
        let opening = async {
            let mut socket = dial.open().await?;
            let text = first_text(&mut socket).await?;
            anyhow::Ok((socket, text))
        };
        let (socket, text) = tokio::time::timeout(HANDSHAKE_TIMEOUT, opening).await??;
        let frame = Frame::parse(&text)?;
        ensure!(frame.kind == "connection_established", "the first frame is {text}");
        let seq = frame.seq.context("no seq in the first frame")?;
        self.edit(|account| {
            if frame.user_id != Some(who.id) {
                account.misdelivered += 1;
            }
            if !comes_back {
                account.first = seq;
                self.progress.store(seq, Ordering::Relaxed);
            }
            account.connects += 1;
        });
        Ok(socket)
    }

    /// Reads until the connection ends; returns the cause.
    async fn read(&self, mut socket: Socket, clock: Clock) -> String {
        let mut paused = self.paused.subscribe();
        let mut heard = Instant::now();
        let mut ping = tokio::time::interval(PING_EVERY);
        loop {
            if *paused.borrow_and_update() {
                if paused.wait_for(|paused| !paused).await.is_err() {
                    return "end".to_owned();
                }
                heard = Instant::now();
            }
            tokio::select! {
                // What has arrived is read before the silence is judged.
                biased;
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        heard = Instant::now();
                        self.take(&text, clock.now_ms());
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return frame.map_or(1005, |frame| u16::from(frame.code)).to_string();
                    }
                    Some(Ok(_)) => heard = Instant::now(),
                    Some(Err(_)) | None => return "cut".to_owned(),
                },
                _ = paused.changed() => {}
                _ = ping.tick() => {
                    if heard.elapsed() >= DEAD_AFTER {
                        return "silent".to_owned();
                    }
                    if socket.send(Message::text(r#"{"type":"ping"}"#)).await.is_err() {
                        return "cut".to_owned();
                    }
                }
            }
        }
    }

    fn take(&self, text: &str, at_ms: u64) {
        let Ok(frame) = Frame::parse(text) else {
            return;
        };
        let Some(seq) = frame.seq else {
            return;
        };
        let data = frame.data.map_or("", RawValue::get);
        self.edit(|account| {
            if frame.kind == "resync_required" {
                // A page would reload over REST here and go on from that seq. What
                // is skipped shows as lost.
                account.resyncs += 1;
                account.take(Accepted { seq, identity: Identity::Other, at_ms });
            } else {
                if is_for_another(&frame.kind, data, self.person) {
                    account.misdelivered += 1;
                }
                let identity = Identity::of(&frame.kind, data);
                account.take(Accepted { seq, identity, at_ms });
            }
            self.progress.store(account.cursor(), Ordering::Relaxed);
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
