//! The sign-ins of a user, for the user to recognise and to revoke.
//!
//! They are a list for people: whether a token is valid does not depend on it, but on
//! [`revocation`](super::revocation). A sign-in from before the list, or of Django, appears at
//! its next refresh.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::{AnyConnection, Query};
use crate::ids::{SignInId, UserId};
use crate::timestamp::Timestamp;

/// The most sign-ins that a list has, the latest used.
const MAX_LISTED: i64 = 100;

/// The most characters of a client's own name that are stored.
const MAX_CLIENT_CHARS: usize = 200;

/// What a request for tokens came from.
#[derive(Clone, Debug)]
pub struct Device {
    /// The address.
    address: String,
    /// What the client calls itself.
    client: String,
}

impl Device {
    /// Returns a device with this address and this `User-Agent`, which is shortened.
    pub fn new(address: std::net::IpAddr, client: &str) -> Self {
        let shown = client.chars().filter(|letter| !letter.is_control()).take(MAX_CLIENT_CHARS);
        Self { address: address.to_string(), client: shown.collect() }
    }
}

/// A sign-in.
#[derive(Debug, Serialize, QueryableByName, ToSchema)]
pub(super) struct SignInEntry {
    /// Names it, to revoke it.
    #[diesel(sql_type = Text)]
    #[schema(pattern = "^[0-9a-f]{16}$", example = "273667bb14e54230")]
    id: String,
    /// When the password was given; of a sign-in of an earlier version, when it was first seen.
    #[diesel(sql_type = SqlTimestamp)]
    created_at: Timestamp,
    /// When tokens were last issued for it.
    #[diesel(sql_type = SqlTimestamp)]
    last_used_at: Timestamp,
    /// When its last refresh token expires.
    #[diesel(sql_type = SqlTimestamp)]
    expires_at: Timestamp,
    /// The address that it was last used from.
    #[diesel(sql_type = Text)]
    address: String,
    /// What the client called itself (`User-Agent`).
    #[diesel(sql_type = Text)]
    client: String,
}

impl SignInEntry {
    /// Returns its id as it is shown.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

/// Records that tokens were issued for a sign-in, and forgets those of the user that have expired.
///
/// # Errors
///
/// Those of the database, here and below.
pub(super) fn record(
    conn: &mut AnyConnection,
    user: UserId,
    id: SignInId,
    device: &Device,
    (now, expires_at): (Timestamp, Timestamp),
) -> Query<()> {
    diesel::sql_query("DELETE FROM sign_ins WHERE user_id = $1 AND expires_at < $2")
        .bind::<BigInt, _>(user)
        .bind::<SqlTimestamp, _>(now)
        .execute(conn)?;
    diesel::sql_query(
        "INSERT INTO sign_ins (user_id, id, created_at, last_used_at, expires_at, address, client) \
         VALUES ($1, $2, $3, $3, $4, $5, $6) ON CONFLICT (user_id, id) DO UPDATE SET \
         last_used_at = excluded.last_used_at, expires_at = excluded.expires_at, \
         address = excluded.address, client = excluded.client",
    )
    .bind::<BigInt, _>(user)
    .bind::<Text, _>(id.to_string())
    .bind::<SqlTimestamp, _>(now)
    .bind::<SqlTimestamp, _>(expires_at)
    .bind::<Text, _>(&device.address)
    .bind::<Text, _>(&device.client)
    .execute(conn)?;
    Ok(())
}

/// Returns the sign-ins of a user that have not expired, the latest used first.
pub(super) fn list(conn: &mut AnyConnection, user: UserId, now: Timestamp) -> Query<Vec<SignInEntry>> {
    diesel::sql_query(
        "SELECT id, created_at, last_used_at, expires_at, address, client FROM sign_ins \
         WHERE user_id = $1 AND expires_at >= $2 ORDER BY last_used_at DESC, id LIMIT $3",
    )
    .bind::<BigInt, _>(user)
    .bind::<SqlTimestamp, _>(now)
    .bind::<BigInt, _>(MAX_LISTED)
    .load(conn)
}

/// Removes a sign-in of a user from the list, or all of them. Returns whether there was one.
pub(super) fn remove(conn: &mut AnyConnection, user: UserId, id: Option<SignInId>) -> Query<bool> {
    let removed = diesel::sql_query("DELETE FROM sign_ins WHERE user_id = $1 AND ($2 IS NULL OR id = $2)")
        .bind::<BigInt, _>(user)
        .bind::<Nullable<Text>, _>(id.map(|id| id.to_string()))
        .execute(conn)?;
    Ok(removed > 0)
}
