//! The sockets of a load run: some record what they receive, some stay idle, some
//! never read.

use super::receipts::{Receipts, Stamp};
use super::senders::micros;

use crate::frame::{Frame, NewMessage};
use crate::http::Endpoint;
use crate::people::Person;
use crate::socket::{Dial, Socket, next_text};
use anyhow::Context;
use futures_util::StreamExt;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

/// Concurrent handshakes: enough to keep an instance busy, few enough for its listen
/// queue.
const CONCURRENT_HANDSHAKES: usize = 64;

/// How long a handshake and the first frame may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// Opens one socket for each index of a person in `owners`, and returns them in the
/// same order.
///
/// # Errors
///
/// If one of them is rejected.
pub async fn open(
    endpoint: &Endpoint,
    people: &Arc<[Person]>,
    owners: impl IntoIterator<Item = usize>,
    receive_buffer_bytes: Option<u32>,
) -> anyhow::Result<Vec<(usize, Socket)>> {
    let dials = owners.into_iter().map(|owner| {
        let (endpoint, people) = (endpoint.clone(), Arc::clone(people));
        async move {
            let dial = Dial {
                endpoint: &endpoint,
                proxy: None,
                token: &people[owner].token,
                cursor: None,
                receive_buffer_bytes,
            };
            let opening = async {
                let mut socket = dial.open().await?;
                let text = next_text(&mut socket).await?;
                anyhow::ensure!(
                    Frame::parse(&text)?.user_id == Some(people[owner].id),
                    "the first frame is {text}"
                );
                Ok(socket)
            };
            let socket = tokio::time::timeout(HANDSHAKE_TIMEOUT, opening)
                .await
                .context("the handshake timed out")??;
            anyhow::Ok((owner, socket))
        }
    });
    let mut opened = futures_util::stream::iter(dials).buffered(CONCURRENT_HANDSHAKES);
    let mut sockets = Vec::new();
    while let Some(socket) = opened.next().await {
        sockets.push(socket.with_context(|| format!("socket {}", sockets.len() + 1))?);
    }
    Ok(sockets)
}

/// What all receiving sockets of a run share.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// The run; messages of other runs are ignored.
    pub run: u32,
    /// When the run started.
    pub started: Instant,
    /// The number of sending connections.
    pub senders: usize,
    /// Messages due before this time are excluded from the latency.
    pub counted_from_us: u64,
    /// Deliveries so far on all sockets.
    pub delivered: Arc<AtomicU64>,
    /// Becomes true when the receiving ends.
    pub stop: watch::Receiver<bool>,
}

/// Starts a task for each socket that records what it receives until it is stopped
/// or closed.
pub fn receive(
    sockets: Vec<(usize, Socket)>,
    measurement: &Measurement,
) -> JoinSet<anyhow::Result<(usize, Receipts, Option<String>)>> {
    let mut tasks = JoinSet::new();
    for (owner, socket) in sockets {
        tasks.spawn(receive_one(owner, socket, measurement.clone()));
    }
    tasks
}

async fn receive_one(
    owner: usize,
    mut socket: Socket,
    mut measurement: Measurement,
) -> anyhow::Result<(usize, Receipts, Option<String>)> {
    let mut receipts = Receipts::new(measurement.senders, measurement.counted_from_us)?;
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = measurement.stop.changed() => return Ok((owner, receipts, None)),
        };
        match message {
            Some(Ok(Message::Text(text))) => {
                let now_us = micros(measurement.started.elapsed());
                let Some((seq, stamp)) = parse(&text) else {
                    continue;
                };
                if stamp.run == measurement.run && receipts.record(owner, seq, &stamp, now_us) {
                    measurement.delivered.fetch_add(1, Ordering::Relaxed);
                }
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                return Ok((owner, receipts, Some(code.to_string())));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Ok((owner, receipts, Some("cut".to_owned()))),
        }
    }
}

fn parse(text: &str) -> Option<(Option<u64>, Stamp)> {
    let frame = Frame::parse(text).ok()?;
    let data = frame.data.map(RawValue::get)?;
    if frame.kind != "new_message" {
        return None;
    }
    let message: NewMessage<'_> = serde_json::from_str(data).ok()?;
    Some((frame.seq, Stamp::parse(&message.content)?))
}

/// Starts a task for each idle socket, which returns how and when it was closed.
pub fn keep(sockets: Vec<(usize, Socket)>) -> JoinSet<(String, Instant)> {
    let mut tasks = JoinSet::new();
    for (_, socket) in sockets {
        tasks.spawn(until_closed(socket));
    }
    tasks
}

/// Reads and discards frames until the socket closes; returns the close code, or `cut`
/// if there was none.
pub async fn until_closed(mut socket: Socket) -> (String, Instant) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                return (code.to_string(), Instant::now());
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return ("cut".to_owned(), Instant::now()),
        }
    }
}
