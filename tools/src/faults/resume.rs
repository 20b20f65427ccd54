//! Checks of resuming: open a socket with a cursor and verify the replay.

use super::reader::Route;
use crate::frame::{Frame, Identity};
use crate::people::Person;
use crate::socket::{Dial, next_text};
use anyhow::{Context, bail, ensure};
use futures_util::StreamExt;
use serde_json::value::RawValue;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// How long it may take from connecting to the last replayed event.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(5);

/// Resumes after a cursor and reads up to a `seq`; returns the events in order.
///
/// # Errors
///
/// If not every `seq` arrives once and in order, or the replay times out.
pub async fn replay(
    person: &Person,
    route: &Route,
    cursor: u64,
    up_to: u64,
) -> anyhow::Result<Vec<(u64, Identity)>> {
    let reading = async {
        let mut socket = dial(person, route, cursor).open().await?;
        next_text(&mut socket).await?;
        let mut events = Vec::new();
        let mut last = cursor;
        while last < up_to {
            let message = socket.next().await.context("the socket closed")??;
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
        Err(_) => bail!("cursor {cursor}: seq {up_to} did not arrive within {REPLAY_TIMEOUT:?}"),
    }
}

/// Resumes from a cursor that is ahead of the inbox.
///
/// # Errors
///
/// If the server does not send `resync_required`.
pub async fn ahead(person: &Person, route: &Route, cursor: u64) -> anyhow::Result<()> {
    let reading = async {
        let mut socket = dial(person, route, cursor).open().await?;
        next_text(&mut socket).await?;
        let text = next_text(&mut socket).await?;
        let frame = Frame::parse(&text)?;
        ensure!(frame.kind == "resync_required" && frame.seq.is_some(), "{text}");
        anyhow::Ok(())
    };
    tokio::time::timeout(REPLAY_TIMEOUT, reading)
        .await
        .context("timed out")
        .and_then(|result| result)
        .with_context(|| format!("cursor {cursor}, ahead of the inbox"))
}

fn dial<'a>(person: &'a Person, route: &'a Route, cursor: u64) -> Dial<'a> {
    Dial {
        endpoint: &route.endpoint,
        proxy: None,
        token: &person.token,
        cursor: Some(cursor),
        receive_buffer_bytes: None,
    }
}
