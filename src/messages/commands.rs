//! Sending messages and marking them as read.

use diesel::prelude::*;

use super::model::{Draft, Message, Story};
use super::queries::{self, Filter};
use super::writes::{MarkAllRead, insert_messages};
use crate::db::schema::messages;
use crate::error::{Error, Result};
use crate::events::{BatchCommand, Event, UnitOfWork, UserSummary};
use crate::ids::{MessageId, UserId};

/// A message to be sent by a user.
#[derive(Debug)]
pub struct Send {
    pub(super) sender: UserSummary,
    pub(super) draft: Draft,
}

/// A receiver who is unknown or the sender is an [`Error::field`] of that message alone.
impl BatchCommand for Send {
    type Output = Message;

    fn bytes(&self) -> usize {
        self.draft.content.len() + self.sender.username.len()
    }

    /// The message, its conversation, the inbox and its event.
    fn rows(&self) -> usize {
        4 + self.draft.content.len() / 1_024
    }

    fn run(unit: &mut UnitOfWork<'_>, commands: &[Self]) -> Result<Vec<Result<Message>>> {
        let to_others = commands.iter().filter(|command| !command.is_to_sender());
        let rows: Vec<_> = to_others
            .map(|command| (command.sender.id, command.draft.receiver, command.draft.content.as_str()))
            .collect();
        let mut inserted = insert_messages(unit.conn, &rows, unit.now)?.into_iter().peekable();
        let mut sent = Vec::with_capacity(commands.len());
        for (place, command) in commands.iter().enumerate() {
            if command.is_to_sender() {
                sent.push(Err(Error::field("receiver_id", "You cannot write to yourself.")));
                continue;
            }
            unit.act_for(place);
            // Messages to users who do not exist were left out, so the next one is this one or
            // to another user.
            let message = inserted.next_if(|(_, receiver)| receiver.id == command.draft.receiver);
            sent.push(match message {
                Some((id, receiver)) => Ok(command.sent(unit, id, receiver)),
                None => Err(Error::field("receiver_id", "User not found.")),
            });
        }
        Ok(sent)
    }
}

impl Send {
    fn is_to_sender(&self) -> bool {
        self.draft.receiver == self.sender.id
    }

    /// Notifies the receiver of the message, and returns it.
    fn sent(&self, unit: &mut UnitOfWork<'_>, id: MessageId, receiver: UserSummary) -> Message {
        let (sender, content, created_at) = (self.sender.clone(), self.draft.content.clone(), unit.now);
        let event = Event::NewMessage { id, sender: sender.clone(), content: content.clone(), created_at };
        unit.emit(receiver.id, event);
        Message { id, sender, receiver, content, is_read: false, created_at, story: Story }
    }
}

/// Marks the messages of one user to another as read, and returns how many were unread.
///
/// # Errors
///
/// Those of the database.
pub(super) fn mark_all_read(unit: &mut UnitOfWork<'_>, reader: UserId, sender: UserId) -> Result<usize> {
    Ok(MarkAllRead::new(reader, sender).execute(unit.conn)?)
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
