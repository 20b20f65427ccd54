//! Reading accounts.

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{Account, Profile};
use crate::db::{AnyConnection, Query};
use crate::ids::UserId;
use crate::schema::{profiles, users};
use crate::timestamp::Timestamp;

/// Users that a search or a list of suggestions shows at most.
pub const MOST_FOUND: i64 = 20;

/// Returns an account, if there is one.
///
/// # Errors
///
/// The database's own, here and below.
pub fn account(conn: &mut AnyConnection, user: UserId) -> Query<Option<Account>> {
    users::table.find(user).select(account_columns()).first(conn).optional()
}

fn account_columns() -> <Account as Selectable<diesel::pg::Pg>>::SelectExpression {
    <Account as Selectable<diesel::pg::Pg>>::construct_selection()
}

/// What signing in needs of an account.
#[derive(Debug, Queryable)]
pub struct Login {
    /// Whose it is.
    pub user: UserId,
    /// What the password is checked against.
    pub password_hash: String,
    /// Whether the account may be used.
    pub is_active: bool,
}

/// Returns what signing in with this email needs, if it has an account.
pub fn login(conn: &mut AnyConnection, email_key: &str) -> Query<Option<Login>> {
    users::table
        .filter(users::email_key.eq(email_key))
        .select((users::id, users::password_hash, users::is_active))
        .first(conn)
        .optional()
}

/// Returns what a user's password is checked against.
pub fn password_hash(conn: &mut AnyConnection, user: UserId) -> Query<Option<String>> {
    users::table.find(user).select(users::password_hash).first(conn).optional()
}

/// The short user with their profile.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    #[serde(flatten)]
    account: Account,
    profile: OwnProfile,
}

/// What the viewer shows of themselves.
#[derive(Debug, Serialize, ToSchema)]
struct OwnProfile {
    /// Names the profile; it is not its owner's id.
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

/// The viewer within their profile.
#[derive(Debug, Serialize, ToSchema)]
struct NestedUser {
    #[serde(flatten)]
    account: Account,
    date_joined: Timestamp,
    #[schema(required = true)]
    profile_picture: Option<String>,
}

/// Returns an account with its profile.
pub fn me(conn: &mut AnyConnection, account: Account) -> Query<Me> {
    let profile: Profile = profiles::table
        .filter(profiles::user_id.eq(account.id))
        .select(<Profile as Selectable<diesel::pg::Pg>>::construct_selection())
        .first(conn)?;
    let user = NestedUser {
        account: account.clone(),
        date_joined: account.date_joined,
        profile_picture: profile.avatar.clone(),
    };
    let Profile { id, bio, avatar, location, website, created_at, updated_at } = profile;
    let profile = OwnProfile { id, user, bio, avatar, location, website, created_at, updated_at };
    Ok(Me { account, profile })
}

/// A user as strangers see them. The email is its owner's alone; the key stays.
#[derive(Debug, Serialize, Queryable, ToSchema)]
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
}

/// Returns the user of this name, if there is one.
pub fn public_user(conn: &mut AnyConnection, username: &str) -> Query<Option<PublicUser>> {
    let row = users::table
        .inner_join(profiles::table)
        .filter(users::username.eq(username))
        .select((users::id, users::username, users::first_name, users::last_name, profiles::avatar))
        .first::<(UserId, String, String, String, Option<String>)>(conn)
        .optional()?;
    Ok(row.map(|(id, username, first_name, last_name, profile_picture)| PublicUser {
        id,
        username,
        email: "",
        first_name,
        last_name,
        profile_picture,
    }))
}

/// A user that a search found.
#[derive(Debug, Serialize, Queryable, ToSchema)]
pub struct Found {
    id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    avatar: Option<String>,
}

/// Returns users whose username or name has this text in it, in any case;
/// with fewer than two characters the newest accounts, without superusers. Never the
/// one who asks.
pub fn search(conn: &mut AnyConnection, asker: UserId, text: &str) -> Query<Vec<Found>> {
    let users = users::table
        .inner_join(profiles::table)
        .filter(users::id.ne(asker))
        .select((users::id, users::username, users::first_name, users::last_name, profiles::avatar))
        .limit(MOST_FOUND);
    if text.chars().count() < 2 {
        return users
            .filter(users::is_superuser.eq(false))
            .order((users::date_joined.desc(), users::id.desc()))
            .load(conn);
    }
    users.filter(users::search_key.like(contains(text)).escape('\\')).load(conn)
}

/// Returns the pattern of all texts that contain this one; `%` and `_` are literal.
fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}
