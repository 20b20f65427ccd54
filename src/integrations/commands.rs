//! Announcing, once for each idempotency key.

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use super::integration::Integration;
use super::model::{AnnouncedBody, AnnouncementRequest, IdempotencyKey};
use super::queries;
use crate::db::{AnyConnection, Query};
use crate::error::{Error, Kind, Result};
use crate::events::UnitOfWork;
use crate::timestamp::Timestamp;

/// Days for which a key is kept: a client that repeats a request does so within minutes,
/// or after an outage of hours.
const KEY_RETENTION_DAYS: u32 = 1;

/// How many keys one call of [`prune`] deletes.
pub const PRUNE_BATCH: usize = 1_000;

/// The outcome of announcing.
pub(super) struct Outcome {
    /// The body of the response, as JSON text.
    pub(super) body: String,
    /// Whether it is the response to an earlier request with the same key.
    pub(super) replayed: bool,
}

/// Announces something to users, once for each key.
///
/// # Errors
///
/// [`Kind::KeyReused`] if the key came with another request before.
pub(super) fn announce(
    unit: &mut UnitOfWork<'_>,
    integration: &Integration,
    key: Option<&IdempotencyKey>,
    request: &AnnouncementRequest,
) -> Result<Outcome> {
    let existing = queries::existing(unit.conn, &request.recipients)?;
    let is_unknown = |id: &_| existing.binary_search(id).is_err();
    let unknown_user_ids = request.recipients.iter().copied().filter(is_unknown).collect();
    let body = AnnouncedBody { recipients: existing.len(), unknown_user_ids };
    let body = serde_json::to_string(&body).map_err(Error::internal)?;
    // Insert the key before locking the inboxes: the second of two concurrent requests
    // waits here, where it holds no lock that others wait for.
    if let Some(key) = key
        && let Some(body) = keep(unit, integration, key, request, &body)?
    {
        return Ok(Outcome { body, replayed: true });
    }
    unit.announce(existing, request.announcement.clone(), request.durable);
    Ok(Outcome { body, replayed: false })
}

/// Stores a response under its key, or returns the one that is stored there already.
fn keep(
    unit: &mut UnitOfWork<'_>,
    integration: &Integration,
    key: &IdempotencyKey,
    request: &AnnouncementRequest,
    body: &str,
) -> Result<Option<String>> {
    let (service, digest) = (integration.name(), request.digest()?);
    // The primary key decides, not an earlier read: a concurrent transaction with the same
    // key waits for the end of the first one.
    let inserted = diesel::sql_query(
        "INSERT INTO idempotency_keys (service, key, request_hash, answer, created_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (service, key) DO NOTHING",
    )
    .bind::<Text, _>(service)
    .bind::<Text, _>(key.as_str())
    .bind::<Text, _>(&digest)
    .bind::<Text, _>(body)
    .bind::<SqlTimestamp, _>(unit.now)
    .execute(unit.conn)?;
    if inserted == 1 {
        return Ok(None);
    }
    // Retention may have deleted it in between.
    let stored = queries::stored(unit.conn, service, key.as_str())?.ok_or(Error::Conflict)?;
    if stored.request_hash == digest {
        return Ok(Some(stored.body));
    }
    let text = "This Idempotency-Key was used for another request.";
    Err(Error::Rejected(Kind::KeyReused, text.into()))
}

/// Deletes keys that are older than a day, [`PRUNE_BATCH`] at most, and returns how many.
///
/// # Errors
///
/// Those of the database.
pub fn prune(conn: &mut AnyConnection, now: Timestamp) -> Query<usize> {
    diesel::sql_query(
        "DELETE FROM idempotency_keys WHERE (service, key) IN (SELECT service, key \
         FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
    )
    .bind::<SqlTimestamp, _>(now.days_before(KEY_RETENTION_DAYS))
    .bind::<BigInt, _>(PRUNE_BATCH as i64)
    .execute(conn)
}
