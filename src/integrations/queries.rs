//! Reading recipients and stored responses.

use diesel::prelude::*;

use crate::db::schema::{idempotency_keys, users};
use crate::db::{AnyConnection, Query};
use crate::ids::UserId;

/// Returns those of these users that exist, in ascending order.
///
/// # Errors
///
/// Those of the database, here and below.
pub(super) fn existing(conn: &mut AnyConnection, ids: &[UserId]) -> Query<Vec<UserId>> {
    users::table.filter(users::id.eq_any(ids)).select(users::id).order(users::id).load(conn)
}

/// The response to the first request with a key, and that request's digest.
#[derive(Debug, Queryable)]
pub(super) struct StoredResponse {
    pub(super) request_hash: String,
    pub(super) body: String,
}

/// Returns the response that is stored under an integration's key, if there is one.
pub(super) fn stored(conn: &mut AnyConnection, service: &str, key: &str) -> Query<Option<StoredResponse>> {
    idempotency_keys::table
        .find((service, key))
        .select((idempotency_keys::request_hash, idempotency_keys::answer))
        .first(conn)
        .optional()
}
