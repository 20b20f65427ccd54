//! Keys in the database, each with what its request has returned.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamp as SqlTimestamp};

use super::once::Once;
use super::request_key::RequestKey;
use super::statements::{InsertKeys, NewKey};
use crate::db::schema::idempotency_keys;
use crate::db::{AnyConnection, Query};
use crate::error::{Error, Kind, Result};
use crate::timestamp::Timestamp;

/// Days for which a key is kept: a client that repeats a request does so within minutes, or after
/// an outage of hours.
const RETENTION_DAYS: u32 = 1;

/// How many keys one call of [`prune`] deletes.
pub const PRUNE_BATCH: usize = 1_000;

/// Stores keys, and returns the places of those that were stored before. Of several with the same
/// key the first is stored.
///
/// The primary key decides, not an earlier read: a concurrent transaction with the same key
/// waits for the end of the first one. Keys are inserted in their order, so that two
/// transactions cannot wait for each other.
///
/// # Errors
///
/// Those of the database.
pub fn insert(conn: &mut AnyConnection, keys: &mut [NewKey<'_>], now: Timestamp) -> Result<Vec<usize>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    keys.sort_by_key(|new| (new.key.name(), new.place));
    let inserted: Vec<(String, String)> = InsertKeys::new(conn, keys, now)?.load(conn)?;
    let mut inserted: HashSet<_> = inserted.into_iter().collect();
    let is_known = |new: &&NewKey<'_>| {
        let (requester, key) = new.key.name();
        !inserted.remove(&(requester.to_owned(), key.to_owned()))
    };
    Ok(keys.iter().filter(is_known).map(|new| new.place).collect())
}

/// Sets what the request of a key has returned, which was not known when the key was stored.
///
/// # Errors
///
/// Those of the database.
pub fn complete(conn: &mut AnyConnection, key: &RequestKey, response: &str) -> Query<()> {
    let row = idempotency_keys::table.find(key.name());
    diesel::update(row).set(idempotency_keys::answer.eq(response)).execute(conn).map(drop)
}

/// What is stored under some keys.
#[derive(Debug)]
pub struct Stored(HashMap<(String, String), (String, String)>);

/// Returns what is stored under these keys.
///
/// # Errors
///
/// Those of the database.
pub fn stored<'a>(conn: &mut AnyConnection, keys: impl IntoIterator<Item = &'a RequestKey>) -> Query<Stored> {
    let (requesters, keys): (Vec<_>, Vec<_>) = keys.into_iter().map(RequestKey::name).unzip();
    if keys.is_empty() {
        return Ok(Stored(HashMap::new()));
    }
    // A key of one requester that is another's too is read with it.
    let rows: Vec<((String, String), (String, String))> = idempotency_keys::table
        .filter(idempotency_keys::service.eq_any(requesters).and(idempotency_keys::key.eq_any(keys)))
        .select((
            (idempotency_keys::service, idempotency_keys::key),
            (idempotency_keys::request_hash, idempotency_keys::answer),
        ))
        .load(conn)?;
    Ok(Stored(rows.into_iter().collect()))
}

/// Returns what is stored under keys that were found to be stored.
///
/// # Errors
///
/// Those of the database; [`Error::Conflict`] if one is not stored any more: retention deletes keys.
pub fn known(conn: &mut AnyConnection, keys: &[&RequestKey]) -> Result<Stored> {
    let stored = stored(conn, keys.iter().copied())?;
    if keys.iter().all(|key| stored.has(key)) { Ok(stored) } else { Err(Error::Conflict) }
}

impl Stored {
    /// Returns what the earlier request with this key has returned.
    ///
    /// # Errors
    ///
    /// [`Kind::KeyReused`] if that was another request. [`Error::Conflict`] if nothing is stored
    /// under the key.
    pub fn response(&self, key: &RequestKey) -> Result<&str> {
        let (requester, text) = key.name();
        let (fingerprint, response) =
            self.0.get(&(requester.to_owned(), text.to_owned())).ok_or(Error::Conflict)?;
        if fingerprint != key.fingerprint() {
            let text = "This Idempotency-Key was used for another request.";
            return Err(Error::Rejected(Kind::KeyReused, text.into()));
        }
        Ok(response)
    }

    /// Returns the outcome of a request whose earlier one has returned its whole body.
    ///
    /// # Errors
    ///
    /// As [`Stored::response`].
    pub fn replay(&self, key: &RequestKey) -> Result<Once> {
        Ok(Once { body: self.response(key)?.to_owned(), replayed: true })
    }

    /// Returns whether something is stored under this key.
    pub fn has(&self, key: &RequestKey) -> bool {
        let (requester, text) = key.name();
        self.0.contains_key(&(requester.to_owned(), text.to_owned()))
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
    .bind::<SqlTimestamp, _>(now.days_before(RETENTION_DAYS))
    .bind::<BigInt, _>(PRUNE_BATCH as i64)
    .execute(conn)
}
