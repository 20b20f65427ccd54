//! Announcing, once for each idempotency key.

use std::collections::BTreeSet;

use super::model::{AnnouncedBody, AnnouncementRequest};
use super::queries;
use crate::error::{Error, Result};
use crate::events::{BatchCommand, UnitOfWork};
use crate::idempotency::{self, NewKey, Once, RequestKey};
use crate::ids::UserId;

/// Something to be announced to users.
#[derive(Debug)]
pub(super) struct Announce {
    pub(super) key: Option<RequestKey>,
    pub(super) request: AnnouncementRequest,
}

impl BatchCommand for Announce {
    type Output = Once;

    fn bytes(&self) -> usize {
        let recipients = self.request.recipients.len() * size_of::<UserId>();
        self.request.announcement.data.len() + recipients + self.key.as_ref().map_or(0, RequestKey::bytes)
    }

    /// The inbox of each recipient and its copy of what is durable; or whether they exist, which is
    /// read.
    fn rows(&self) -> usize {
        let copy = 2 + self.request.announcement.data.len() / 1_024;
        4 + self.request.recipients.len() * if self.request.durable { copy } else { 1 }
    }

    fn run(unit: &mut UnitOfWork<'_>, commands: &[Self]) -> Result<Vec<Result<Once>>> {
        let recipients: BTreeSet<_> =
            commands.iter().flat_map(|command| &command.request.recipients).collect();
        let existing = queries::existing(unit.conn, recipients.into_iter().copied())?;
        let bodies: Vec<_> = commands.iter().map(|command| command.body(&existing)).collect::<Result<_>>()?;
        // Insert the keys before locking the inboxes: the second of two concurrent requests
        // waits here, where it holds no lock that others wait for.
        let earlier = keep(unit, commands, &bodies)?;
        let mut outcomes = Vec::with_capacity(commands.len());
        for (place, (command, (body, earlier))) in
            commands.iter().zip(bodies.into_iter().zip(earlier)).enumerate()
        {
            unit.act_for(place);
            outcomes.push(earlier.unwrap_or_else(|| {
                command.emit(unit, &existing);
                Ok(Once { body, replayed: false })
            }));
        }
        Ok(outcomes)
    }
}

impl Announce {
    /// Returns the body of the response.
    fn body(&self, existing: &BTreeSet<UserId>) -> Result<String> {
        let mut unknown_user_ids = self.request.recipients.clone();
        unknown_user_ids.retain(|id| !existing.contains(id));
        let recipients = self.request.recipients.len() - unknown_user_ids.len();
        serde_json::to_string(&AnnouncedBody { recipients, unknown_user_ids }).map_err(Error::internal)
    }

    /// Emits the announcement to those recipients who exist.
    fn emit(&self, unit: &mut UnitOfWork<'_>, existing: &BTreeSet<UserId>) {
        let mut recipients = self.request.recipients.clone();
        recipients.retain(|id| existing.contains(id));
        unit.announce(recipients, self.request.announcement.clone(), self.request.durable);
    }
}

/// Stores the responses of commands with a key. Returns, for each command, the outcome of an
/// earlier request with its key, if there was one.
fn keep(
    unit: &mut UnitOfWork<'_>,
    commands: &[Announce],
    bodies: &[String],
) -> Result<Vec<Option<Result<Once>>>> {
    let with_key = commands.iter().zip(bodies).enumerate();
    let mut keys: Vec<_> = with_key
        .filter_map(|(place, (command, response))| {
            Some(NewKey { place, key: command.key.as_ref()?, response })
        })
        .collect();
    let mut earlier: Vec<_> = commands.iter().map(|_| None).collect();
    let known = idempotency::insert(unit.conn, &mut keys, unit.now)?;
    let known = known.into_iter().filter_map(|place| Some((place, commands[place].key.as_ref()?)));
    let known: Vec<_> = known.collect();
    let keys: Vec<_> = known.iter().map(|(_, key)| *key).collect();
    let stored = idempotency::known(unit.conn, &keys)?;
    for (place, key) in known {
        earlier[place] = Some(stored.replay(key));
    }
    Ok(earlier)
}
