//! Announcing, once for each idempotency key.

use std::collections::BTreeSet;

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Timestamp as SqlTimestamp};

use super::integration::Integration;
use super::model::{AnnouncedBody, AnnouncementRequest, IdempotencyKey};
use super::queries::{self, StoredResponse};
use super::statements::{NewKey, insert_keys};
use crate::db::{AnyConnection, Query};
use crate::error::{Error, Kind, Result};
use crate::events::{BatchCommand, UnitOfWork};
use crate::ids::UserId;
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

/// Something to be announced to users.
#[derive(Debug)]
pub(super) struct Announce {
    pub(super) integration: Integration,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) request: AnnouncementRequest,
}

impl BatchCommand for Announce {
    type Output = Outcome;

    fn bytes(&self) -> usize {
        self.request.announcement.data.len() + self.request.recipients.len() * size_of::<UserId>()
    }

    /// The inbox of each recipient and its copy of what is durable; or whether they exist, which is
    /// read.
    fn rows(&self) -> usize {
        let copy = 2 + self.request.announcement.data.len() / 1_024;
        4 + self.request.recipients.len() * if self.request.durable { copy } else { 1 }
    }

    fn run(unit: &mut UnitOfWork<'_>, commands: &[Self]) -> Result<Vec<Result<Outcome>>> {
        let recipients: BTreeSet<_> =
            commands.iter().flat_map(|command| &command.request.recipients).collect();
        let existing = queries::existing(unit.conn, recipients.into_iter().copied())?;
        let bodies: Vec<_> = commands.iter().map(|command| command.body(&existing)).collect::<Result<_>>()?;
        // Insert the keys before locking the inboxes: the second of two concurrent requests
        // waits here, where it holds no lock that others wait for.
        let earlier = keep(unit, commands, &bodies)?;
        let mut outcomes = Vec::with_capacity(commands.len());
        for (place, (command, (body, earlier))) in
            commands.iter().zip(bodies.into_iter().zip(earlier)).enumerate()
        {
            unit.act_for(place);
            outcomes.push(earlier.unwrap_or_else(|| {
                command.emit(unit, &existing);
                Ok(Outcome { body, replayed: false })
            }));
        }
        Ok(outcomes)
    }
}

impl Announce {
    /// Returns the body of the response.
    fn body(&self, existing: &BTreeSet<UserId>) -> Result<String> {
        let mut unknown_user_ids = self.request.recipients.clone();
        unknown_user_ids.retain(|id| !existing.contains(id));
        let recipients = self.request.recipients.len() - unknown_user_ids.len();
        serde_json::to_string(&AnnouncedBody { recipients, unknown_user_ids }).map_err(Error::internal)
    }

    /// Emits the announcement to those recipients who exist.
    fn emit(&self, unit: &mut UnitOfWork<'_>, existing: &BTreeSet<UserId>) {
        let mut recipients = self.request.recipients.clone();
        recipients.retain(|id| existing.contains(id));
        unit.announce(recipients, self.request.announcement.clone(), self.request.durable);
    }
}

/// Stores the responses of commands with a key. Returns, for each command, the outcome of an
/// earlier request with its key, if there was one.
fn keep(
    unit: &mut UnitOfWork<'_>,
    commands: &[Announce],
    bodies: &[String],
) -> Result<Vec<Option<Result<Outcome>>>> {
    let mut keys = Vec::new();
    for (place, (command, body)) in commands.iter().zip(bodies).enumerate() {
        if let Some(key) = &command.key {
            let (service, digest) = (command.integration.name(), command.request.digest()?);
            keys.push(NewKey { place, service, key: key.as_str(), digest, body });
        }
    }
    let mut earlier: Vec<_> = commands.iter().map(|_| None).collect();
    let existed = insert_keys(unit.conn, &mut keys, unit.now)?;
    if existed.is_empty() {
        return Ok(earlier);
    }
    let names: Vec<_> = existed.iter().map(|key| (key.service, key.key)).collect();
    let stored = queries::stored(unit.conn, &names)?;
    for key in existed {
        let response = stored.get(&(key.service.to_owned(), key.key.to_owned()));
        // Retention may have deleted it in between.
        earlier[key.place] = Some(response.ok_or(Error::Conflict)?.repeated(&key.digest));
    }
    Ok(earlier)
}

impl StoredResponse {
    /// Returns the outcome of a request of this digest with the key of this response.
    fn repeated(&self, digest: &str) -> Result<Outcome> {
        if self.request_hash == digest {
            return Ok(Outcome { body: self.body.clone(), replayed: true });
        }
        let text = "This Idempotency-Key was used for another request.";
        Err(Error::Rejected(Kind::KeyReused, text.into()))
    }
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
