//! Asking, accepting, declining, cancelling, ending.
//!
//! Each act is one statement on the one row of two people. Of acts that happen at
//! once one finds the row as it wants it, and the others find it changed.

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::model::UserPair;
use super::queries;
use crate::db::schema::friendships;
use crate::error::{Error, Result};
use crate::events::{Event, Person, UnitOfWork};
use crate::ids::{FriendRequestId, UserId};

/// What asking came to.
pub(super) enum Asked {
    /// A request waits for the other's answer.
    Requested,
    /// The other had asked already: now they are friends.
    Accepted,
}

/// Asks somebody to be friends. If they have asked already, it is an acceptance.
///
/// # Errors
///
/// 404 for an unknown user; 400 for oneself, or when a request or a friendship is
/// there; [`Error::Conflict`] if how the two stand changed while this was done.
pub(super) fn ask(unit: &mut UnitOfWork<'_>, asker: &Person, asked: UserId) -> Result<Asked> {
    let other = queries::person(unit.conn, asked)?.ok_or_else(|| Error::not_found("User not found"))?;
    let pair = UserPair::new(asker.id, asked).ok_or_else(|| Error::rule("You cannot friend yourself"))?;
    match queries::relationship(unit.conn, pair)? {
        Some(relationship) if relationship.accepted_at.is_some() => {
            Err(Error::rule("You are already friends"))
        }
        Some(relationship) if relationship.asked_by == asker.id => {
            Err(Error::rule("Friend request already sent"))
        }
        Some(relationship) => match make_friends(unit, relationship.id, asker, other.id)? {
            true => Ok(Asked::Accepted),
            false => Err(Error::Conflict),
        },
        None => request(unit, pair, asker, asked),
    }
}

/// Inserts a request. What was read before does not decide: the unique pair does.
fn request(unit: &mut UnitOfWork<'_>, pair: UserPair, asker: &Person, asked: UserId) -> Result<Asked> {
    let inserted = diesel::insert_into(friendships::table)
        .values((
            friendships::low_id.eq(pair.low),
            friendships::high_id.eq(pair.high),
            friendships::asked_by.eq(asker.id),
            friendships::created_at.eq(unit.now),
        ))
        .returning(friendships::id)
        .get_result::<FriendRequestId>(unit.conn);
    match inserted {
        Ok(request_id) => {
            let (from_user, created_at) = (asker.clone(), unit.now);
            unit.emit(asked, Event::FriendRequest { request_id, from_user, created_at });
            Ok(Asked::Requested)
        }
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Err(Error::Conflict),
        Err(error) => Err(error.into()),
    }
}

/// Accepts a request and returns the new friend.
///
/// # Errors
///
/// 404 if there is no such request, or no longer; 403 if it is not to the viewer.
pub(super) fn accept(unit: &mut UnitOfWork<'_>, viewer: &Person, request: FriendRequestId) -> Result<Person> {
    let asker = addressed(unit, viewer.id, request)?;
    let friend = queries::person(unit.conn, asker)?.ok_or_else(no_request)?;
    if make_friends(unit, request, viewer, asker)? { Ok(friend) } else { Err(no_request()) }
}

/// Turns a request into a friendship, unless somebody was faster.
fn make_friends(
    unit: &mut UnitOfWork<'_>,
    request: FriendRequestId,
    accepter: &Person,
    asker: UserId,
) -> Result<bool> {
    let accepted = diesel::update(friendships::table.find(request))
        .filter(friendships::accepted_at.is_null().and(friendships::asked_by.eq(asker)))
        .set(friendships::accepted_at.eq(unit.now))
        .execute(unit.conn)?;
    if accepted == 1 {
        unit.emit(asker, Event::FriendAccepted { friend: accepter.clone() });
    }
    Ok(accepted == 1)
}

/// Declines a request. It may be made anew.
///
/// # Errors
///
/// As [`accept`].
pub(super) fn decline(unit: &mut UnitOfWork<'_>, viewer: UserId, request: FriendRequestId) -> Result<()> {
    addressed(unit, viewer, request)?;
    let declined = diesel::delete(friendships::table.find(request))
        .filter(friendships::accepted_at.is_null())
        .execute(unit.conn)?;
    if declined == 1 { Ok(()) } else { Err(no_request()) }
}

/// Returns who asked, if the request is to this user.
fn addressed(unit: &mut UnitOfWork<'_>, user: UserId, request: FriendRequestId) -> Result<UserId> {
    let (low, high, asker) = friendships::table
        .find(request)
        .filter(friendships::accepted_at.is_null())
        .select((friendships::low_id, friendships::high_id, friendships::asked_by))
        .first::<(UserId, UserId, UserId)>(unit.conn)
        .optional()?
        .ok_or_else(no_request)?;
    let recipient = if asker == low { high } else { low };
    if recipient == user { Ok(asker) } else { Err(Error::not_authorized()) }
}

/// Takes back the viewer's request to somebody.
///
/// # Errors
///
/// 404 if there is none.
pub(super) fn cancel(unit: &mut UnitOfWork<'_>, viewer: UserId, asked: UserId) -> Result<()> {
    let pair = UserPair::new(viewer, asked).ok_or_else(no_request)?;
    let cancelled = diesel::delete(friendships::table)
        .filter(friendships::low_id.eq(pair.low).and(friendships::high_id.eq(pair.high)))
        .filter(friendships::asked_by.eq(viewer).and(friendships::accepted_at.is_null()))
        .execute(unit.conn)?;
    if cancelled == 1 { Ok(()) } else { Err(no_request()) }
}

/// Ends a friendship; also fine if there is none.
///
/// # Errors
///
/// 404 for an unknown user.
pub(super) fn remove(unit: &mut UnitOfWork<'_>, viewer: UserId, friend: UserId) -> Result<()> {
    queries::person(unit.conn, friend)?.ok_or_else(|| Error::not_found("User not found"))?;
    if let Some(pair) = UserPair::new(viewer, friend) {
        diesel::delete(friendships::table)
            .filter(friendships::low_id.eq(pair.low).and(friendships::high_id.eq(pair.high)))
            .filter(friendships::accepted_at.is_not_null())
            .execute(unit.conn)?;
    }
    Ok(())
}

fn no_request() -> Error {
    Error::not_found("Request not found")
}
