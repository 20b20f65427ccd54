//! Creating accounts and changing profiles.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::model::{ProfileChange, SignUp};
use super::queries::{self, Me};
use super::username::Username;
use crate::auth::{Account, EndedSignIns};
use crate::db::schema::{profiles, username_keys, users};
use crate::db::violates_unique;
use crate::error::{Error, Result};
use crate::events::{UnitOfWork, inbox};
use crate::ids::UserId;

/// The sentence for a username that is another's or reserved.
pub(super) const TAKEN: &str = "Username already taken.";

/// Creates an account with its profile and its inbox.
///
/// # Errors
///
/// [`Error::rule`] if the username or the email is taken; the unique constraints decide.
pub(super) fn sign_up(unit: &mut UnitOfWork<'_>, sign_up: &SignUp, password_hash: &str) -> Result<Me> {
    let user: UserId = diesel::insert_into(users::table)
        .values((
            users::username.eq(sign_up.username.as_str()),
            users::email.eq(sign_up.email.as_str()),
            users::email_key.eq(sign_up.email.key()),
            users::password_hash.eq(password_hash),
            users::first_name.eq(&sign_up.first_name),
            users::last_name.eq(&sign_up.last_name),
            users::search_key.eq(sign_up.search_key()),
            users::date_joined.eq(unit.now),
        ))
        .returning(users::id)
        .get_result(unit.conn)
        .map_err(|error| {
            if violates_unique(&error, "users", "username") {
                Error::rule(TAKEN)
            } else if violates_unique(&error, "users", "email_key") {
                Error::rule("Email already registered.")
            } else {
                error.into()
            }
        })?;
    take_username(unit, &sign_up.username, user)?;
    diesel::insert_into(profiles::table)
        .values((
            profiles::user_id.eq(user),
            profiles::bio.eq(""),
            profiles::location.eq(""),
            profiles::website.eq(""),
            profiles::created_at.eq(unit.now),
            profiles::updated_at.eq(unit.now),
        ))
        .execute(unit.conn)?;
    inbox::create(unit.conn, user)?;
    let account = Account {
        id: user,
        username: sign_up.username.as_str().to_owned(),
        email: sign_up.email.as_str().to_owned(),
        first_name: sign_up.first_name.clone(),
        last_name: sign_up.last_name.clone(),
        is_active: true,
        date_joined: unit.now,
        tokens_valid_from: 0,
        ended_sign_ins: EndedSignIns::default(),
    };
    Ok(queries::me(unit.conn, account)?)
}

/// Takes the key of a username, which belongs to one account at most.
///
/// A trigger has taken it already where the database computes the same one; where another
/// account has it, neither gets it from them.
fn take_username(unit: &mut UnitOfWork<'_>, username: &Username, user: UserId) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO username_keys (key, user_id) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING",
    )
    .bind::<Text, _>(username.key())
    .bind::<BigInt, _>(user)
    .execute(unit.conn)?;
    let owner: UserId =
        username_keys::table.find(username.key()).select(username_keys::user_id).first(unit.conn)?;
    if owner == user { Ok(()) } else { Err(Error::rule(TAKEN)) }
}

/// Changes the viewer's profile. `updated_at` moves even if nothing else does.
///
/// # Errors
///
/// Those of the database.
pub(super) fn change_profile(
    unit: &mut UnitOfWork<'_>,
    account: Account,
    change: &ProfileChange,
) -> Result<Me> {
    diesel::update(profiles::table.filter(profiles::user_id.eq(account.id)))
        .set((change, profiles::updated_at.eq(unit.now)))
        .execute(unit.conn)?;
    Ok(queries::me(unit.conn, account)?)
}

/// Changes the profile of this id, which must be the viewer's own.
///
/// # Errors
///
/// [`Error::not_found`] if there is none, [`Error::not_authorized`] if it is another's.
pub(super) fn change_numbered_profile(
    unit: &mut UnitOfWork<'_>,
    account: Account,
    profile: i64,
    change: &ProfileChange,
) -> Result<Me> {
    let owner =
        profiles::table.find(profile).select(profiles::user_id).first::<UserId>(unit.conn).optional()?;
    match owner {
        None => Err(Error::not_found("Profile not found")),
        Some(owner) if owner != account.id => Err(Error::not_authorized()),
        Some(_) => change_profile(unit, account, change),
    }
}
