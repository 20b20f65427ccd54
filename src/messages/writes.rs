//! The statements that insert messages and mark them as read. Each is prepared once for each
//! connection, however many messages there are.

use diesel::RunQueryDsl;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use crate::db::{AnyConnection, MultiBackend, prepared_once};
use crate::error::{Error, Result};
use crate::events::UserSummary;
use crate::ids::{MessageId, UserId};
use crate::timestamp::Timestamp;

/// Inserts unread messages, each with its sender, receiver and text, and returns the id and
/// the receiver of each, in the same order. Those whose receiver does not exist are left out.
///
/// # Errors
///
/// Those of the database.
pub(super) fn insert_messages(
    conn: &mut AnyConnection,
    messages: &[(UserId, UserId, &str)],
    now: Timestamp,
) -> Result<Vec<(MessageId, UserSummary)>> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let rows = serde_json::to_string(messages).map_err(Error::internal)?;
    let is_sqlite = matches!(conn, AnyConnection::Sqlite(_));
    let mut inserted: Vec<(MessageId, UserSummary)> = InsertMessages { is_sqlite, rows, now }.load(conn)?;
    // Ids are assigned in the order of the rows; neither database promises to return them so.
    inserted.sort_unstable_by_key(|(id, _)| *id);
    Ok(inserted)
}

struct InsertMessages {
    is_sqlite: bool,
    /// `[[<sender>, <receiver>, <text>], …]`
    rows: String,
    now: Timestamp,
}

impl QueryFragment<MultiBackend> for InsertMessages {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        let [select, from, join] = if self.is_sqlite {
            [
                "value ->> 0, users.id, value ->> 2",
                " FROM json_each(",
                ") AS items JOIN users ON users.id = items.value ->> 1 ORDER BY items.key",
            ]
        } else {
            [
                "(item ->> 0)::bigint, users.id, item ->> 2",
                " FROM jsonb_array_elements(",
                // OFFSET keeps the planner, which expects a hundred rows here, from joining by
                // a scan of all users.
                "::jsonb) WITH ORDINALITY AS items(item, place) JOIN LATERAL \
                 (SELECT id FROM users WHERE id = (item ->> 1)::bigint OFFSET 0) AS users ON TRUE \
                 ORDER BY place",
            ]
        };
        out.push_sql("INSERT INTO messages (sender_id, receiver_id, content, is_read, created_at) SELECT ");
        out.push_sql(select);
        out.push_sql(", FALSE, ");
        out.push_bind_param::<SqlTimestamp, _>(&self.now)?;
        out.push_sql(from);
        out.push_bind_param::<Text, _>(&self.rows)?;
        out.push_sql(join);
        out.push_sql(
            " RETURNING id, receiver_id, (SELECT username FROM users WHERE users.id = messages.receiver_id)",
        );
        Ok(())
    }
}

/// Marks the messages of one user to another as read.
///
/// As many as the conversation says are unread, from the newest back: no index on what is unread
/// is needed, and no message is passed over twice, since all newer ones are read then.
pub(super) struct MarkAllRead {
    reader: UserId,
    sender: UserId,
    low: UserId,
    high: UserId,
}

impl MarkAllRead {
    pub(super) fn new(reader: UserId, sender: UserId) -> Self {
        Self { reader, sender, low: reader.min(sender), high: reader.max(sender) }
    }
}

impl QueryFragment<MultiBackend> for MarkAllRead {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE messages SET is_read = TRUE WHERE NOT is_read AND id IN ( \
             SELECT id FROM messages WHERE sender_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.sender)?;
        out.push_sql(" AND receiver_id = ");
        out.push_bind_param::<BigInt, _>(&self.reader)?;
        out.push_sql(" AND NOT is_read ORDER BY id DESC LIMIT COALESCE((SELECT CASE WHEN low_id = ");
        out.push_bind_param::<BigInt, _>(&self.reader)?;
        out.push_sql(" THEN low_unread ELSE high_unread END FROM conversations WHERE low_id = ");
        out.push_bind_param::<BigInt, _>(&self.low)?;
        out.push_sql(" AND high_id = ");
        out.push_bind_param::<BigInt, _>(&self.high)?;
        out.push_sql("), 0))");
        Ok(())
    }
}

prepared_once! {
    InsertMessages => (BigInt, (BigInt, Text));
    MarkAllRead;
}
