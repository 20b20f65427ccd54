//! Reading stories.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::model::{Filter, Story};
use super::statements::Stories;
use crate::db::schema::stories;
use crate::db::{AnyConnection, Query};
use crate::events::ReferencedStory;
use crate::friends::queries::UserWithAvatar;
use crate::ids::{StoryId, UserId};
use crate::timestamp::Timestamp;

#[derive(Queryable)]
struct Row {
    content: (StoryId, String, String, Option<String>, Timestamp, Timestamp),
    seen: (bool, Option<String>, i64, i64, i64),
    user: UserWithAvatar,
}

/// Returns stories that the viewer may see at this time, newest first, in one statement.
///
/// # Errors
///
/// Those of the database, here and below.
pub(super) fn list(
    conn: &mut AnyConnection,
    viewer: UserId,
    filter: &Filter,
    now: Timestamp,
) -> Query<Vec<Story>> {
    let rows: Vec<Row> = Stories { viewer, filter, now }.load(conn)?;
    Ok(rows.into_iter().map(story).collect())
}

fn story(Row { content, seen, user }: Row) -> Story {
    let (id, media_url, media_type, caption, created_at, expires_at) = content;
    let (is_viewed, reaction, view_count, heart_count, thunder_count) = seen;
    Story {
        id,
        user,
        media_url,
        media_type,
        caption,
        created_at,
        expires_at,
        is_viewed,
        my_reaction: reaction.clone(),
        user_reaction: reaction,
        view_count,
        heart_count,
        thunder_count,
    }
}

/// Returns a story, if the viewer may see it at this time.
pub(super) fn one(
    conn: &mut AnyConnection,
    viewer: UserId,
    id: &StoryId,
    now: Timestamp,
) -> Query<Option<Story>> {
    Ok(list(conn, viewer, &Filter::One(id.clone()), now)?.pop())
}

/// Returns a story of a user, if the viewer may see it at this time.
pub fn of_user(
    conn: &mut AnyConnection,
    viewer: UserId,
    user: UserId,
    id: &StoryId,
    now: Timestamp,
) -> Query<Option<ReferencedStory>> {
    let story = one(conn, viewer, id, now)?.filter(|story| story.user.id() == user);
    let referenced = |Story { id, media_url, media_type, .. }| ReferencedStory {
        id,
        media_url,
        media_type,
        is_expired: false,
    };
    Ok(story.map(referenced))
}

/// Returns the stories of these ids, as messages show them at this time, by id.
pub fn referenced(
    conn: &mut AnyConnection,
    ids: Vec<StoryId>,
    now: Timestamp,
) -> Query<BTreeMap<StoryId, ReferencedStory>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(StoryId, String, String, Timestamp)> = stories::table
        .filter(stories::id.eq_any(ids))
        .select((stories::id, stories::media_url, stories::media_type, stories::expires_at))
        .load(conn)?;
    let referenced = |(id, media_url, media_type, expires_at): (StoryId, String, String, Timestamp)| {
        let is_expired = expires_at <= now;
        let media_url = if is_expired { String::new() } else { media_url };
        (id.clone(), ReferencedStory { id, media_url, media_type, is_expired })
    };
    Ok(rows.into_iter().map(referenced).collect())
}
