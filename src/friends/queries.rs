//! Reading friendships and friend requests.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::model::UserPair;
use crate::accounts::queries::MAX_FOUND;
use crate::db::schema::{friendships, profiles, users};
use crate::db::{AnyConnection, Query};
use crate::events::Person;
use crate::ids::{FriendRequestId, UserId};
use crate::timestamp::Timestamp;

/// A person and their picture.
#[derive(Debug, Serialize, Queryable, ToSchema)]
#[schema(as = Pictured)]
pub struct UserWithAvatar {
    #[serde(flatten)]
    person: Person,
    #[schema(required = true)]
    profile_picture: Option<String>,
}

/// A friend request to the viewer.
#[derive(Debug, Serialize, Queryable, ToSchema)]
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
/// The database's own, here and below.
pub fn friends(conn: &mut AnyConnection, user: UserId) -> Query<Vec<UserWithAvatar>> {
    // Of two ids whose sum is known, one names the other.
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

/// Returns the requests that wait for this user's answer, newest first.
pub fn pending(conn: &mut AnyConnection, user: UserId) -> Query<Vec<Pending>> {
    friendships::table
        .inner_join(users::table.on(users::id.eq(friendships::asked_by)))
        .filter(friendships::low_id.eq(user).or(friendships::high_id.eq(user)))
        .filter(friendships::asked_by.ne(user.number()))
        .filter(friendships::accepted_at.is_null())
        .order((friendships::created_at.desc(), friendships::id.desc()))
        .select((friendships::id, PERSON, friendships::created_at))
        .load(conn)
}

/// Returns people to whom this user has no relationship yet, the newest first.
pub fn suggestions(conn: &mut AnyConnection, user: UserId) -> Query<Vec<UserWithAvatar>> {
    let relationship = friendships::table.filter(
        friendships::low_id
            .eq(user)
            .and(friendships::high_id.eq(users::id))
            .or(friendships::high_id.eq(user).and(friendships::low_id.eq(users::id))),
    );
    users::table
        .inner_join(profiles::table)
        .filter(users::id.ne(user))
        .filter(not(exists(relationship)))
        .order(users::id.desc())
        .limit(MAX_FOUND)
        .select((PERSON, profiles::avatar))
        .load(conn)
}

/// Returns a user as others see them.
pub fn person(conn: &mut AnyConnection, user: UserId) -> Query<Option<Person>> {
    users::table.find(user).select(PERSON).first(conn).optional()
}

/// How two people stand to each other.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Relationship {
    /// Names the row, and the request while it is one.
    pub id: FriendRequestId,
    /// Who asked.
    pub asked_by: UserId,
    /// Since when they are friends.
    pub accepted_at: Option<Timestamp>,
}

/// Returns how two people stand to each other, if they do.
pub fn relationship(conn: &mut AnyConnection, pair: UserPair) -> Query<Option<Relationship>> {
    friendships::table
        .filter(friendships::low_id.eq(pair.low).and(friendships::high_id.eq(pair.high)))
        .select((friendships::id, friendships::asked_by, friendships::accepted_at))
        .first(conn)
        .optional()
}
