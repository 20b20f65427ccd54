//! The statement that suggests people. It is prepared once for each connection.

use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::accounts::search::LIMIT;
use crate::db::{MultiBackend, prepared_once};
use crate::ids::UserId;

/// The active people to whom a user has no relationship, the newest accounts first, each with the number
/// of friends in common.
pub(super) struct Suggestions(pub(super) UserId);

impl QueryFragment<MultiBackend> for Suggestions {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        // low + high - own is the other's id.
        out.push_sql(
            "SELECT u.id, u.username, u.first_name, u.last_name, p.avatar, \
             (SELECT COUNT(*) FROM friendships AS f \
             WHERE f.accepted_at IS NOT NULL AND (f.low_id = u.id OR f.high_id = u.id) AND (",
        );
        for (own, other) in [("low_id", "high_id"), ("high_id", "low_id")] {
            if own == "high_id" {
                out.push_sql(" OR ");
            }
            out.push_sql("EXISTS (SELECT 1 FROM friendships AS m WHERE m.accepted_at IS NOT NULL AND m.");
            out.push_sql(own);
            out.push_sql(" = ");
            out.push_bind_param::<BigInt, _>(&self.0)?;
            out.push_sql(" AND m.");
            out.push_sql(other);
            out.push_sql(" = f.low_id + f.high_id - u.id)");
        }
        out.push_sql(
            ")) FROM users AS u JOIN profiles AS p ON p.user_id = u.id WHERE u.is_active AND u.id <> ",
        );
        out.push_bind_param::<BigInt, _>(&self.0)?;
        for (own, other) in [("low_id", "high_id"), ("high_id", "low_id")] {
            out.push_sql(" AND NOT EXISTS (SELECT 1 FROM friendships AS r WHERE r.");
            out.push_sql(own);
            out.push_sql(" = ");
            out.push_bind_param::<BigInt, _>(&self.0)?;
            out.push_sql(" AND r.");
            out.push_sql(other);
            out.push_sql(" = u.id)");
        }
        out.push_sql(" ORDER BY u.id DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&LIMIT)
    }
}

prepared_once! { Suggestions => (((BigInt, Text, Text, Text), Nullable<Text>), BigInt); }
