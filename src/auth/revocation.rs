//! Revocation ends tokens before they expire.
//!
//! [`revoke_all`] moves `users.tokens_valid_from` to the second after the present one:
//! every token issued before it is refused, and every socket opened with one is closed.
//! A sign-in or a refresh at the same moment must not issue tokens that outlive it, so
//! both lock the user's row: an issue that comes first names a second before the new
//! bound, and one that comes second sees the change. Both take the time from the database:
//! the clocks of the instances do not matter, nor that of the machine of an operator.
//!
//! [`revoke_sign_in`] ends the tokens of one sign-in and its sockets. [`revoke_one`] ends one token:
//! a ticket that is used.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use super::ended_sign_ins::EndedSignIns;
use super::sign_ins;
use super::tokens::Claims;
use crate::db::schema::{spent_tokens, users};
use crate::db::{AnyConnection, Query, database_time_us};
use crate::error::Result;
use crate::events::UnitOfWork;
use crate::ids::{SignInId, UserId};
use crate::timestamp::Timestamp;

/// Microseconds in a second of Unix time.
pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;

/// How many rows one call of [`prune`] deletes.
pub const PRUNE_BATCH: usize = 1_000;

/// How long a revoked token is remembered after it expires, in minutes: an instance whose
/// clock is behind still takes it for valid.
const MAX_CLOCK_SKEW_MINUTES: i64 = 10;

/// Revokes all tokens that were issued to a user so far, and closes their sockets.
///
/// # Errors
///
/// Those of the database, here and below.
pub(super) fn revoke_all(unit: &mut UnitOfWork<'_>, user: UserId) -> Result<()> {
    lock(unit.conn, user, Lock::Exclusive)?;
    // Read the clock with the row locked: see the module's first paragraph.
    let valid_from = database_time_us(unit.conn)? / MICROS_PER_SECOND + 1;
    diesel::update(users::table.find(user).filter(users::tokens_valid_from.lt(valid_from)))
        .set(users::tokens_valid_from.eq(valid_from))
        .execute(unit.conn)?;
    sign_ins::remove(unit.conn, user, None)?;
    unit.revoke(user, valid_from);
    Ok(())
}

/// Revokes all tokens of one sign-in of a user, and closes its sockets. Repeating it has no effect.
/// Returns whether it was on the user's list.
///
/// Its access tokens and sockets are refused by a column of the user's row, which is read anyway;
/// its refresh tokens by its id among the revoked tokens, for as long as one may be valid.
pub(super) fn revoke_sign_in(
    unit: &mut UnitOfWork<'_>,
    user: UserId,
    sign_in: SignInId,
    (access, refresh): (Duration, Duration),
) -> Result<bool> {
    lock(unit.conn, user, Lock::Exclusive)?;
    let row = users::table.find(user).select(users::ended_sign_ins).first::<String>(unit.conn).optional()?;
    let Some(ended) = row.map(EndedSignIns::from) else { return Ok(false) };
    let now = database_time_us(unit.conn)? / MICROS_PER_SECOND;
    let [access_seconds, refresh_seconds] =
        [access, refresh].map(|lifetime| i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
    if !ended.contain(sign_in) {
        diesel::update(users::table.find(user))
            .set(users::ended_sign_ins.eq(ended.with(sign_in, now, access_seconds)))
            .execute(unit.conn)?;
    }
    let last_expiry = Timestamp::of_unix_seconds(now.saturating_add(refresh_seconds));
    revoke_id(unit, &sign_in.to_string(), last_expiry)?;
    unit.revoke_sign_in(user, sign_in);
    Ok(sign_ins::remove(unit.conn, user, Some(sign_in))?)
}

/// Revokes one token. Returns whether this call did it: of several at once, one does.
pub(super) fn revoke_one(unit: &mut UnitOfWork<'_>, claims: &Claims) -> Result<bool> {
    revoke_id(unit, &claims.jti, Timestamp::of_unix_seconds(claims.expires_at))
}

/// Revokes what has this id, until shortly after it expires. Returns whether this call did it.
fn revoke_id(unit: &mut UnitOfWork<'_>, id: &str, expires_at: Timestamp) -> Result<bool> {
    let inserted = diesel::sql_query(
        "INSERT INTO spent_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING",
    )
    .bind::<Text, _>(id)
    .bind::<SqlTimestamp, _>(expires_at.minutes_later(MAX_CLOCK_SKEW_MINUTES))
    .execute(unit.conn)?;
    Ok(inserted > 0)
}

/// Returns whether a refresh token was revoked by itself or with its sign-in.
pub(super) fn is_revoked(conn: &mut AnyConnection, claims: &Claims) -> Query<bool> {
    let sign_in = claims.sign_in().to_string();
    let revoked =
        spent_tokens::table.filter(spent_tokens::jti.eq(&claims.jti).or(spent_tokens::jti.eq(sign_in)));
    diesel::select(diesel::dsl::exists(revoked)).get_result(conn)
}

/// Deletes revoked tokens that have expired, [`PRUNE_BATCH`] at most, and returns how
/// many.
pub fn prune(conn: &mut AnyConnection, now: Timestamp) -> Query<usize> {
    diesel::sql_query(
        "DELETE FROM spent_tokens WHERE jti IN (SELECT jti FROM spent_tokens \
         WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind::<SqlTimestamp, _>(now)
    .bind::<BigInt, _>(PRUNE_BATCH as i64)
    .execute(conn)
}

/// How a user's row is locked.
#[derive(Clone, Copy)]
pub(super) enum Lock {
    /// Beside others that do not change it either.
    Shared,
    /// To change it.
    Exclusive,
}

/// Locks a user's row until the transaction ends. SQLite has one writer at a time anyhow.
pub(super) fn lock(conn: &mut AnyConnection, user: UserId, lock: Lock) -> Query<()> {
    if matches!(conn, AnyConnection::Postgres(_)) {
        let statement = match lock {
            Lock::Shared => "SELECT 1 FROM users WHERE id = $1 FOR SHARE",
            Lock::Exclusive => "SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE",
        };
        diesel::sql_query(statement).bind::<BigInt, _>(user).execute(conn)?;
    }
    Ok(())
}
