//! Reading messages and conversations.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::model::Message;
use super::statements::{Conversations, PageOf};
use crate::db::schema::{messages, users};
use crate::db::{AnyConnection, Query, among};
use crate::events::{Person, UserSummary};
use crate::ids::{MessageId, StoryId, UserId};
use crate::stories::queries::referenced;
use crate::timestamp::Timestamp;

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

/// A message without the names of its two users and the story to which it replies.
type Row = (MessageId, UserId, UserId, String, bool, Timestamp, Option<StoryId>);

/// Returns messages, oldest first: all of them, or a page.
///
/// # Errors
///
/// Those of the database, here and below.
pub(super) fn list(conn: &mut AnyConnection, filter: Filter, page: Option<Page>) -> Query<Vec<Message>> {
    let mut rows: Vec<Row> = match (filter, page) {
        (Filter::User(user), Some(page)) => PageOf::user(user, page.before, page.limit).load(conn)?,
        (Filter::Two(one, other), Some(page)) => {
            PageOf::two(one, other, page.before, page.limit).load(conn)?
        }
        (Filter::User(_) | Filter::Two(..), None) | (Filter::One(_), _) => whole(conn, filter)?,
    };
    if page.is_some() {
        rows.reverse();
    }
    named(conn, rows)
}

/// Returns the messages of these ids that exist.
pub(super) fn by_ids(conn: &mut AnyConnection, ids: &[MessageId]) -> Query<Vec<Message>> {
    let with_ids = among(conn, messages::id, ids.iter().map(|id| id.number()));
    let rows = messages::table.filter(with_ids).load(conn)?;
    named(conn, rows)
}

/// Adds the names of the users, and the stories.
///
/// They come from a query of their own, by id, however many messages there are: joined to a long
/// list, the planner would read all users.
fn named(conn: &mut AnyConnection, rows: Vec<Row>) -> Query<Vec<Message>> {
    let users: BTreeSet<UserId> =
        rows.iter().flat_map(|(_, sender, receiver, ..)| [*sender, *receiver]).collect();
    let named = among(conn, users::id, users.into_iter().map(UserId::number));
    let found: Vec<UserSummary> =
        users::table.filter(named).select((users::id, users::username)).load(conn)?;
    let names: BTreeMap<_, _> = found.into_iter().map(|user| (user.id, user)).collect();
    // Of a user who was deleted between the two queries there is no message any more either.
    let stories: BTreeSet<StoryId> = rows.iter().filter_map(|row| row.6.clone()).collect();
    let stories = referenced(conn, stories.into_iter().collect(), Timestamp::now())?;
    let message = |(id, sender, receiver, content, is_read, created_at, story): Row| {
        let (sender, receiver) = (names.get(&sender)?.clone(), names.get(&receiver)?.clone());
        let story = story.and_then(|id| stories.get(&id).cloned());
        Some(Message { id, sender, receiver, content, is_read, created_at, story })
    };
    Ok(rows.into_iter().filter_map(message).collect())
}

/// Returns all messages of a list, oldest first.
fn whole(conn: &mut AnyConnection, filter: Filter) -> Query<Vec<Row>> {
    let messages = messages::table.order(messages::id).into_boxed();
    match filter {
        Filter::User(user) => {
            messages.filter(messages::sender_id.eq(user).or(messages::receiver_id.eq(user)))
        }
        Filter::One(id) => messages.filter(messages::id.eq(id)),
        Filter::Two(one, other) => messages.filter(
            messages::sender_id
                .eq(one)
                .and(messages::receiver_id.eq(other))
                .or(messages::sender_id.eq(other).and(messages::receiver_id.eq(one))),
        ),
    }
    .load(conn)
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

/// The last message of a conversation, without its two users.
type LastMessage = (MessageId, UserId, String, bool, Timestamp, Option<StoryId>);

/// Returns this user's conversations, the latest message first: as many rows are read as
/// there are partners, however long the history is.
pub(super) fn conversations(conn: &mut AnyConnection, user: &UserSummary) -> Query<Vec<Conversation>> {
    let rows: Vec<(LastMessage, i64, Person)> = Conversations(user.id).load(conn)?;
    let stories: BTreeSet<StoryId> = rows.iter().filter_map(|(last, ..)| last.5.clone()).collect();
    let stories = referenced(conn, stories.into_iter().collect(), Timestamp::now())?;
    let conversation = |(last, unread_count, partner): (LastMessage, i64, Person)| {
        let (id, sender_id, content, is_read, created_at, story) = last;
        let story = story.and_then(|id| stories.get(&id).cloned());
        let (sender, receiver) = if sender_id == user.id {
            (user.clone(), UserSummary::from(&partner))
        } else {
            (UserSummary::from(&partner), user.clone())
        };
        let last_message = Message { id, sender, receiver, content, is_read, created_at, story };
        Conversation { user: partner, last_message, unread_count }
    };
    Ok(rows.into_iter().map(conversation).collect())
}
