//! Reading accounts and profiles.

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::model::Profile;
use crate::auth::Account;
use crate::db::schema::{profiles, users};
use crate::db::{AnyConnection, Query};
use crate::ids::UserId;
use crate::timestamp::Timestamp;

/// The short user with their profile.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    #[serde(flatten)]
    user: NestedUser,
    profile: OwnProfile,
}

/// The viewer's profile.
#[derive(Debug, Serialize, ToSchema)]
struct OwnProfile {
    /// The profile's id; it is not its owner's.
    #[schema(minimum = 1)]
    id: i64,
    user: NestedUser,
    bio: String,
    #[schema(required = true)]
    avatar: Option<String>,
    location: String,
    website: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// The viewer, by themselves and within their profile.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct NestedUser {
    #[serde(flatten)]
    account: Account,
    date_joined: Timestamp,
    #[schema(required = true)]
    profile_picture: Option<String>,
}

/// Returns an account with its profile.
///
/// # Errors
///
/// Those of the database, here and below.
pub fn me(conn: &mut AnyConnection, account: Account) -> Query<Me> {
    let profile: Profile = profiles::table
        .filter(profiles::user_id.eq(account.id))
        .select(<Profile as Selectable<diesel::pg::Pg>>::construct_selection())
        .first(conn)?;
    let (date_joined, profile_picture) = (account.date_joined, profile.avatar.clone());
    let user = NestedUser { account, date_joined, profile_picture };
    let Profile { id, bio, avatar, location, website, created_at, updated_at } = profile;
    let own = user.clone();
    let profile = OwnProfile { id, user: own, bio, avatar, location, website, created_at, updated_at };
    Ok(Me { user, profile })
}

/// A user as strangers see them. The email is shown to its owner only; the key stays.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicUser {
    id: UserId,
    username: String,
    /// Always empty.
    #[schema(max_length = 0, example = "")]
    email: &'static str,
    first_name: String,
    last_name: String,
    #[schema(required = true)]
    profile_picture: Option<String>,
    date_joined: Timestamp,
    profile: PublicProfile,
}

/// A profile as strangers see it.
#[derive(Debug, Serialize, ToSchema)]
struct PublicProfile {
    bio: String,
    location: String,
    website: String,
    #[schema(required = true)]
    avatar: Option<String>,
}

/// The columns of a [`PublicUser`].
type PublicColumns = ((UserId, String, String, String, Timestamp), (String, String, String, Option<String>));

/// Returns the active user of this name, if there is one.
pub fn public_user(conn: &mut AnyConnection, username: &str) -> Query<Option<PublicUser>> {
    let row = users::table
        .inner_join(profiles::table)
        .filter(users::username.eq(username).and(users::is_active))
        .select((
            (users::id, users::username, users::first_name, users::last_name, users::date_joined),
            (profiles::bio, profiles::location, profiles::website, profiles::avatar),
        ))
        .first::<PublicColumns>(conn)
        .optional()?;
    Ok(row.map(|((id, username, first_name, last_name, date_joined), (bio, location, website, avatar))| {
        let profile_picture = avatar.clone();
        let profile = PublicProfile { bio, location, website, avatar };
        PublicUser { id, username, email: "", first_name, last_name, profile_picture, date_joined, profile }
    }))
}
