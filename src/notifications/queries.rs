//! Reading where people stand, whatever they were told.

use diesel::prelude::*;

use crate::db::schema::{inboxes, users};
use crate::db::{AnyConnection, Query};
use crate::events::Seq;
use crate::ids::UserId;

/// Where somebody stands who has a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable)]
pub(super) struct Standing {
    /// Who.
    pub(super) user: UserId,
    /// The last number of their inbox; 0 if it never had one.
    pub(super) last_seq: Seq,
    /// Whether the account may be used.
    pub(super) is_active: bool,
    /// Tokens made before this second, in Unix time, are no good any more.
    pub(super) tokens_valid_from: i64,
}

impl Standing {
    /// Returns whether a socket may stay open whose token was made in this second.
    pub(super) const fn admits(&self, issued_at: i64) -> bool {
        self.is_active && issued_at >= self.tokens_valid_from
    }
}

/// Returns where each of these people stands, in one query. Who is not there any more is
/// not in the answer.
///
/// # Errors
///
/// The database's own.
pub(super) fn standings(conn: &mut AnyConnection, people: &[UserId]) -> Query<Vec<Standing>> {
    let rows = users::table
        .left_join(inboxes::table)
        .filter(users::id.eq_any(people))
        .select((users::id, inboxes::last_seq.nullable(), users::is_active, users::tokens_valid_from))
        .load::<(UserId, Option<Seq>, bool, i64)>(conn)?;
    let standing = |(user, last_seq, is_active, tokens_valid_from)| Standing {
        user,
        last_seq: Option::unwrap_or_default(last_seq),
        is_active,
        tokens_valid_from,
    };
    Ok(rows.into_iter().map(standing).collect())
}
