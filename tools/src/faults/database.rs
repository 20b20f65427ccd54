//! The inboxes, read from PostgreSQL directly.
//!
//! They are not read through the service, because the service is under test. They
//! include writes that were committed and never acknowledged.

use super::clock::Clock;
use crate::frame::Identity;
use anyhow::Context;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_postgres::{Client, NoTls};

/// The interval between two samples.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// How long PostgreSQL may take, before the tool reconnects.
const QUERY_TIMEOUT: Duration = Duration::from_secs(1);

/// The interval at which commits are looked for: a commit takes about as long.
const KILL_EVERY: Duration = Duration::from_millis(1);

/// How long commits are looked for: a hundred times as long as it takes under load.
const KILL_TIMEOUT: Duration = Duration::from_secs(30);

/// The last `seq` of every inbox at one moment.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When it was read.
    pub at_ms: u64,
    /// The last `seq`, in the order of the people.
    pub last_seqs: Arc<[u64]>,
    /// The number before the first one of each inbox.
    pub lift: u64,
}

/// A task that samples the last `seq` of every inbox.
#[derive(Debug, Clone)]
pub struct Positions {
    latest: watch::Receiver<Option<Sample>>,
    /// While locked: no await.
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Positions {
    /// Starts sampling the inboxes of the people with these ids.
    #[must_use]
    pub fn watch(database_url: String, ids: Vec<i64>, clock: Clock) -> Self {
        let (sender, latest) = watch::channel(None);
        let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
        let history = Arc::clone(&samples);
        tokio::spawn(async move {
            loop {
                // Faults of PostgreSQL end the connection. Reconnect until one succeeds.
                let _ = sample(&database_url, &ids, clock, &sender, &history).await;
                if sender.is_closed() {
                    break;
                }
                tokio::time::sleep(SAMPLE_EVERY).await;
            }
        });
        Self { latest, samples }
    }

    /// Waits for the first sample that is read after this time.
    ///
    /// # Errors
    ///
    /// If the sampling has ended.
    pub async fn after(&self, at_ms: u64) -> anyhow::Result<Sample> {
        let mut latest = self.latest.clone();
        let newer = |sample: &Option<Sample>| sample.as_ref().is_some_and(|it| it.at_ms > at_ms);
        let sample = latest.wait_for(newer).await?.clone();
        sample.context("no newer sample")
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
    sender: &watch::Sender<Option<Sample>>,
    history: &Mutex<Vec<Sample>>,
) -> anyhow::Result<()> {
    let client = connect(database_url).await?;
    let query = "SELECT user_id, last_seq + lift, lift FROM inboxes, generation WHERE user_id = ANY($1)";
    let statement = tokio::time::timeout(QUERY_TIMEOUT, client.prepare(query)).await??;
    while !sender.is_closed() {
        let rows = tokio::time::timeout(QUERY_TIMEOUT, client.query(&statement, &[&ids])).await??;
        let mut last_seqs = vec![0; ids.len()];
        let mut lift = 0;
        for row in rows {
            let id: i64 = row.try_get(0)?;
            let seq: i64 = row.try_get(1)?;
            lift = row.try_get::<_, i64>(2)?.unsigned_abs();
            if let Some(index) = ids.iter().position(|it| *it == id) {
                last_seqs[index] = seq.unsigned_abs();
            }
        }
        let sample = Sample { at_ms: clock.now_ms(), last_seqs: last_seqs.into(), lift };
        history.lock().unwrap_or_else(PoisonError::into_inner).push(sample.clone());
        sender.send_replace(Some(sample));
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
    Ok(())
}

async fn connect(database_url: &str) -> anyhow::Result<Client> {
    // Of a primary and its standby the primary.
    let mut config: tokio_postgres::Config = database_url.parse()?;
    config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
    let connecting = config.connect(NoTls);
    let (client, connection) = tokio::time::timeout(QUERY_TIMEOUT, connecting).await??;
    // Ends when the client is dropped, or with an error that the client reports too.
    tokio::spawn(connection);
    Ok(client)
}

/// Terminates connections of the service while they commit, until there were this many. Returns how
/// many there were.
///
/// # Errors
///
/// If PostgreSQL fails, or hardly anything is committed.
pub async fn kill_committing(database_url: &str, count: i64) -> anyhow::Result<i64> {
    let client = connect(database_url).await?;
    let query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                 WHERE application_name = 'numeneon' AND state = 'active' AND query = 'COMMIT'";
    let statement = client.prepare(query).await?;
    let killing = async {
        let mut killed = 0;
        while killed < count {
            killed += client.query_one(&statement, &[]).await?.try_get::<_, i64>(0)?;
            tokio::time::sleep(KILL_EVERY).await;
        }
        anyhow::Ok(killed)
    };
    tokio::time::timeout(KILL_TIMEOUT, killing).await.context("hardly anything is committed")?
}

/// An event in an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its position.
    pub seq: u64,
    /// Its subject.
    pub identity: Identity,
    /// The requester's id, if it is a friend request.
    pub requester: Option<u64>,
}

/// Reads whole inboxes, in the order of the ids, each in the order of `seq`.
///
/// # Errors
///
/// If PostgreSQL fails.
pub async fn inboxes(database_url: &str, ids: &[i64]) -> anyhow::Result<Vec<Vec<StoredEvent>>> {
    let client = connect(database_url).await?;
    let query = "SELECT seq + lift, type::text, data::text FROM inbox_events, generation WHERE user_id = $1 ORDER BY seq";
    let statement = client.prepare(query).await?;
    let mut inboxes = Vec::with_capacity(ids.len());
    for id in ids {
        let mut events = Vec::new();
        for row in client.query(&statement, &[id]).await? {
            let seq: i64 = row.try_get(0)?;
            let (kind, data): (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
            events.push(StoredEvent {
                seq: seq.unsigned_abs(),
                identity: Identity::of(kind, data),
                requester: requester(kind, data),
            });
        }
        inboxes.push(events);
    }
    Ok(inboxes)
}

/// The messages of some people.
#[derive(Debug, Default)]
pub struct StoredMessages {
    /// Their ids.
    pub ids: HashSet<u64>,
    /// How many of them are the same message a second time: of the same sender, receiver and text.
    pub doubled: u64,
}

/// Reads the messages that people with these ids have sent. Each must have a text of its own.
///
/// # Errors
///
/// If PostgreSQL fails.
pub async fn messages(database_url: &str, ids: &[i64]) -> anyhow::Result<StoredMessages> {
    let client = connect(database_url).await?;
    let rows = client.query("SELECT id FROM messages WHERE sender_id = ANY($1)", &[&ids]).await?;
    let sent = rows.iter().map(|row| row.try_get::<_, i64>(0).map(i64::unsigned_abs));
    let distinct = "SELECT count(*) FROM (SELECT DISTINCT sender_id, receiver_id, content FROM messages \
                    WHERE sender_id = ANY($1)) AS texts";
    let distinct: i64 = client.query_one(distinct, &[&ids]).await?.try_get(0)?;
    let ids = sent.collect::<Result<HashSet<_>, _>>()?;
    let doubled = ids.len() as u64 - distinct.unsigned_abs();
    Ok(StoredMessages { ids, doubled })
}

fn requester(kind: &str, data: &str) -> Option<u64> {
    if kind != "friend_request" {
        return None;
    }
    let data: serde_json::Value = serde_json::from_str(data).ok()?;
    data.get("from_user")?.get("id")?.as_u64()
}
