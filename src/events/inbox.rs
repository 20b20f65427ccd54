//! An inbox is one person's durable, numbered log of envelopes.
//!
//! Numbers are 1, 2, 3, … in the order of commits, without a gap. Old envelopes are
//! deleted from the front, by age and by number. (Ages come from the clocks of several
//! instances, so at the front two may go in the other order; readers take a gap there
//! for the end of what is kept.)

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use super::event::{Announcement, Envelope, Event, Seq};
use crate::db::{AnyConnection, Query};
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::schema::{inbox_events, inboxes};
use crate::settings;
use crate::timestamp::Timestamp;

/// How many envelopes are read at once. It bounds what one reader makes this process
/// hold: some 20 KB of ordinary messages, 4 MB of the longest there are.
pub const PAGE: usize = 64;

/// How many envelopes one transaction of [`prune`] deletes.
pub const PRUNE_BATCH: usize = 1_000;

/// Gives an event the next number of this inbox and keeps it.
///
/// The inbox's row stays locked until the transaction ends, so numbers follow the
/// order of commits. Whoever appends to several inboxes in one transaction takes
/// them in ascending order.
///
/// # Errors
///
/// The database's own.
pub fn append(conn: &mut AnyConnection, user: UserId, event: &Event, now: Timestamp) -> Result<Envelope> {
    let raised = diesel::update(inboxes::table.find(user))
        .set(inboxes::last_seq.eq(inboxes::last_seq + 1))
        .returning(inboxes::last_seq)
        .get_result(conn)
        .optional()?;
    let seq = match raised {
        Some(seq) => seq,
        None => open_with_one(conn, user)?,
    };
    let data = serde_json::to_string(event).map_err(Error::internal)?;
    let envelope = Envelope { seq, name: event.name().to_owned(), data };
    diesel::insert_into(inbox_events::table)
        .values((
            inbox_events::user_id.eq(user),
            inbox_events::seq.eq(envelope.seq),
            inbox_events::type_.eq(&envelope.name),
            inbox_events::data.eq(&envelope.data),
            inbox_events::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(envelope)
}

/// Makes the inbox of a user who has none, as after an import, with its first number.
fn open_with_one(conn: &mut AnyConnection, user: UserId) -> Query<Seq> {
    #[derive(QueryableByName)]
    struct Raised {
        #[diesel(sql_type = BigInt)]
        last_seq: Seq,
    }
    diesel::sql_query(
        "INSERT INTO inboxes (user_id, last_seq, read_seq) VALUES ($1, 1, 0) \
         ON CONFLICT (user_id) DO UPDATE SET last_seq = inboxes.last_seq + 1 RETURNING last_seq",
    )
    .bind::<BigInt, _>(user)
    .get_result::<Raised>(conn)
    .map(|raised| raised.last_seq)
}

/// Gives an announcement the next number of each of these users' inboxes and keeps it
/// there, in two statements however many they are. Returns the numbers.
///
/// The users exist, and each is named once. Their inboxes are locked, or made, one after
/// the other in ascending order, as [`append`] asks of its callers.
///
/// # Errors
///
/// The database's own.
pub fn append_to_all(
    conn: &mut AnyConnection,
    users: &[UserId],
    announcement: &Announcement,
    now: Timestamp,
) -> Result<Vec<(UserId, Seq)>> {
    #[derive(QueryableByName)]
    struct Raised {
        #[diesel(sql_type = BigInt)]
        user_id: UserId,
        #[diesel(sql_type = BigInt)]
        last_seq: Seq,
    }
    // Neither an array nor rows can be bound for both databases; a JSON text can.
    let (first, fourth) = match conn {
        AnyConnection::Postgres(_) => (
            "SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb)",
            "SELECT value::bigint FROM jsonb_array_elements_text($4::jsonb)",
        ),
        AnyConnection::Sqlite(_) => ("SELECT value FROM json_each($1)", "SELECT value FROM json_each($4)"),
    };
    let ids = serde_json::to_string(users).map_err(Error::internal)?;
    // The rows come to the insertion in this order, and are locked in it.
    let raised: Vec<Raised> = diesel::sql_query(format!(
        "INSERT INTO inboxes (user_id, last_seq, read_seq) \
         SELECT id, 1, 0 FROM users WHERE id IN ({first}) ORDER BY id \
         ON CONFLICT (user_id) DO UPDATE SET last_seq = inboxes.last_seq + 1 RETURNING user_id, last_seq"
    ))
    .bind::<Text, _>(&ids)
    .load(conn)?;
    diesel::sql_query(format!(
        "INSERT INTO inbox_events (user_id, seq, type, data, created_at) \
         SELECT user_id, last_seq, $1, $2, $3 FROM inboxes WHERE user_id IN ({fourth})"
    ))
    .bind::<Text, _>(&announcement.name)
    .bind::<Text, _>(&announcement.data)
    .bind::<SqlTimestamp, _>(now)
    .bind::<Text, _>(&ids)
    .execute(conn)?;
    Ok(raised.into_iter().map(|row| (row.user_id, row.last_seq)).collect())
}

/// Makes the empty inbox of a new user.
///
/// # Errors
///
/// The database's own.
pub fn open(conn: &mut AnyConnection, user: UserId) -> Query<()> {
    diesel::insert_into(inboxes::table)
        .values((inboxes::user_id.eq(user), inboxes::last_seq.eq(0), inboxes::read_seq.eq(0)))
        .execute(conn)
        .map(drop)
}

/// How far an inbox goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The number of its last envelope; 0 if it never had one.
    pub last_seq: Seq,
    /// Up to where its owner has read it.
    pub read_seq: Seq,
}

impl Position {
    /// Returns how many envelopes its owner has not read.
    pub const fn unread(self) -> i64 {
        self.last_seq.saturating_sub(self.read_seq)
    }
}

/// Returns how far this person's inbox goes.
///
/// # Errors
///
/// The database's own.
pub fn position(conn: &mut AnyConnection, user: UserId) -> Query<Position> {
    let row = inboxes::table
        .find(user)
        .select((inboxes::last_seq, inboxes::read_seq))
        .first::<(Seq, Seq)>(conn)
        .optional()?;
    Ok(row.map(|(last_seq, read_seq)| Position { last_seq, read_seq }).unwrap_or_default())
}

/// Returns the envelopes after a number, in order, [`PAGE`] at most.
///
/// # Errors
///
/// The database's own.
pub fn after(conn: &mut AnyConnection, user: UserId, cursor: Seq) -> Query<Vec<Envelope>> {
    inbox_events::table
        .filter(inbox_events::user_id.eq(user).and(inbox_events::seq.gt(cursor)))
        .order(inbox_events::seq)
        .limit(PAGE as i64)
        .select((inbox_events::seq, inbox_events::type_, inbox_events::data))
        .load(conn)
}

/// An envelope and when it was kept.
pub type Kept = (Envelope, Timestamp);

/// Returns the envelopes before a number, newest first, `limit` at most.
///
/// # Errors
///
/// The database's own.
pub fn before(conn: &mut AnyConnection, user: UserId, seq: Seq, limit: i64) -> Query<Vec<Kept>> {
    inbox_events::table
        .filter(inbox_events::user_id.eq(user).and(inbox_events::seq.lt(seq)))
        .order(inbox_events::seq.desc())
        .limit(limit)
        .select(((inbox_events::seq, inbox_events::type_, inbox_events::data), inbox_events::created_at))
        .load(conn)
}

/// Marks everything up to a number as read; never less than was read before, and
/// never more than there is. Returns the position after it.
///
/// # Errors
///
/// The database's own.
pub fn mark_read(conn: &mut AnyConnection, user: UserId, up_to: Seq) -> Query<Position> {
    // The row as it stands decides: of two that mark at once, the further one wins.
    diesel::update(inboxes::table.find(user).filter(inboxes::read_seq.lt(up_to)))
        .filter(inboxes::last_seq.ge(up_to))
        .set(inboxes::read_seq.eq(up_to))
        .execute(conn)?;
    diesel::update(inboxes::table.find(user).filter(inboxes::last_seq.lt(up_to)))
        .set(inboxes::read_seq.eq(inboxes::last_seq))
        .execute(conn)?;
    position(conn, user)
}

/// Deletes envelopes that are too old or too many, [`PRUNE_BATCH`] at most of each,
/// and returns how many it deleted.
///
/// # Errors
///
/// The database's own.
pub fn prune(conn: &mut AnyConnection, bounds: &settings::Inbox, now: Timestamp) -> Query<usize> {
    let old = diesel::sql_query(
        "DELETE FROM inbox_events WHERE (user_id, seq) IN (SELECT user_id, seq FROM inbox_events \
         WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
    )
    .bind::<SqlTimestamp, _>(now.days_before(bounds.retention_days))
    .bind::<BigInt, _>(PRUNE_BATCH as i64)
    .execute(conn)?;
    let beyond = diesel::sql_query(
        "DELETE FROM inbox_events WHERE (user_id, seq) IN (SELECT e.user_id, e.seq FROM inboxes i \
         JOIN inbox_events e ON e.user_id = i.user_id AND e.seq <= i.last_seq - $1 \
         WHERE i.last_seq > $1 LIMIT $2)",
    )
    .bind::<BigInt, _>(i64::from(bounds.max_events))
    .bind::<BigInt, _>(PRUNE_BATCH as i64)
    .execute(conn)?;
    Ok(old + beyond)
}
