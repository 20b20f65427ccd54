//! Reading messages and conversations.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Timestamp as SqlTimestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{Message, Story};
use crate::db::schema::{messages, users};
use crate::db::{AnyConnection, Query};
use crate::events::{Person, UserSummary};
use crate::ids::{MessageId, UserId};
use crate::timestamp::Timestamp;

diesel::alias! {
    const receivers: Alias<Receivers> = users as receivers;
}

/// A page of a list: counted from the newest backwards, oldest first within it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// Messages at most.
    pub(super) limit: i64,
    /// Only messages before this one.
    pub(super) before: Option<MessageId>,
}

/// Which messages a list holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Filter {
    /// All that this user sent or received.
    User(UserId),
    /// All between these two.
    Two(UserId, UserId),
    /// The one of this id.
    One(MessageId),
}

type Row = (MessageId, UserSummary, UserSummary, String, bool, Timestamp);

fn message((id, sender, receiver, content, is_read, created_at): Row) -> Message {
    Message { id, sender, receiver, content, is_read, created_at, story: Story }
}

/// Returns messages, oldest first: all of them, or a page.
///
/// # Errors
///
/// Those of the database, here and below.
pub(super) fn list(conn: &mut AnyConnection, filter: Filter, page: Option<Page>) -> Query<Vec<Message>> {
    let mut query = messages::table
        .inner_join(users::table.on(users::id.eq(messages::sender_id)))
        .inner_join(receivers.on(receivers.field(users::id).eq(messages::receiver_id)))
        .select((
            messages::id,
            (users::id, users::username),
            receivers.fields((users::id, users::username)),
            messages::content,
            messages::is_read,
            messages::created_at,
        ))
        .into_boxed();
    query = match filter {
        Filter::User(user) => query.filter(messages::sender_id.eq(user).or(messages::receiver_id.eq(user))),
        Filter::One(id) => query.filter(messages::id.eq(id)),
        Filter::Two(one, other) => query.filter(
            messages::sender_id
                .eq(one)
                .and(messages::receiver_id.eq(other))
                .or(messages::sender_id.eq(other).and(messages::receiver_id.eq(one))),
        ),
    };
    let Some(page) = page else {
        let rows: Vec<Row> = query.order(messages::id).load(conn)?;
        return Ok(rows.into_iter().map(message).collect());
    };
    if let Some(before) = page.before {
        query = query.filter(messages::id.lt(before));
    }
    let rows: Vec<Row> = query.order(messages::id.desc()).limit(page.limit).load(conn)?;
    Ok(rows.into_iter().rev().map(message).collect())
}

/// The messages that the viewer and another user have exchanged.
#[derive(Debug, Serialize, ToSchema)]
pub struct Conversation {
    user: Person,
    last_message: Message,
    /// Unread messages to the viewer.
    #[schema(minimum = 0)]
    unread_count: i64,
}

#[derive(QueryableByName)]
struct Latest {
    #[diesel(sql_type = BigInt)]
    id: MessageId,
    #[diesel(sql_type = BigInt)]
    sender_id: UserId,
    #[diesel(sql_type = Text)]
    content: String,
    #[diesel(sql_type = Bool)]
    is_read: bool,
    #[diesel(sql_type = SqlTimestamp)]
    created_at: Timestamp,
    #[diesel(sql_type = BigInt)]
    unread: i64,
    #[diesel(sql_type = BigInt)]
    partner_id: UserId,
    #[diesel(sql_type = Text)]
    username: String,
    #[diesel(sql_type = Text)]
    first_name: String,
    #[diesel(sql_type = Text)]
    last_name: String,
}

/// Returns this user's conversations, the latest message first, in one query
/// however many partners there are.
pub(super) fn conversations(conn: &mut AnyConnection, user: &UserSummary) -> Query<Vec<Conversation>> {
    let rows = diesel::sql_query(
        "SELECT m.id, m.sender_id, m.content, m.is_read, m.created_at, partners.unread, \
         u.id AS partner_id, u.username, u.first_name, u.last_name \
         FROM (SELECT partner_id, MAX(id) AS last_id, CAST(SUM(unread) AS BIGINT) AS unread FROM ( \
           SELECT receiver_id AS partner_id, id, 0 AS unread FROM messages WHERE sender_id = $1 \
           UNION ALL \
           SELECT sender_id, id, CASE WHEN is_read THEN 0 ELSE 1 END FROM messages WHERE receiver_id = $1 \
         ) AS both_ways GROUP BY partner_id) AS partners \
         JOIN messages m ON m.id = partners.last_id \
         JOIN users u ON u.id = partners.partner_id \
         ORDER BY m.id DESC",
    )
    .bind::<BigInt, _>(user.id)
    .load::<Latest>(conn)?;
    Ok(rows.into_iter().map(|row| conversation(user, row)).collect())
}

fn conversation(user: &UserSummary, row: Latest) -> Conversation {
    let Latest {
        id,
        sender_id,
        content,
        is_read,
        created_at,
        unread,
        partner_id,
        username,
        first_name,
        last_name,
    } = row;
    let partner = Person { id: partner_id, username, first_name, last_name };
    let (sender, receiver) = if sender_id == user.id {
        (user.clone(), UserSummary::from(&partner))
    } else {
        (UserSummary::from(&partner), user.clone())
    };
    let last_message = Message { id, sender, receiver, content, is_read, created_at, story: Story };
    Conversation { user: partner, last_message, unread_count: unread }
}
