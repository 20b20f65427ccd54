//! Reading recipients.

use std::collections::BTreeSet;

use diesel::prelude::*;

use crate::db::schema::users;
use crate::db::{AnyConnection, Query, among};
use crate::ids::UserId;

/// Returns those of these users that exist.
///
/// # Errors
///
/// Those of the database.
pub(super) fn existing(
    conn: &mut AnyConnection,
    ids: impl IntoIterator<Item = UserId>,
) -> Query<BTreeSet<UserId>> {
    let known = among(conn, users::id, ids.into_iter().map(UserId::number));
    let ids: Vec<UserId> = users::table.filter(known).select(users::id).load(conn)?;
    Ok(ids.into_iter().collect())
}
