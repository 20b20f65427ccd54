//! Reading stories.

use diesel::prelude::*;

use super::model::{Filter, Story};
use super::statements::Stories;
use crate::db::{AnyConnection, Query};
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
