//! Writing, changing and deleting posts, liking and sharing them.
//!
//! The events of a post are emitted in its transaction, to each person once.

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::BigInt;

use super::model::{Change, Draft, EMPTY, LikeAction};
use super::queries::{self, References};
use super::statements::AddLike;
use crate::db::AnyConnection;
use crate::db::schema::{post_likes, posts};
use crate::error::{Error, Result};
use crate::events::post::{MentioningReply, PostEvent, RepliedPost};
use crate::events::{Event, Person, Post, UnitOfWork, UserSummary};
use crate::friends::queries::{are_friends, friend_ids};
use crate::ids::{PostId, UserId};

/// Writes a post, and notifies whom it concerns.
///
/// # Errors
///
/// [`Error::Fields`] with every field that is wrong; [`Error::forbidden`] for the wall of a user
/// who is not a friend; [`Error::Conflict`] if what it refers to was deleted meanwhile.
pub(super) fn write(unit: &mut UnitOfWork<'_>, author: &Person, draft: &Draft) -> Result<Post> {
    let references = queries::references(unit.conn, author.id, draft)?;
    if let Some(owner) = references.wall
        && !are_friends(unit.conn, author.id, owner)?
    {
        return Err(Error::forbidden("You can only post on the walls of your friends"));
    }
    let id = insert(unit, author.id, draft, &references).map_err(if_deleted)?;
    let post = queries::one(unit.conn, author.id, id)?.ok_or(Error::Conflict)?;
    if let Some(parent) = references.parent {
        notify_of_reply(unit, author, draft, parent, &references, id)?;
    } else if let Some(owner) = references.wall {
        let seen = queries::one(unit.conn, owner, id)?.ok_or(Error::Conflict)?;
        let message = format!("{} posted on your wall", author.username);
        let event = PostEvent::Wall { message, post: Box::new(seen), author: UserSummary::from(author) };
        unit.emit(owner, Event::Post(event));
    } else {
        let friends = friend_ids(unit.conn, author.id)?;
        let seen = Box::new(post.clone().seen_by_others());
        unit.emit_to_all(friends, Event::Post(PostEvent::New(seen)));
    }
    Ok(post)
}

fn insert(
    unit: &mut UnitOfWork<'_>,
    author: UserId,
    draft: &Draft,
    references: &References,
) -> std::result::Result<PostId, DieselError> {
    diesel::insert_into(posts::table)
        .values((
            posts::author_id.eq(author),
            posts::target_profile_id.eq(references.wall),
            posts::type_.eq(draft.type_),
            posts::content.eq(&draft.content),
            posts::media_url.eq(&draft.media_url),
            posts::parent_id.eq(references.parent.map(|(parent, _)| parent)),
            posts::reply_to_comment_id.eq(references.reply_to),
            posts::mentioned_user_id.eq(references.mentioned.as_ref().map(|(user, _)| *user)),
            posts::created_at.eq(unit.now),
            posts::updated_at.eq(unit.now),
        ))
        .returning(posts::id)
        .get_result(unit.conn)
}

/// Notifies whom a reply mentions and, if they are another user, the author of its parent.
fn notify_of_reply(
    unit: &mut UnitOfWork<'_>,
    replier: &Person,
    draft: &Draft,
    (parent, parent_author): (PostId, UserId),
    references: &References,
    id: PostId,
) -> Result<()> {
    let mentioned = references.mentioned.as_ref().filter(|(user, _)| *user != replier.id);
    if let Some((user, name)) = mentioned {
        let event = PostEvent::Mention {
            message: format!("{} replied to your comment", replier.username),
            replier: replier.clone(),
            reply: MentioningReply { content: draft.content.clone(), id },
            post: RepliedPost { id: parent },
            mentioned_username: draft.mentioned_username.clone().unwrap_or_else(|| name.clone()),
        };
        unit.emit(*user, Event::Post(event));
    }
    let is_notified = mentioned.is_some_and(|(user, _)| *user == parent_author);
    if parent_author == replier.id || is_notified {
        return Ok(());
    }
    let mut seen = |id| queries::one(unit.conn, parent_author, id)?.map(Box::new).ok_or(Error::Conflict);
    let event = PostEvent::Comment {
        message: format!("{} commented on your post", replier.username),
        commenter: replier.clone(),
        post: seen(parent)?,
        comment: seen(id)?,
    };
    unit.emit(parent_author, Event::Post(event));
    Ok(())
}

/// Changes the viewer's own post.
///
/// # Errors
///
/// [`Error::no_match`] if there is none; [`Error::forbidden`] if it is another's;
/// [`Error::Fields`] if fields are wrong, or nothing would be left of it.
pub(super) fn change(
    unit: &mut UnitOfWork<'_>,
    viewer: UserId,
    id: PostId,
    change: std::result::Result<&Change, &crate::error::FieldErrors>,
) -> Result<Post> {
    let place = queries::place(unit.conn, id)?.ok_or_else(no_post)?;
    if place.author != viewer {
        return Err(Error::forbidden("You can only edit your own posts"));
    }
    let change = change.map_err(|errors| Error::Fields(errors.clone()))?;
    let changed: Option<(String, Option<String>)> = diesel::update(posts::table.find(id))
        .set((
            change.content.as_ref().map(|content| posts::content.eq(content)),
            change.type_.map(|type_| posts::type_.eq(type_)),
            change.media_url.as_ref().map(|link| posts::media_url.eq(link)),
            posts::updated_at.eq(unit.now),
        ))
        .returning((posts::content, posts::media_url))
        .get_result(unit.conn)
        .optional()?;
    // What the row has now, and not what was read before: another change may be between the two.
    match changed {
        None => Err(no_post()),
        Some((content, None)) if content.is_empty() => Err(Error::field("content", EMPTY)),
        Some(_) => read(unit, viewer, id),
    }
}

/// Deletes a post, with its replies and likes.
///
/// # Errors
///
/// [`Error::no_match`] if there is none; [`Error::forbidden`] if the viewer has neither written it
/// nor the wall that it is on.
pub(super) fn delete(unit: &mut UnitOfWork<'_>, viewer: UserId, id: PostId) -> Result<()> {
    let place = queries::place(unit.conn, id)?.ok_or_else(no_post)?;
    if place.author != viewer && place.wall != Some(viewer) {
        return Err(Error::forbidden("You can only delete your own posts"));
    }
    let deleted = diesel::delete(posts::table.find(id)).execute(unit.conn)?;
    if deleted == 1 { Ok(()) } else { Err(no_post()) }
}

/// Likes a post, or no longer.
///
/// # Errors
///
/// [`Error::no_match`] if there is none.
pub(super) fn like(
    unit: &mut UnitOfWork<'_>,
    viewer: UserId,
    id: PostId,
    action: LikeAction,
) -> Result<Post> {
    if action == LikeAction::Toggle {
        lock(unit.conn, id)?;
    }
    let is_unliked = action != LikeAction::Like
        && diesel::delete(post_likes::table.find((id, viewer))).execute(unit.conn)? == 1;
    if action == LikeAction::Like || action == LikeAction::Toggle && !is_unliked {
        AddLike { post: id, user: viewer, now: unit.now }.execute(unit.conn).map_err(if_deleted)?;
    }
    read(unit, viewer, id)
}

/// Locks a post until the transaction ends, so that of two toggles at once the second sees what
/// the first one did. SQLite has one transaction that writes at a time.
fn lock(conn: &mut AnyConnection, id: PostId) -> Result<()> {
    if matches!(conn, AnyConnection::Postgres(_)) {
        let statement = diesel::sql_query("SELECT FROM posts WHERE id = $1 FOR NO KEY UPDATE");
        statement.bind::<BigInt, _>(id).execute(conn)?;
    }
    Ok(())
}

/// Counts that a post was shared.
///
/// # Errors
///
/// [`Error::no_match`] if there is none.
pub(super) fn share(unit: &mut UnitOfWork<'_>, viewer: UserId, id: PostId) -> Result<Post> {
    diesel::update(posts::table.find(id))
        .set(posts::shares_count.eq(posts::shares_count + 1))
        .execute(unit.conn)?;
    read(unit, viewer, id)
}

fn read(unit: &mut UnitOfWork<'_>, viewer: UserId, id: PostId) -> Result<Post> {
    queries::one(unit.conn, viewer, id)?.ok_or_else(no_post)
}

/// Returns a conflict where a row to which another one refers was deleted meanwhile.
fn if_deleted(error: DieselError) -> Error {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Error::Conflict,
        error => error.into(),
    }
}

pub(super) fn no_post() -> Error {
    Error::no_match("Post")
}
