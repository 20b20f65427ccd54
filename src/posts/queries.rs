//! Reading posts, and what a new one refers to.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::model::{Draft, Filter, Page, mentionable};
use super::statements::Posts;
use crate::db::schema::{posts, profiles, users};
use crate::db::{AnyConnection, Query, among};
use crate::error::Result;
use crate::events::{Post, User};
use crate::ids::{PostId, UserId};
use crate::timestamp::Timestamp;

/// A post without the names of people.
#[derive(Debug, Queryable)]
struct Row {
    content: (PostId, UserId, String, String, Option<String>, Timestamp, Timestamp),
    place: (Option<PostId>, Option<UserId>, Option<PostId>, Option<UserId>),
    counts: (i64, i64, i64, bool),
}

/// Returns posts as the viewer sees them, newest first. It takes two statements, however many
/// posts there are.
///
/// # Errors
///
/// Those of the database, here and below.
pub(super) fn list(
    conn: &mut AnyConnection,
    viewer: UserId,
    filter: &Filter,
    page: Page,
) -> Query<Vec<Post>> {
    let rows: Vec<Row> = Posts { viewer, filter, page }.load(conn)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let people: BTreeSet<UserId> =
        rows.iter().flat_map(|row| [Some(row.content.1), row.place.1, row.place.3]).flatten().collect();
    let users = users_of(conn, viewer, people)?;
    // Of a user who was deleted between the two statements there is no post any more either.
    Ok(rows.into_iter().filter_map(|row| post(row, &users)).collect())
}

/// Returns users as the viewer sees them, by id.
fn users_of(
    conn: &mut AnyConnection,
    viewer: UserId,
    ids: BTreeSet<UserId>,
) -> Query<BTreeMap<UserId, User>> {
    type Columns = (UserId, String, String, String, String, Timestamp, Option<String>);
    let named = among(conn, users::id, ids.into_iter().map(UserId::number));
    // No join: for many people the planner would read all profiles.
    let avatar =
        profiles::table.filter(profiles::user_id.eq(users::id)).select(profiles::avatar).single_value();
    let rows: Vec<Columns> = users::table
        .filter(named)
        .select((
            users::id,
            users::username,
            users::email,
            users::first_name,
            users::last_name,
            users::date_joined,
            avatar,
        ))
        .load(conn)?;
    let user = |(id, username, email, first_name, last_name, date_joined, profile_picture)| {
        let email = if id == viewer { email } else { String::new() };
        (id, User { id, username, email, first_name, last_name, date_joined, profile_picture })
    };
    Ok(rows.into_iter().map(user).collect())
}

fn post(row: Row, users: &BTreeMap<UserId, User>) -> Option<Post> {
    let (id, author, content, type_, media_url, created_at, updated_at) = row.content;
    let (parent, target_profile_id, reply_to_comment, mentioned) = row.place;
    let (reply_count, likes_count, shares_count, is_liked) = row.counts;
    let user = |id| users.get(&id).cloned();
    Some(Post {
        id,
        author: user(author)?,
        content,
        type_,
        media_url,
        created_at,
        updated_at,
        parent,
        target_profile: target_profile_id.and_then(user),
        target_profile_id,
        reply_to_comment,
        mentioned_user: mentioned.and_then(user),
        reply_count,
        likes_count,
        comment_count: reply_count,
        shares_count,
        is_liked,
    })
}

/// Returns a post as the viewer sees it, if there is one.
pub(super) fn one(conn: &mut AnyConnection, viewer: UserId, id: PostId) -> Query<Option<Post>> {
    let page = Page { limit: 1, before: None };
    Ok(list(conn, viewer, &Filter::One(id), page)?.pop())
}

/// Returns the direct replies to a post, if there is one.
pub(super) fn replies(
    conn: &mut AnyConnection,
    viewer: UserId,
    parent: PostId,
    page: Page,
) -> Query<Option<Vec<Post>>> {
    let replies = list(conn, viewer, &Filter::Replies(parent), page)?;
    let exists = !replies.is_empty() || place(conn, parent)?.is_some();
    Ok(exists.then_some(replies))
}

/// Who wrote a post, and where it is.
#[derive(Clone, Copy, Debug, Queryable)]
pub(super) struct Place {
    /// Its author.
    pub(super) author: UserId,
    /// The post that it replies to.
    pub(super) parent: Option<PostId>,
    /// The person on whose wall it is.
    pub(super) wall: Option<UserId>,
}

/// Returns where a post is, if there is one.
pub(super) fn place(conn: &mut AnyConnection, id: PostId) -> Query<Option<Place>> {
    let columns = (posts::author_id, posts::parent_id, posts::target_profile_id);
    posts::table.find(id).select(columns).first(conn).optional()
}

/// What a new post refers to.
#[derive(Debug, Default)]
pub(super) struct References {
    /// The post that it replies to, and its author.
    pub(super) parent: Option<(PostId, UserId)>,
    /// The person on whose wall it is; not its author.
    pub(super) wall: Option<UserId>,
    /// The reply that it responds to.
    pub(super) reply_to: Option<PostId>,
    /// The person whom it mentions, and their name.
    pub(super) mentioned: Option<(UserId, String)>,
}

/// Finds what a draft refers to.
///
/// # Errors
///
/// [`Error::Fields`](crate::error::Error::Fields) with every field that is wrong, those that the
/// draft knows too.
pub(super) fn references(conn: &mut AnyConnection, author: UserId, draft: &Draft) -> Result<References> {
    let mut errors = draft.errors.clone();
    let mut found = References::default();
    if let Some(pk) = &draft.parent {
        let id = PostId::new(pk.id);
        match place(conn, id)? {
            Some(parent) => found.parent = Some((id, parent.author)),
            None => errors.add("parent_id", pk.unknown()),
        }
    }
    if let Some(pk) = &draft.target {
        match username(conn, UserId::new(pk.id))? {
            Some(_) => found.wall = Some(UserId::new(pk.id)).filter(|owner| *owner != author),
            None => errors.add("target_profile_id", pk.unknown()),
        }
    }
    if let Some(pk) = &draft.mentioned {
        match username(conn, UserId::new(pk.id))? {
            Some(name) => found.mentioned = Some((UserId::new(pk.id), name)),
            None => errors.add("mentioned_user_id", pk.unknown()),
        }
    }
    if let Some(pk) = &draft.reply_to {
        let id = PostId::new(pk.id);
        match (place(conn, id)?, found.parent) {
            (None, _) => errors.add("reply_to_comment_id", pk.unknown()),
            (Some(reply), Some((parent, _))) if reply.parent != Some(parent) => {
                errors.add("reply_to_comment_id", "This is no reply to the same post.");
            }
            (Some(_), _) => found.reply_to = Some(id),
        }
    }
    let mut found = errors.or(found)?;
    if let (Some((parent, _)), None) = (found.parent, &draft.mentioned)
        && let Some((user, name, reply)) = mentioned_by_text(conn, parent, &draft.content)?
    {
        found.mentioned = Some((user, name));
        found.reply_to = found.reply_to.or(Some(reply));
    }
    Ok(found)
}

fn username(conn: &mut AnyConnection, user: UserId) -> Query<Option<String>> {
    users::table.find(user).select(users::username).first(conn).optional()
}

/// Returns whom a reply mentions by the beginning of its text, with their name and their latest
/// reply to the same parent.
fn mentioned_by_text(
    conn: &mut AnyConnection,
    parent: PostId,
    text: &str,
) -> Query<Option<(UserId, String, PostId)>> {
    let names = mentionable(text);
    if names.is_empty() {
        return Ok(None);
    }
    let mut found: Vec<(UserId, String)> =
        users::table.filter(users::username.eq_any(names)).select((users::id, users::username)).load(conn)?;
    found.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
    for (user, name) in found {
        let latest = posts::table
            .filter(posts::author_id.eq(user).and(posts::parent_id.eq(parent)))
            .order((posts::created_at.desc(), posts::id.desc()))
            .select(posts::id)
            .first(conn)
            .optional()?;
        if let Some(reply) = latest {
            return Ok(Some((user, name, reply)));
        }
    }
    Ok(None)
}
