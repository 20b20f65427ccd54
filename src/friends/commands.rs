//! Sending, accepting, declining and cancelling friend requests, and ending friendships.
//!
//! Each command is one statement on the one row of two users. Of concurrent commands one
//! finds the row as it requires, and the others find it changed.

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::model::{Accepted, Done, UserPair};
use super::queries;
use crate::db::schema::friendships;
use crate::error::{Error, Result};
use crate::events::{Event, Notice, Person, UnitOfWork};
use crate::ids::{FriendRequestId, UserId};

/// The sentence about a request that was accepted.
const ACCEPTED: &str = "Friend request accepted";

/// Sends a friend request. If the addressee has sent one to the requester, it accepts that.
///
/// # Errors
///
/// [`Error::not_found`] for an unknown or inactive user; [`Error::rule`] for oneself, or where a request
/// or a friendship exists; [`Error::Conflict`] if their relationship changed meanwhile.
pub(super) fn request(unit: &mut UnitOfWork<'_>, requester: &Person, addressee: UserId) -> Result<Done> {
    let other = queries::active_person(unit.conn, addressee)?;
    let other = other.ok_or_else(|| Error::not_found("User not found"))?;
    let pair =
        UserPair::new(requester.id, addressee).ok_or_else(|| Error::rule("You cannot friend yourself"))?;
    match queries::relationship(unit.conn, pair)? {
        Some(existing) if existing.accepted_at.is_some() => Err(Error::rule("You are already friends")),
        Some(existing) if existing.requester == requester.id => {
            Err(Error::rule("Friend request already sent"))
        }
        Some(existing) => match make_friends(unit, existing.id, requester, other.id)? {
            true => Ok(Done { message: ACCEPTED }),
            false => Err(Error::Conflict),
        },
        None => insert_request(unit, pair, requester, addressee),
    }
}

/// Inserts a request. The unique pair decides, not an earlier read.
fn insert_request(
    unit: &mut UnitOfWork<'_>,
    pair: UserPair,
    requester: &Person,
    addressee: UserId,
) -> Result<Done> {
    let inserted = diesel::insert_into(friendships::table)
        .values((
            friendships::low_id.eq(pair.low),
            friendships::high_id.eq(pair.high),
            friendships::asked_by.eq(requester.id),
            friendships::created_at.eq(unit.now),
        ))
        .returning(friendships::id)
        .get_result::<FriendRequestId>(unit.conn);
    match inserted {
        Ok(request_id) => {
            let (from_user, created_at) = (requester.clone(), unit.now);
            unit.emit(addressee, Event::FriendRequest { request_id, from_user, created_at });
            Ok(Done { message: "Friend request sent" })
        }
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Err(Error::Conflict),
        Err(error) => Err(error.into()),
    }
}

/// Accepts a request.
///
/// # Errors
///
/// [`Error::not_found`] if there is no such request, or no longer;
/// [`Error::not_authorized`] if the viewer is not its addressee.
pub(super) fn accept(
    unit: &mut UnitOfWork<'_>,
    viewer: &Person,
    request: FriendRequestId,
) -> Result<Accepted> {
    let requester = requester(unit, viewer.id, request)?;
    let friend = queries::person(unit.conn, requester)?.ok_or_else(no_request)?;
    if make_friends(unit, request, viewer, requester)? {
        let (id, username) = (friend.id, friend.username.clone());
        Ok(Accepted { message: ACCEPTED, friend, id, username })
    } else {
        Err(no_request())
    }
}

/// Turns a request into a friendship. Returns whether it was still a request.
fn make_friends(
    unit: &mut UnitOfWork<'_>,
    request: FriendRequestId,
    addressee: &Person,
    requester: UserId,
) -> Result<bool> {
    let accepted = diesel::update(friendships::table.find(request))
        .filter(friendships::accepted_at.is_null().and(friendships::asked_by.eq(requester)))
        .set(friendships::accepted_at.eq(unit.now))
        .execute(unit.conn)?;
    if accepted == 1 {
        unit.emit(requester, Event::FriendAccepted { friend: addressee.clone() });
        unit.notify(addressee.id, Notice::FriendsChanged { user_id: requester });
    }
    Ok(accepted == 1)
}

/// Declines a request. It may be sent again.
///
/// # Errors
///
/// As [`accept`].
pub(super) fn decline(unit: &mut UnitOfWork<'_>, viewer: UserId, request: FriendRequestId) -> Result<()> {
    let requester = requester(unit, viewer, request)?;
    let declined = diesel::delete(friendships::table.find(request))
        .filter(friendships::accepted_at.is_null())
        .execute(unit.conn)?;
    if declined == 0 {
        return Err(no_request());
    }
    // Only the viewer's other devices: the requester is not to learn of it.
    unit.notify(viewer, Notice::FriendsChanged { user_id: requester });
    Ok(())
}

/// Returns the requester, if this user is the addressee.
fn requester(unit: &mut UnitOfWork<'_>, user: UserId, request: FriendRequestId) -> Result<UserId> {
    let (low, high, requester) = friendships::table
        .find(request)
        .filter(friendships::accepted_at.is_null())
        .select((friendships::low_id, friendships::high_id, friendships::asked_by))
        .first::<(UserId, UserId, UserId)>(unit.conn)
        .optional()?
        .ok_or_else(no_request)?;
    let addressee = if requester == low { high } else { low };
    if addressee == user { Ok(requester) } else { Err(Error::not_authorized()) }
}

/// Cancels the viewer's request to another user.
///
/// # Errors
///
/// [`Error::not_found`] if there is none.
pub(super) fn cancel(unit: &mut UnitOfWork<'_>, viewer: UserId, addressee: UserId) -> Result<()> {
    let pair = UserPair::new(viewer, addressee).ok_or_else(no_request)?;
    let cancelled = diesel::delete(friendships::table)
        .filter(friendships::low_id.eq(pair.low).and(friendships::high_id.eq(pair.high)))
        .filter(friendships::asked_by.eq(viewer).and(friendships::accepted_at.is_null()))
        .execute(unit.conn)?;
    if cancelled == 0 {
        return Err(no_request());
    }
    notify_both(unit, viewer, addressee);
    Ok(())
}

/// Ends a friendship, if there is one.
///
/// # Errors
///
/// [`Error::not_found`] for an unknown user.
pub(super) fn remove(unit: &mut UnitOfWork<'_>, viewer: UserId, friend: UserId) -> Result<()> {
    queries::person(unit.conn, friend)?.ok_or_else(|| Error::not_found("User not found"))?;
    if let Some(pair) = UserPair::new(viewer, friend) {
        let removed = diesel::delete(friendships::table)
            .filter(friendships::low_id.eq(pair.low).and(friendships::high_id.eq(pair.high)))
            .filter(friendships::accepted_at.is_not_null())
            .execute(unit.conn)?;
        if removed > 0 {
            notify_both(unit, viewer, friend);
        }
    }
    Ok(())
}

/// Notifies two users that their lists have changed.
fn notify_both(unit: &mut UnitOfWork<'_>, one: UserId, other: UserId) {
    unit.notify(one, Notice::FriendsChanged { user_id: other });
    unit.notify(other, Notice::FriendsChanged { user_id: one });
}

fn no_request() -> Error {
    Error::not_found("Request not found")
}
