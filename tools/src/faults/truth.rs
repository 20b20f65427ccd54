//! What is true: the inboxes, read from PostgreSQL directly.
//!
//! The service is not asked, because it is what is tested. A write that was
//! committed and never answered shows here, too.

use super::clock::Clock;
use crate::frame::Identity;
use anyhow::Context;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_postgres::{Client, NoTls};

/// How often the positions are read.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// Longest wait for PostgreSQL to answer, before the connection is made anew.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The last seq of every person at one moment.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When it was read.
    pub at_ms: u64,
    /// The last seq, in the order of the people.
    pub last_seqs: Arc<[u64]>,
}

/// Reads the positions all the time.
#[derive(Debug, Clone)]
pub struct Positions {
    latest: watch::Receiver<Option<Sample>>,
    // Never held across an await.
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Positions {
    /// Starts reading the positions of the people with these ids.
    #[must_use]
    pub fn watch(database_url: String, ids: Vec<i64>, clock: Clock) -> Self {
        let (tell, latest) = watch::channel(None);
        let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
        let kept = Arc::clone(&samples);
        tokio::spawn(async move {
            loop {
                // An outage ends the connection. It is made anew until it holds.
                let _ = sample(&database_url, &ids, clock, &tell, &kept).await;
                if tell.is_closed() {
                    break;
                }
                tokio::time::sleep(SAMPLE_EVERY).await;
            }
        });
        Self { latest, samples }
    }

    /// Returns the first sample that is read after that moment.
    ///
    /// # Errors
    /// When the program ends.
    pub async fn after(&self, at_ms: u64) -> anyhow::Result<Sample> {
        let mut latest = self.latest.clone();
        let newer = |sample: &Option<Sample>| sample.as_ref().is_some_and(|it| it.at_ms > at_ms);
        let sample = latest.wait_for(newer).await?.clone();
        sample.context("a newer sample")
    }

    /// Returns all samples so far, oldest first.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn sample(
    database_url: &str,
    ids: &[i64],
    clock: Clock,
    tell: &watch::Sender<Option<Sample>>,
    kept: &Mutex<Vec<Sample>>,
) -> anyhow::Result<()> {
    let client = connect(database_url).await?;
    let query = "SELECT user_id, last_seq FROM inboxes WHERE user_id = ANY($1)";
    let statement = tokio::time::timeout(ANSWER_TIMEOUT, client.prepare(query)).await??;
    while !tell.is_closed() {
        let rows = tokio::time::timeout(ANSWER_TIMEOUT, client.query(&statement, &[&ids])).await??;
        let mut last_seqs = vec![0; ids.len()];
        for row in rows {
            let id: i64 = row.try_get(0)?;
            let seq: i64 = row.try_get(1)?;
            if let Some(index) = ids.iter().position(|it| *it == id) {
                last_seqs[index] = seq.unsigned_abs();
            }
        }
        let sample = Sample { at_ms: clock.now_ms(), last_seqs: last_seqs.into() };
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(sample.clone());
        tell.send_replace(Some(sample));
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
    Ok(())
}

async fn connect(database_url: &str) -> anyhow::Result<Client> {
    let connecting = tokio_postgres::connect(database_url, NoTls);
    let (client, connection) = tokio::time::timeout(ANSWER_TIMEOUT, connecting).await??;
    // Ends with the client, or with an error that the client reports as well.
    tokio::spawn(connection);
    Ok(client)
}

/// One kept event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its position.
    pub seq: u64,
    /// What it is about.
    pub identity: Identity,
    /// Who asked, when it is a friend request.
    pub asked_by: Option<u64>,
}

/// Reads whole inboxes, in the order of the ids, each by seq.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn inboxes(database_url: &str, ids: &[i64]) -> anyhow::Result<Vec<Vec<Kept>>> {
    let client = connect(database_url).await?;
    let query = "SELECT seq, type::text, data::text FROM inbox_events WHERE user_id = $1 ORDER BY seq";
    let statement = client.prepare(query).await?;
    let mut inboxes = Vec::with_capacity(ids.len());
    for id in ids {
        let mut kept = Vec::new();
        for row in client.query(&statement, &[id]).await? {
            let seq: i64 = row.try_get(0)?;
            let (kind, data): (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
            kept.push(Kept {
                seq: seq.unsigned_abs(),
                identity: Identity::of(kind, data),
                asked_by: asked_by(kind, data),
            });
        }
        inboxes.push(kept);
    }
    Ok(inboxes)
}

fn asked_by(kind: &str, data: &str) -> Option<u64> {
    if kind != "friend_request" {
        return None;
    }
    let data: serde_json::Value = serde_json::from_str(data).ok()?;
    data.get("from_user")?.get("id")?.as_u64()
}
