//! Issuing tokens, and changing what a user authenticates with.

use std::time::Duration;

use diesel::prelude::*;

use super::revocation::{self, Lock, MICROS_PER_SECOND};
use super::sign_ins::{self, Device};
use super::tokens::Claims;
use crate::db::database_time_us;
use crate::db::schema::users;
use crate::error::{Error, Result};
use crate::events::UnitOfWork;
use crate::ids::{SignInId, UserId};
use crate::timestamp::Timestamp;

/// What tokens are issued for.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    /// A password that matches this stored hash.
    Password(UserId, String),
    /// A refresh token whose signature and times are valid.
    Refresh(Claims),
}

impl Credential {
    /// Returns the sign-in that tokens are issued for: a new one for a password.
    fn sign_in(&self) -> SignInId {
        match self {
            Self::Password(..) => SignInId::random(),
            Self::Refresh(claims) => claims.sign_in(),
        }
    }
}

/// Whether tokens may be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    /// They may, as of this second of Unix time by the database's clock.
    Granted(UserId, SignInId, i64),
    /// Everything issued up to a second that is not over yet is revoked: they may after this time.
    After(Duration),
    /// The account does not exist or is inactive.
    Inactive,
    /// The password has another hash by now.
    HashChanged,
    /// The refresh token is revoked.
    Revoked,
}

/// Decides whether tokens may be issued for a credential, and records the sign-in if so. The
/// user's row stays locked until the transaction ends, so that no revocation comes in between.
///
/// # Errors
///
/// Those of the database, here and where no others are named.
pub(super) fn grant(
    unit: &mut UnitOfWork<'_>,
    credential: &Credential,
    device: &Device,
    refresh_lifetime: Duration,
) -> Result<Grant> {
    let user = match credential {
        Credential::Password(user, _) => *user,
        Credential::Refresh(claims) => claims.user,
    };
    revocation::lock(unit.conn, user, Lock::Shared)?;
    let row = users::table
        .find(user)
        .select((users::is_active, users::password_hash, users::tokens_valid_from))
        .first::<(bool, String, i64)>(unit.conn)
        .optional()?;
    let Some((true, hash, valid_from)) = row else { return Ok(Grant::Inactive) };
    let now_us = database_time_us(unit.conn)?;
    let (now, wait_us) = (now_us / MICROS_PER_SECOND, valid_from * MICROS_PER_SECOND - now_us);
    let grant = match credential {
        Credential::Password(_, verified) if *verified != hash => Grant::HashChanged,
        Credential::Refresh(claims) if claims.issued_at < valid_from => Grant::Revoked,
        Credential::Refresh(claims) if revocation::is_revoked(unit.conn, claims)? => Grant::Revoked,
        _ if now < valid_from => Grant::After(Duration::from_micros(wait_us.unsigned_abs())),
        _ => Grant::Granted(user, credential.sign_in(), now),
    };
    if let Grant::Granted(user, sign_in, _) = grant {
        let lifetime = i64::try_from(refresh_lifetime.as_secs()).unwrap_or(i64::MAX);
        let times = (unit.now, Timestamp::of_unix_seconds(now.saturating_add(lifetime)));
        sign_ins::record(unit.conn, user, sign_in, device, times)?;
    }
    Ok(grant)
}

/// Replaces a password's hash and revokes all tokens issued before. Returns whether it
/// did: the old hash must still be the stored one.
pub(super) fn change_password(unit: &mut UnitOfWork<'_>, user: UserId, old: &str, new: &str) -> Result<bool> {
    let is_changed = replace_hash(unit, user, old, new)?;
    if is_changed {
        revocation::revoke_all(unit, user)?;
    }
    Ok(is_changed)
}

/// Replaces a password's hash by another of the same password or of a new one, if the old
/// one is still stored. Returns whether it was.
pub(super) fn replace_hash(unit: &mut UnitOfWork<'_>, user: UserId, old: &str, new: &str) -> Result<bool> {
    let changed = diesel::update(users::table.find(user).filter(users::password_hash.eq(old)))
        .set(users::password_hash.eq(new))
        .execute(unit.conn)?;
    Ok(changed > 0)
}

/// Deactivates an account, or reactivates it. Either way all its tokens are revoked.
///
/// # Errors
///
/// [`Error::not_found`] if there is no such user.
pub fn set_active(unit: &mut UnitOfWork<'_>, username: &str, is_active: bool) -> Result<()> {
    let user = diesel::update(users::table.filter(users::username.eq(username)))
        .set(users::is_active.eq(is_active))
        .returning(users::id)
        .get_result::<UserId>(unit.conn)
        .optional()?;
    revocation::revoke_all(unit, user.ok_or_else(|| Error::not_found("no user of this name"))?)
}
