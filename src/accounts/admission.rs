//! Admission: whether somebody may come in with what they have, and the ends of that
//! before a token's own.
//!
//! Ending somebody's sessions moves `users.tokens_valid_from` to the second after the
//! present one; every token made before it is refused, and every socket opened with one
//! is closed. Whoever is being let in at that moment, with a password or a refresh token
//! that is about to end, must not be given tokens that outlive it. So both sides lock
//! the user's row: an admission that was first says a second before the new bound, and
//! one that is second sees what has changed. This holds as far as the clocks of the
//! instances agree.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use super::token::{Claim, seconds_now};
use crate::db::{AnyConnection, Query};
use crate::error::Result;
use crate::events::UnitOfWork;
use crate::ids::UserId;
use crate::schema::{spent_tokens, users};
use crate::timestamp::Timestamp;

/// How many rows one call of [`prune`] deletes.
pub const PRUNE_BATCH: usize = 1_000;

/// How long a spent token is remembered beyond its own time, in minutes: an instance whose
/// clock is behind still takes it for good.
const CLOCKS_APART: i64 = 10;

/// With what somebody asks to come in.
#[derive(Clone, Debug)]
pub(super) enum Key {
    /// A password, which fits this stored hash.
    Password(UserId, String),
    /// A refresh token, good by what is written on it.
    Refresh(Claim),
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Tokens may be made, as of this second in Unix time.
    Granted(UserId, i64),
    /// Everything up to a second that is not over yet is ended: ask again in this one.
    NotBefore(i64),
    /// The account is gone or inactive.
    Refused,
    /// The stored hash is another one by now.
    Changed,
    /// The refresh token was ended before its time.
    Ended,
}

/// Decides whether this key opens.
///
/// # Errors
///
/// The database's own, here and below.
pub(super) fn admit(unit: &mut UnitOfWork<'_>, key: &Key) -> Result<Admission> {
    let user = match key {
        Key::Password(user, _) => *user,
        Key::Refresh(claim) => claim.user,
    };
    lock(unit.conn, user, Lock::Shared)?;
    let row = users::table
        .find(user)
        .select((users::is_active, users::password_hash, users::tokens_valid_from))
        .first::<(bool, String, i64)>(unit.conn)
        .optional()?;
    let Some((true, hash, valid_from)) = row else { return Ok(Admission::Refused) };
    let now = seconds_now();
    Ok(match key {
        Key::Password(_, checked) if *checked != hash => Admission::Changed,
        Key::Refresh(claim) if claim.issued_at < valid_from => Admission::Ended,
        Key::Refresh(claim) if is_spent(unit.conn, &claim.jti)? => Admission::Ended,
        _ if now < valid_from => Admission::NotBefore(valid_from),
        _ => Admission::Granted(user, now),
    })
}

/// Ends everything that was let in before now: all tokens of the user, and all sockets.
pub(super) fn end_all(unit: &mut UnitOfWork<'_>, user: UserId) -> Result<()> {
    lock(unit.conn, user, Lock::Alone)?;
    // The clock is read with the row in hand: see above.
    let valid_from = seconds_now() + 1;
    diesel::update(users::table.find(user).filter(users::tokens_valid_from.lt(valid_from)))
        .set(users::tokens_valid_from.eq(valid_from))
        .execute(unit.conn)?;
    unit.end_sessions(user, valid_from);
    Ok(())
}

/// Uses a token up. Returns whether it was not used up before; of two that do it at once,
/// one is told so.
pub fn spend(unit: &mut UnitOfWork<'_>, claim: &Claim) -> Result<bool> {
    let inserted = diesel::sql_query(
        "INSERT INTO spent_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING",
    )
    .bind::<Text, _>(&claim.jti)
    .bind::<SqlTimestamp, _>(Timestamp::of_unix_seconds(claim.expires_at).minutes_later(CLOCKS_APART))
    .execute(unit.conn)?;
    Ok(inserted > 0)
}

fn is_spent(conn: &mut AnyConnection, jti: &str) -> Query<bool> {
    diesel::select(diesel::dsl::exists(spent_tokens::table.find(jti))).get_result(conn)
}

/// Forgets spent tokens whose own time is over, [`PRUNE_BATCH`] at most, and returns how
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

/// How a user's row is taken.
#[derive(Clone, Copy)]
enum Lock {
    /// Beside others who do not change it either.
    Shared,
    /// To change it.
    Alone,
}

/// Takes a user's row until the transaction ends. SQLite has one writer at a time anyhow.
fn lock(conn: &mut AnyConnection, user: UserId, lock: Lock) -> Query<()> {
    if matches!(conn, AnyConnection::Postgres(_)) {
        let statement = match lock {
            Lock::Shared => "SELECT 1 FROM users WHERE id = $1 FOR SHARE",
            Lock::Alone => "SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE",
        };
        diesel::sql_query(statement).bind::<BigInt, _>(user).execute(conn)?;
    }
    Ok(())
}
