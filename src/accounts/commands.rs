//! Changing accounts.

use diesel::prelude::*;

use super::admission;
use super::model::{Account, ProfileChange};
use super::queries::{self, Me};
use super::sign_in::SignUp;
use crate::db::violates_unique;
use crate::error::{Error, Result};
use crate::events::{UnitOfWork, inbox};
use crate::ids::UserId;
use crate::schema::{profiles, users};

/// Makes an account with its profile and its inbox.
///
/// # Errors
///
/// 400 if the username or the email is taken; the unique constraints decide.
pub(super) fn sign_up(unit: &mut UnitOfWork<'_>, sign_up: &SignUp, password_hash: &str) -> Result<Me> {
    let user: UserId = diesel::insert_into(users::table)
        .values((
            users::username.eq(&sign_up.username),
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
                Error::rule("Username already taken.")
            } else if violates_unique(&error, "users", "email_key") {
                Error::rule("Email already registered.")
            } else {
                error.into()
            }
        })?;
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
    inbox::open(unit.conn, user)?;
    let account = Account {
        id: user,
        username: sign_up.username.clone(),
        email: sign_up.email.as_str().to_owned(),
        first_name: sign_up.first_name.clone(),
        last_name: sign_up.last_name.clone(),
        is_active: true,
        date_joined: unit.now,
        tokens_valid_from: 0,
    };
    Ok(queries::me(unit.conn, account)?)
}

/// Changes the viewer's profile. `updated_at` moves even if nothing else does.
///
/// # Errors
///
/// The database's own.
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

/// Changes the profile of this number, which must be the viewer's own.
///
/// # Errors
///
/// 404 if there is none, 403 if it is another's.
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

/// Replaces a password by another and ends everything that was let in before. Returns
/// whether it did: the password must still be the one that was checked.
///
/// # Errors
///
/// The database's own.
pub(super) fn change_password(unit: &mut UnitOfWork<'_>, user: UserId, old: &str, new: &str) -> Result<bool> {
    let changed = diesel::update(users::table.find(user).filter(users::password_hash.eq(old)))
        .set(users::password_hash.eq(new))
        .execute(unit.conn)?;
    if changed > 0 {
        admission::end_all(unit, user)?;
    }
    Ok(changed > 0)
}

/// Lets nobody in under this name any more, or lets them in again, with a new sign-in.
///
/// # Errors
///
/// 404 if there is no such user.
pub fn set_active(unit: &mut UnitOfWork<'_>, username: &str, is_active: bool) -> Result<()> {
    let user = diesel::update(users::table.filter(users::username.eq(username)))
        .set(users::is_active.eq(is_active))
        .returning(users::id)
        .get_result::<UserId>(unit.conn)
        .optional()?;
    admission::end_all(unit, user.ok_or_else(|| Error::not_found("no user of this name"))?)
}

/// Replaces a password's hash by a newer kind, if it is still the one that was
/// checked.
///
/// # Errors
///
/// The database's own.
pub(super) fn replace_hash(unit: &mut UnitOfWork<'_>, user: UserId, old: &str, new: &str) -> Result<()> {
    diesel::update(users::table.find(user).filter(users::password_hash.eq(old)))
        .set(users::password_hash.eq(new))
        .execute(unit.conn)?;
    Ok(())
}
