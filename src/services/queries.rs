//! Who there is to be told, and what was answered before.

use diesel::prelude::*;

use crate::db::{AnyConnection, Query};
use crate::ids::UserId;
use crate::schema::{idempotency_keys, users};

/// Returns those of these users that exist, in ascending order.
///
/// # Errors
///
/// The database's own, here and below.
pub(super) fn known(conn: &mut AnyConnection, ids: &[UserId]) -> Query<Vec<UserId>> {
    users::table.filter(users::id.eq_any(ids)).select(users::id).order(users::id).load(conn)
}

/// What was asked and answered under a key.
#[derive(Debug, Queryable)]
pub(super) struct Kept {
    pub(super) request_hash: String,
    pub(super) answer: String,
}

/// Returns what this service was answered under this key, if it was.
pub(super) fn kept(conn: &mut AnyConnection, service: &str, key: &str) -> Query<Option<Kept>> {
    idempotency_keys::table
        .find((service, key))
        .select((idempotency_keys::request_hash, idempotency_keys::answer))
        .first(conn)
        .optional()
}
