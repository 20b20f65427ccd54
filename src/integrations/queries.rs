//! Reading recipients and stored responses.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use crate::db::schema::{idempotency_keys, users};
use crate::db::{AnyConnection, Query, among};
use crate::ids::UserId;

/// Returns those of these users that exist.
///
/// # Errors
///
/// Those of the database, here and below.
pub(super) fn existing(
    conn: &mut AnyConnection,
    ids: impl IntoIterator<Item = UserId>,
) -> Query<BTreeSet<UserId>> {
    let known = among(conn, users::id, ids.into_iter().map(UserId::number));
    let ids: Vec<UserId> = users::table.filter(known).select(users::id).load(conn)?;
    Ok(ids.into_iter().collect())
}

/// The response to the first request with a key, and that request's digest.
#[derive(Debug, Queryable)]
pub(super) struct StoredResponse {
    pub(super) request_hash: String,
    pub(super) body: String,
}

/// Returns the responses that are stored under these keys, each of a service, by service and
/// key.
pub(super) fn stored(
    conn: &mut AnyConnection,
    keys: &[(&str, &str)],
) -> Query<HashMap<(String, String), StoredResponse>> {
    let (services, keys): (Vec<_>, Vec<_>) = keys.iter().copied().unzip();
    // A key of one service that is another's too is read with it.
    let rows: Vec<((String, String), StoredResponse)> = idempotency_keys::table
        .filter(idempotency_keys::service.eq_any(services).and(idempotency_keys::key.eq_any(keys)))
        .select((
            (idempotency_keys::service, idempotency_keys::key),
            (idempotency_keys::request_hash, idempotency_keys::answer),
        ))
        .load(conn)?;
    Ok(rows.into_iter().collect())
}
