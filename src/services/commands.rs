//! Announcing, once for each key.

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use super::caller::Caller;
use super::model::{Answer, Draft, RequestKey};
use super::queries;
use crate::db::{AnyConnection, Query};
use crate::error::{Error, Kind, Result};
use crate::events::UnitOfWork;
use crate::timestamp::Timestamp;

/// Days for which a key is kept. A service that repeats a request later than that has
/// restarted more than once since, and knows itself what it did.
const KEPT_DAYS: u32 = 1;

/// How many keys one call of [`prune`] deletes.
pub const PRUNE_BATCH: usize = 1_000;

/// What announcing came to.
pub(super) struct Outcome {
    /// The answer as JSON text.
    pub(super) answer: String,
    /// Whether it was given before, and nothing was done now.
    pub(super) replayed: bool,
}

/// Tells people what another service says, once for each key.
///
/// # Errors
///
/// 422 if the key came with another request before.
pub(super) fn announce(
    unit: &mut UnitOfWork<'_>,
    caller: &Caller,
    key: Option<&RequestKey>,
    draft: Draft,
) -> Result<Outcome> {
    let known = queries::known(unit.conn, &draft.recipients)?;
    let is_unknown = |id: &_| known.binary_search(id).is_err();
    let unknown_user_ids = draft.recipients.iter().copied().filter(is_unknown).collect();
    let answer = Answer { recipients: known.len(), unknown_user_ids };
    let answer = serde_json::to_string(&answer).map_err(Error::internal)?;
    // The key before the inboxes: of two that come at once the second waits here, and
    // holds nothing that others wait for.
    if let Some(key) = key
        && let Some(answer) = keep(unit, caller, key, &draft, &answer)?
    {
        return Ok(Outcome { answer, replayed: true });
    }
    if !draft.durable {
        unit.tell_all(known, draft.announcement);
    } else if !known.is_empty() {
        unit.emit_to_all(known, draft.announcement);
    }
    Ok(Outcome { answer, replayed: false })
}

/// Keeps an answer under its key, or returns the one that is kept there already.
fn keep(
    unit: &mut UnitOfWork<'_>,
    caller: &Caller,
    key: &RequestKey,
    draft: &Draft,
    answer: &str,
) -> Result<Option<String>> {
    let (service, digest) = (&*caller.0, draft.digest()?);
    // What was read before does not decide: the primary key does, and has whoever comes
    // second wait for the end of the first one's transaction.
    let inserted = diesel::sql_query(
        "INSERT INTO idempotency_keys (service, key, request_hash, answer, created_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (service, key) DO NOTHING",
    )
    .bind::<Text, _>(service)
    .bind::<Text, _>(key.text())
    .bind::<Text, _>(&digest)
    .bind::<Text, _>(answer)
    .bind::<SqlTimestamp, _>(unit.now)
    .execute(unit.conn)?;
    if inserted == 1 {
        return Ok(None);
    }
    // It may have been forgotten in between.
    let kept = queries::kept(unit.conn, service, key.text())?.ok_or(Error::Raced)?;
    if kept.request_hash == digest {
        return Ok(Some(kept.answer));
    }
    let text = "This Idempotency-Key was used for another request.";
    Err(Error::Refused(Kind::KeyReused, text.into()))
}

/// Forgets keys that are older than a day, [`PRUNE_BATCH`] at most, and returns how many.
///
/// # Errors
///
/// The database's own.
pub fn prune(conn: &mut AnyConnection, now: Timestamp) -> Query<usize> {
    diesel::sql_query(
        "DELETE FROM idempotency_keys WHERE (service, key) IN (SELECT service, key \
         FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
    )
    .bind::<SqlTimestamp, _>(now.days_before(KEPT_DAYS))
    .bind::<BigInt, _>(PRUNE_BATCH as i64)
    .execute(conn)
}
