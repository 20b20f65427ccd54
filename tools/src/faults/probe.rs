//! Probes open a socket with an odd cursor and see whether the replay is right.

use super::reader::Way;
use crate::frame::{Frame, Identity};
use crate::people::Person;
use crate::socket::{Dial, first_text};
use anyhow::{Context, bail, ensure};
use futures_util::StreamExt;
use serde_json::value::RawValue;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// Longest time from connecting to the last replayed event.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(5);

/// Resumes after a cursor and reads up to that seq; returns what came, by seq.
///
/// # Errors
/// When what comes is not each seq once and in order, or takes too long.
pub async fn replay(
    who: &Person,
    way: &Way,
    cursor: u64,
    up_to: u64,
) -> anyhow::Result<Vec<(u64, Identity)>> {
    let reading = async {
        let mut socket = dial(who, way, cursor).open().await?;
        first_text(&mut socket).await?;
        let mut events = Vec::new();
        let mut last = cursor;
        while last < up_to {
            let message = socket.next().await.context("the socket ended")??;
            let Message::Text(text) = message else {
                continue;
            };
            let frame = Frame::parse(&text)?;
            ensure!(frame.kind != "resync_required", "resync_required");
            let seq = frame.seq.context("a frame without seq")?;
            ensure!(seq == last + 1, "{seq} came after {last}");
            last = seq;
            events.push((seq, Identity::of(&frame.kind, frame.data.map_or("", RawValue::get))));
        }
        anyhow::Ok(events)
    };
    match tokio::time::timeout(REPLAY_TIMEOUT, reading).await {
        Ok(events) => events.with_context(|| format!("cursor {cursor}")),
        Err(_) => bail!("cursor {cursor}: no {up_to} within {REPLAY_TIMEOUT:?}"),
    }
}

/// Resumes from a cursor that is ahead of the inbox.
///
/// # Errors
/// When the answer is not `resync_required`.
pub async fn ahead(who: &Person, way: &Way, cursor: u64) -> anyhow::Result<()> {
    let reading = async {
        let mut socket = dial(who, way, cursor).open().await?;
        first_text(&mut socket).await?;
        let text = first_text(&mut socket).await?;
        let frame = Frame::parse(&text)?;
        ensure!(frame.kind == "resync_required" && frame.seq.is_some(), "{text}");
        anyhow::Ok(())
    };
    tokio::time::timeout(REPLAY_TIMEOUT, reading)
        .await
        .context("no answer")
        .and_then(|result| result)
        .with_context(|| format!("cursor {cursor}, ahead of the inbox"))
}

fn dial<'a>(who: &'a Person, way: &'a Way, cursor: u64) -> Dial<'a> {
    Dial {
        endpoint: &way.endpoint,
        through: None,
        token: &who.token,
        cursor: Some(cursor),
        receive_buffer_bytes: None,
    }
}
