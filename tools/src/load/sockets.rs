//! The sockets of a load run: those that count what they receive, those that
//! only stay open, and those that never read.

use super::senders::micros;
use super::tally::{Stamp, Tally};
use crate::frame::{Frame, NewMessage};
use crate::http::Endpoint;
use crate::people::Person;
use crate::socket::{Dial, Socket, first_text};
use anyhow::Context;
use futures_util::StreamExt;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

/// Handshakes in flight at once: enough to keep an instance busy, few enough for
/// its listen queue.
const HANDSHAKES_AT_ONCE: usize = 64;

/// Longest wait for a handshake and the first frame.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// Opens sockets for these people, by their index; the answer is in the same
/// order.
///
/// # Errors
/// When one of them is refused.
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
                through: None,
                token: &people[owner].token,
                cursor: None,
                receive_buffer_bytes,
            };
            let opening = async {
                let mut socket = dial.open().await?;
                let text = first_text(&mut socket).await?;
                anyhow::ensure!(
                    Frame::parse(&text)?.user_id == Some(people[owner].id),
                    "the first frame is {text}"
                );
                Ok(socket)
            };
            let socket = tokio::time::timeout(HANDSHAKE_TIMEOUT, opening)
                .await
                .context("a handshake took too long")??;
            anyhow::Ok((owner, socket))
        }
    });
    let mut opened = futures_util::stream::iter(dials).buffered(HANDSHAKES_AT_ONCE);
    let mut sockets = Vec::new();
    while let Some(socket) = opened.next().await {
        sockets.push(socket.with_context(|| format!("socket {}", sockets.len() + 1))?);
    }
    Ok(sockets)
}

/// What all counting sockets share.
#[derive(Debug, Clone)]
pub struct Counting {
    /// The run that is counted.
    pub run: u32,
    /// When it began.
    pub started: Instant,
    /// Connections that send.
    pub senders: usize,
    /// Messages meant to be sent before this moment are not timed.
    pub counts_from_us: u64,
    /// Deliveries so far on all sockets.
    pub delivered: Arc<AtomicU64>,
    /// Becomes true when counting ends.
    pub stop: watch::Receiver<bool>,
}

/// Starts a task for each socket that counts until told to stop or closed.
pub fn count(
    sockets: Vec<(usize, Socket)>,
    counting: &Counting,
) -> JoinSet<anyhow::Result<(usize, Tally, Option<String>)>> {
    let mut tasks = JoinSet::new();
    for (owner, socket) in sockets {
        tasks.spawn(count_one(owner, socket, counting.clone()));
    }
    tasks
}

async fn count_one(
    owner: usize,
    mut socket: Socket,
    mut counting: Counting,
) -> anyhow::Result<(usize, Tally, Option<String>)> {
    let mut tally = Tally::new(counting.senders, counting.counts_from_us)?;
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = counting.stop.changed() => return Ok((owner, tally, None)),
        };
        match message {
            Some(Ok(Message::Text(text))) => {
                let now_us = micros(counting.started.elapsed());
                let Some((seq, stamp)) = read(&text) else {
                    continue;
                };
                if stamp.run == counting.run && tally.take(owner, seq, &stamp, now_us) {
                    counting.delivered.fetch_add(1, Ordering::Relaxed);
                }
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                return Ok((owner, tally, Some(code.to_string())));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Ok((owner, tally, Some("cut".to_owned()))),
        }
    }
}

fn read(text: &str) -> Option<(u64, Stamp)> {
    let frame = Frame::parse(text).ok()?;
    let data = frame.data.map(RawValue::get)?;
    if frame.kind != "new_message" {
        return None;
    }
    let message: NewMessage<'_> = serde_json::from_str(data).ok()?;
    Some((frame.seq?, Stamp::parse(&message.content)?))
}

/// Starts a task for each idle socket; each ends with the cause of its close and
/// the moment of it.
pub fn keep(sockets: Vec<(usize, Socket)>) -> JoinSet<(String, Instant)> {
    let mut tasks = JoinSet::new();
    for (_, socket) in sockets {
        tasks.spawn(until_closed(socket));
    }
    tasks
}

/// Reads and forgets until the socket closes; returns the close code, or `cut`.
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
