//! Sending messages and marking them as read.

use diesel::prelude::*;

use super::insert::{Inserted, NewMessage, insert_messages};
use super::model::{Draft, Message};
use super::queries::{self, Filter};
use super::statements::MarkAllRead;
use crate::db::schema::messages;
use crate::error::{Error, Result};
use crate::events::{BatchCommand, Event, Notice, ReferencedStory, UnitOfWork, UserSummary};
use crate::idempotency::{self, RequestKey};
use crate::ids::{MessageId, UserId};
use crate::stories;

/// A message to be sent by a user.
#[derive(Debug)]
pub struct Send {
    pub(super) sender: UserSummary,
    pub(super) draft: Draft,
    pub(super) key: Option<RequestKey>,
}

/// A message that was sent.
pub struct Sent {
    pub(super) message: Message,
    /// Whether an earlier request with the same key sent it.
    pub(super) replayed: bool,
}

/// A receiver who is unknown or the sender is an [`Error::field`] of that message alone.
impl BatchCommand for Send {
    type Output = Sent;

    fn bytes(&self) -> usize {
        self.draft.content.len() + self.sender.username.len() + self.key.as_ref().map_or(0, RequestKey::bytes)
    }

    /// The message, its conversation, the inbox, its event and the key; and the story, its user, the
    /// friendship and the reference to it.
    fn rows(&self) -> usize {
        let of_story = if self.draft.story.is_some() { 4 } else { 0 };
        4 + of_story + usize::from(self.key.is_some()) + self.draft.content.len() / 1_024
    }

    fn run(unit: &mut UnitOfWork<'_>, commands: &[Self]) -> Result<Vec<Result<Sent>>> {
        let to_others: Vec<_> =
            commands.iter().filter(|command| !command.is_to_sender()).map(Self::row).collect();
        let mut inserted = insert_messages(unit.conn, &to_others, unit.now)?.into_iter();
        let mut outcomes = Vec::with_capacity(commands.len());
        let mut repetitions = Vec::new();
        for (place, command) in commands.iter().enumerate() {
            if command.is_to_sender() {
                outcomes.push(Err(Error::field("receiver_id", "You cannot write to yourself.")));
                continue;
            }
            unit.act_for(place);
            outcomes.push(match inserted.next() {
                Some(Inserted::New(id, receiver)) => {
                    Ok(Sent { message: command.sent(unit, id, receiver)?, replayed: false })
                }
                Some(Inserted::NoReceiver) => Err(no_receiver()),
                Some(Inserted::Before) | None => {
                    repetitions.extend(command.key.as_ref().map(|key| (place, key)));
                    Err(Error::Conflict)
                }
            });
        }
        for (place, outcome) in replay(unit, &repetitions)? {
            outcomes[place] = outcome;
        }
        Ok(outcomes)
    }
}

impl Send {
    fn is_to_sender(&self) -> bool {
        self.draft.receiver == self.sender.id
    }

    fn row(&self) -> NewMessage<'_> {
        let Self { sender, draft, key } = self;
        NewMessage { sender: sender.id, receiver: draft.receiver, content: &draft.content, key: key.as_ref() }
    }

    /// Notifies the receiver of the message, and the sender's other devices; returns it.
    fn sent(&self, unit: &mut UnitOfWork<'_>, id: MessageId, receiver: UserSummary) -> Result<Message> {
        let story = self.attach_story(unit, id)?;
        let (sender, content, created_at) = (self.sender.clone(), self.draft.content.clone(), unit.now);
        let event = Event::NewMessage { id, sender: sender.clone(), content: content.clone(), created_at };
        unit.emit(receiver.id, event);
        unit.notify(
            sender.id,
            Notice::MessageSent {
                id,
                sender: sender.clone(),
                receiver: receiver.clone(),
                content: content.clone(),
                is_read: false,
                created_at,
                story: story.clone(),
            },
        );
        Ok(Message { id, sender, receiver, content, is_read: false, created_at, story })
    }

    /// Has the message refer to the receiver's story to which it replies, if the sender sees it.
    fn attach_story(&self, unit: &mut UnitOfWork<'_>, id: MessageId) -> Result<Option<ReferencedStory>> {
        let Some(story) = &self.draft.story else { return Ok(None) };
        let found =
            stories::queries::of_user(unit.conn, self.sender.id, self.draft.receiver, story, unit.now)?;
        if found.is_some() {
            stories::keep(unit.conn, story)?;
            diesel::update(messages::table.find(id))
                .set(messages::reply_to_story_id.eq(story))
                .execute(unit.conn)?;
        }
        Ok(found)
    }
}

fn no_receiver() -> Error {
    Error::field("receiver_id", "User not found.")
}

/// Returns the outcome of requests whose keys are stored, by their places: the messages as they were
/// sent then, of which none was read yet.
fn replay(
    unit: &mut UnitOfWork<'_>,
    repetitions: &[(usize, &RequestKey)],
) -> Result<Vec<(usize, Result<Sent>)>> {
    if repetitions.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<_> = repetitions.iter().map(|(_, key)| *key).collect();
    let stored = idempotency::known(unit.conn, &keys)?;
    let ids: Vec<_> =
        repetitions.iter().map(|(_, key)| stored.response(key).map(MessageId::from_digits)).collect();
    let found: Vec<MessageId> = ids.iter().filter_map(|id| id.as_ref().ok().copied()).collect();
    let messages = queries::by_ids(unit.conn, &found)?;
    let outcome = |id: MessageId| {
        // Without a message its receiver was deleted since.
        let message = messages.iter().find(|message| message.id == id).ok_or_else(no_receiver)?;
        Ok(Sent { message: Message { is_read: false, ..message.clone() }, replayed: true })
    };
    let outcomes = ids.into_iter().map(|id| id.and_then(outcome));
    Ok(repetitions.iter().map(|(place, _)| *place).zip(outcomes).collect())
}

/// Marks the messages of one user to another as read, and returns how many were unread.
///
/// # Errors
///
/// Those of the database.
pub(super) fn mark_all_read(unit: &mut UnitOfWork<'_>, reader: UserId, sender: UserId) -> Result<usize> {
    let marked: Vec<MessageId> = MarkAllRead::new(reader, sender).load(unit.conn)?;
    if let Some(last) = marked.iter().max() {
        notify_read(unit, reader, sender, Some(*last));
    }
    Ok(marked.len())
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
    if !message.is_read {
        diesel::update(messages::table.find(id)).set(messages::is_read.eq(true)).execute(unit.conn)?;
        notify_read(unit, reader, message.sender.id, None);
    }
    message.is_read = true;
    Ok(message)
}

/// Notifies both users that messages of one to the other were read.
fn notify_read(unit: &mut UnitOfWork<'_>, reader_id: UserId, sender_id: UserId, up_to: Option<MessageId>) {
    for user in [reader_id, sender_id] {
        unit.notify(user, Notice::MessagesRead { sender_id, reader_id, up_to });
    }
}
