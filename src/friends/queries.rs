//! Reading friendships and friend requests.

use std::collections::BTreeMap;

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::model::UserPair;
use super::statements::Suggestions;
use crate::db::schema::{friendships, profiles, users};
use crate::db::{AnyConnection, Query, among};
use crate::events::Person;
use crate::ids::{FriendRequestId, UserId};
use crate::timestamp::Timestamp;

/// A user with their picture.
#[derive(Debug, Serialize, Queryable, ToSchema)]
#[schema(as = Pictured)]
pub struct UserWithAvatar {
    #[serde(flatten)]
    person: Person,
    #[schema(required = true)]
    profile_picture: Option<String>,
}

impl UserWithAvatar {
    /// Returns the user's id.
    pub const fn id(&self) -> UserId {
        self.person.id
    }
}

/// A user to whom the viewer has no relationship.
#[derive(Debug, Serialize, Queryable, ToSchema)]
pub struct Suggestion {
    #[serde(flatten)]
    user: UserWithAvatar,
    /// How many friends of the viewer are theirs too.
    #[schema(minimum = 0)]
    mutual_friends_count: i64,
}

/// A friend request to the viewer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pending {
    id: FriendRequestId,
    from_user: Person,
    created_at: Timestamp,
}

/// The columns of a [`Person`].
type PersonColumns = (users::id, users::username, users::first_name, users::last_name);

const PERSON: PersonColumns = (users::id, users::username, users::first_name, users::last_name);

/// Returns this user's friends, the newest friendship first.
///
/// # Errors
///
/// Those of the database, here and below.
pub(super) fn friends(conn: &mut AnyConnection, user: UserId) -> Query<Vec<UserWithAvatar>> {
    // low + high - own is the other's id, so that one join serves both columns.
    let the_other = friendships::low_id + friendships::high_id - user.number();
    friendships::table
        .inner_join(users::table.on(users::id.eq(the_other)))
        .inner_join(profiles::table.on(profiles::user_id.eq(users::id)))
        .filter(friendships::low_id.eq(user).or(friendships::high_id.eq(user)))
        .filter(friendships::accepted_at.is_not_null())
        .order((friendships::accepted_at.desc(), friendships::id.desc()))
        .select((PERSON, profiles::avatar))
        .load(conn)
}

/// Returns the requests of which this user is the addressee, newest first.
///
/// The requesters come from a query of their own, by id: of how many requests there are, the
/// planner knows too little to join all users rightly.
pub(super) fn pending(conn: &mut AnyConnection, user: UserId) -> Query<Vec<Pending>> {
    // Of the two, the addressee is the one who did not ask. An index has this very expression.
    let addressee = friendships::low_id + friendships::high_id - friendships::asked_by;
    let requests: Vec<(FriendRequestId, UserId, Timestamp)> = friendships::table
        .filter(addressee.eq(user.number()).and(friendships::accepted_at.is_null()))
        .order((friendships::created_at.desc(), friendships::id.desc()))
        .select((friendships::id, friendships::asked_by, friendships::created_at))
        .load(conn)?;
    let known = among(conn, users::id, requests.iter().map(|(_, requester, _)| requester.number()));
    let people: Vec<Person> = users::table.filter(known).select(PERSON).load(conn)?;
    let mut requesters: BTreeMap<_, _> = people.into_iter().map(|person| (person.id, person)).collect();
    // The request of a user who was deleted between the two queries is gone too.
    let pending = |(id, requester, created_at)| {
        Some(Pending { id, from_user: requesters.remove(&requester)?, created_at })
    };
    Ok(requests.into_iter().filter_map(pending).collect())
}

/// Returns active users to whom this user has no relationship, the newest accounts first.
pub(super) fn suggestions(conn: &mut AnyConnection, user: UserId) -> Query<Vec<Suggestion>> {
    Suggestions(user).load(conn)
}

/// Returns a user as others see them.
pub(super) fn person(conn: &mut AnyConnection, user: UserId) -> Query<Option<Person>> {
    users::table.find(user).select(PERSON).first(conn).optional()
}

/// Returns a user as others see them, if the account is active.
pub(super) fn active_person(conn: &mut AnyConnection, user: UserId) -> Query<Option<Person>> {
    users::table.find(user).filter(users::is_active).select(PERSON).first(conn).optional()
}

/// The friend request or friendship of two users.
#[derive(Clone, Copy, Debug, Queryable)]
pub(super) struct Relationship {
    /// The id of the row, and of the request while it is one.
    pub(super) id: FriendRequestId,
    /// The user who sent the request.
    pub(super) requester: UserId,
    /// When it was accepted; none while it is a request.
    pub(super) accepted_at: Option<Timestamp>,
}

/// Returns the relationship of two users, if there is one.
pub(super) fn relationship(conn: &mut AnyConnection, pair: UserPair) -> Query<Option<Relationship>> {
    friendships::table
        .filter(friendships::low_id.eq(pair.low).and(friendships::high_id.eq(pair.high)))
        .select((friendships::id, friendships::asked_by, friendships::accepted_at))
        .first(conn)
        .optional()
}

/// Returns whether two users are friends.
pub fn are_friends(conn: &mut AnyConnection, one: UserId, other: UserId) -> Query<bool> {
    let Some(pair) = UserPair::new(one, other) else { return Ok(false) };
    Ok(relationship(conn, pair)?.is_some_and(|existing| existing.accepted_at.is_some()))
}

/// Returns the ids of a user's friends, in no order.
pub fn friend_ids(conn: &mut AnyConnection, user: UserId) -> Query<Vec<UserId>> {
    friendships::table
        .filter(friendships::low_id.eq(user).or(friendships::high_id.eq(user)))
        .filter(friendships::accepted_at.is_not_null())
        .select(friendships::low_id + friendships::high_id - user.number())
        .load(conn)
}
