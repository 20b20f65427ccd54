//! Publishing, viewing and deleting stories, and reacting to them.

use std::time::Duration;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{BigInt, Timestamp as SqlTimestamp};

use super::model::{Draft, Story};
use super::queries;
use super::statements::{AddView, SetReaction};
use crate::db::schema::{stories, story_reactions};
use crate::db::{AnyConnection, Query};
use crate::error::{Error, Result};
use crate::events::{Event, Person, UnitOfWork};
use crate::ids::{StoryId, UserId};
use crate::timestamp::Timestamp;

/// Days for which an expired story is kept, for clients that still show it.
const KEPT_DAYS: u32 = 1;

/// How many stories one call of [`prune`] deletes.
pub const PRUNE_BATCH: usize = 1_000;

/// Publishes a story, which expires after its lifetime.
///
/// # Errors
///
/// Those of the database.
pub(super) fn publish(
    unit: &mut UnitOfWork<'_>,
    user: UserId,
    draft: &Draft,
    lifetime: Duration,
) -> Result<Story> {
    let id = StoryId::random();
    diesel::insert_into(stories::table)
        .values((
            stories::id.eq(&id),
            stories::user_id.eq(user),
            stories::media_url.eq(&draft.media_url),
            stories::media_type.eq(draft.media_type),
            stories::caption.eq(&draft.caption),
            stories::created_at.eq(unit.now),
            stories::expires_at.eq(unit.now.later(lifetime)),
        ))
        .execute(unit.conn)?;
    read(unit, user, &id)
}

/// Deletes a story.
///
/// # Errors
///
/// [`Error::no_match`] if the viewer sees none; [`Error::forbidden`] if it is another's.
pub(super) fn delete(unit: &mut UnitOfWork<'_>, viewer: UserId, id: &StoryId) -> Result<()> {
    read(unit, viewer, id)?;
    let deleted =
        diesel::delete(stories::table.find(id)).filter(stories::user_id.eq(viewer)).execute(unit.conn)?;
    if deleted == 1 { Ok(()) } else { Err(Error::forbidden("You can only delete your own stories")) }
}

/// Counts that the viewer has viewed a story, once, and not for their own. Returns the story.
///
/// # Errors
///
/// [`Error::no_match`] if the viewer sees none.
pub(super) fn view(unit: &mut UnitOfWork<'_>, viewer: UserId, id: &StoryId) -> Result<Story> {
    let story = read(unit, viewer, id)?;
    if story.is_viewed || story.user.id() == viewer {
        return Ok(story);
    }
    let view = AddView { story: id.clone(), viewer, now: unit.now };
    view.execute(unit.conn).map_err(if_deleted)?;
    read(unit, viewer, id)
}

/// Sets the viewer's reaction to a story, and notifies its user if it is new or another one.
///
/// # Errors
///
/// [`Error::no_match`] if the viewer sees none.
pub(super) fn react(
    unit: &mut UnitOfWork<'_>,
    viewer: &Person,
    id: &StoryId,
    reaction_type: &'static str,
) -> Result<Story> {
    let teller = read(unit, viewer.id, id)?.user.id();
    let reaction = SetReaction { story: id.clone(), user: viewer.id, reaction_type, now: unit.now };
    let changed = reaction.execute(unit.conn).map_err(if_deleted)?;
    if changed == 1 && teller != viewer.id {
        let (story_id, user) = (id.clone(), viewer.clone());
        unit.emit(teller, Event::StoryReaction { story_id, user, reaction_type });
    }
    read(unit, viewer.id, id)
}

/// Takes the viewer's reaction back.
///
/// # Errors
///
/// [`Error::no_match`] if the viewer sees no such story; [`Error::not_found`] if there is no
/// reaction.
pub(super) fn take_back(unit: &mut UnitOfWork<'_>, viewer: UserId, id: &StoryId) -> Result<()> {
    read(unit, viewer, id)?;
    let deleted = diesel::delete(story_reactions::table.find((id, viewer))).execute(unit.conn)?;
    if deleted == 1 { Ok(()) } else { Err(Error::not_found("No reaction to remove")) }
}

fn read(unit: &mut UnitOfWork<'_>, viewer: UserId, id: &StoryId) -> Result<Story> {
    queries::one(unit.conn, viewer, id, unit.now)?.ok_or_else(|| Error::no_match("Story"))
}

/// Returns a conflict where the story was deleted meanwhile.
fn if_deleted(error: DieselError) -> Error {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Error::Conflict,
        error => error.into(),
    }
}

/// Keeps a story after it has expired, because a message refers to it.
///
/// # Errors
///
/// Those of the database.
pub fn keep(conn: &mut AnyConnection, id: &StoryId) -> Query<()> {
    diesel::update(stories::table.find(id))
        .filter(stories::is_kept.eq(false))
        .set(stories::is_kept.eq(true))
        .execute(conn)
        .map(drop)
}

/// Deletes stories that have expired a day ago, to which no message refers, [`PRUNE_BATCH`] at most, and returns how many.
///
/// # Errors
///
/// Those of the database.
pub fn prune(conn: &mut AnyConnection, now: Timestamp) -> Query<usize> {
    diesel::sql_query(
        "DELETE FROM stories WHERE id IN \
         (SELECT id FROM stories WHERE NOT is_kept AND expires_at < $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind::<SqlTimestamp, _>(now.days_before(KEPT_DAYS))
    .bind::<BigInt, _>(PRUNE_BATCH as i64)
    .execute(conn)
}
