//! Sending messages and marking them as read.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::model::{Draft, Message, Story};
use super::queries::{self, Filter};
use crate::db::schema::messages;
use crate::error::{Error, Result};
use crate::events::{Event, UnitOfWork, UserSummary};
use crate::ids::{MessageId, UserId};

/// Sends a message.
///
/// # Errors
///
/// [`Error::field`] if the receiver is unknown or the sender.
pub(super) fn send(unit: &mut UnitOfWork<'_>, sender: UserSummary, draft: Draft) -> Result<Message> {
    if draft.receiver == sender.id {
        return Err(Error::field("receiver_id", "You cannot write to yourself."));
    }
    let receiver = queries::user_summary(unit.conn, draft.receiver)?
        .ok_or_else(|| Error::field("receiver_id", "User not found."))?;
    let id: MessageId = diesel::insert_into(messages::table)
        .values((
            messages::sender_id.eq(sender.id),
            messages::receiver_id.eq(receiver.id),
            messages::content.eq(&draft.content),
            messages::is_read.eq(false),
            messages::created_at.eq(unit.now),
        ))
        .returning(messages::id)
        .get_result(unit.conn)?;
    let (content, created_at) = (draft.content, unit.now);
    unit.emit(
        receiver.id,
        Event::NewMessage { id, sender: sender.clone(), content: content.clone(), created_at },
    );
    Ok(Message { id, sender, receiver, content, is_read: false, created_at, story: Story })
}

/// Marks the messages of one user to another as read, and returns how many were unread.
///
/// # Errors
///
/// Those of the database.
pub(super) fn mark_all_read(unit: &mut UnitOfWork<'_>, reader: UserId, sender: UserId) -> Result<usize> {
    // As many as the conversation says are unread, from the newest back: no index on what is
    // unread is needed, and no message is passed over twice, since all newer ones are read then.
    let query = diesel::sql_query(
        "UPDATE messages SET is_read = TRUE WHERE NOT is_read AND id IN ( \
         SELECT id FROM messages WHERE sender_id = $1 AND receiver_id = $2 AND NOT is_read ORDER BY id DESC \
         LIMIT COALESCE((SELECT CASE WHEN low_id = $2 THEN low_unread ELSE high_unread END \
         FROM conversations WHERE low_id = $3 AND high_id = $4), 0))",
    );
    let (low, high) = (reader.min(sender), reader.max(sender));
    let query = query.bind::<BigInt, _>(sender).bind::<BigInt, _>(reader);
    Ok(query.bind::<BigInt, _>(low).bind::<BigInt, _>(high).execute(unit.conn)?)
}

/// Marks one message as read and returns it.
///
/// # Errors
///
/// [`Error::not_found`] if there is none; [`Error::not_authorized`] if the reader is not its
/// receiver.
pub(super) fn mark_read(unit: &mut UnitOfWork<'_>, reader: UserId, id: MessageId) -> Result<Message> {
    let found = queries::list(unit.conn, Filter::One(id), None)?.pop();
    let mut message = found.ok_or_else(|| Error::not_found("Message not found"))?;
    if message.receiver.id != reader {
        return Err(Error::not_authorized());
    }
    diesel::update(messages::table.find(id)).set(messages::is_read.eq(true)).execute(unit.conn)?;
    message.is_read = true;
    Ok(message)
}
