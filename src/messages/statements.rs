//! The statements that read lists of messages, and the one that marks them as read. Each is prepared
//! once for each connection, and reads no more than it returns: `OR` with an order would read and
//! sort the whole history.

use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamp as SqlTimestamp};

use crate::db::{MultiBackend, prepared_once};
use crate::ids::{MessageId, UserId};

/// An id before which all messages are.
const LATEST: MessageId = MessageId::new(i64::MAX);

/// A page of messages, newest first, of two halves that are each read from an index in order:
/// what one sent to the other and the other way round (`OF_TWO`), or what one sent and received.
pub(super) struct PageOf<const OF_TWO: bool> {
    one: UserId,
    /// Not used for the messages of one user.
    other: UserId,
    before: MessageId,
    limit: i64,
}

impl PageOf<true> {
    /// Returns at most `limit` of the messages between two users, before this one.
    pub(super) fn two(one: UserId, other: UserId, before: Option<MessageId>, limit: i64) -> Self {
        Self { one, other, before: before.unwrap_or(LATEST), limit }
    }
}

impl PageOf<false> {
    /// Returns at most `limit` of the messages that a user sent and received, before this one.
    pub(super) fn user(user: UserId, before: Option<MessageId>, limit: i64) -> Self {
        Self { one: user, other: user, before: before.unwrap_or(LATEST), limit }
    }
}

impl<const OF_TWO: bool> QueryFragment<MultiBackend> for PageOf<OF_TWO> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        const COLUMNS: &str =
            "SELECT id, sender_id, receiver_id, content, is_read, created_at, reply_to_story_id FROM ";
        // A message to oneself, as an import may have them, is in the first half only.
        let [first, second] = if OF_TWO {
            [
                [" WHERE sender_id = ", " AND receiver_id = "],
                [" WHERE receiver_id <> sender_id AND receiver_id = ", " AND sender_id = "],
            ]
        } else {
            [[" WHERE sender_id = ", ""], [" WHERE receiver_id <> sender_id AND receiver_id = ", ""]]
        };
        for (conditions, end) in [(first, ") AS first_half UNION ALL "), (second, ") AS second_half")] {
            out.push_sql(COLUMNS);
            out.push_sql("(");
            out.push_sql(COLUMNS);
            out.push_sql("messages");
            let [of_one, of_other] = conditions;
            out.push_sql(of_one);
            out.push_bind_param::<BigInt, _>(&self.one)?;
            if OF_TWO {
                out.push_sql(of_other);
                out.push_bind_param::<BigInt, _>(&self.other)?;
            }
            out.push_sql(" AND id < ");
            out.push_bind_param::<BigInt, _>(&self.before)?;
            out.push_sql(" ORDER BY id DESC LIMIT ");
            out.push_bind_param::<BigInt, _>(&self.limit)?;
            out.push_sql(end);
        }
        out.push_sql(" ORDER BY 1 DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)
    }
}

/// The conversations of a user, the latest message first: the last message, how many are unread,
/// and the partner.
pub(super) struct Conversations(pub(super) UserId);

impl QueryFragment<MultiBackend> for Conversations {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "SELECT m.id, m.sender_id, m.content, m.is_read, m.created_at, m.reply_to_story_id, c.unread, \
             u.id, u.username, u.first_name, u.last_name FROM ( \
             SELECT high_id AS partner_id, last_message_id, low_unread AS unread FROM conversations WHERE low_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.0)?;
        out.push_sql(
            " UNION ALL SELECT low_id, last_message_id, high_unread FROM conversations \
             WHERE low_id <> high_id AND high_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.0)?;
        out.push_sql(
            ") AS c JOIN messages m ON m.id = c.last_message_id JOIN users u ON u.id = c.partner_id ORDER BY m.id DESC",
        );
        Ok(())
    }
}

/// Marks the messages of one user to another as read, and returns their ids.
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
        out.push_sql("), 0)) RETURNING id");
        Ok(())
    }
}

/// The columns of a message, without its users' names.
type Row = (BigInt, BigInt, BigInt, Text, Bool, SqlTimestamp, Nullable<Text>);

prepared_once! {
    MarkAllRead => BigInt;
    PageOf<false> => Row;
    PageOf<true> => Row;
    Conversations => ((BigInt, BigInt, Text, Bool, SqlTimestamp, Nullable<Text>), BigInt, (BigInt, Text, Text, Text));
}
