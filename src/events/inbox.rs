//! An inbox is one user's durable, numbered log of envelopes.
//!
//! Numbers follow the order of commits, without a gap: 1, 2, 3, …, each plus the [`Lift`] of the
//! database, which is zero until one is restored. Only this module and its statements know the
//! number without it, which is what is stored. Retention deletes old
//! envelopes from the front, by age and by number. Ages come from the clocks of several
//! instances, so two at the front may be deleted in the other order; readers take a gap
//! there for the oldest envelope.

use std::collections::BTreeMap;

use bytes::Bytes;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamp as SqlTimestamp};

use super::event::{Envelope, Seq, frame};
use super::statements::{Appending, EnvelopesAfter, PositionOf};
use crate::db::schema::{inbox_events, inboxes};
use crate::db::{AnyConnection, Lift, Query};
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::settings;
use crate::timestamp::Timestamp;

/// The most envelopes that are read at once.
pub const PAGE: usize = 64;

/// The most bytes of data that are read at once, beside the envelope that exceeds them. It
/// bounds the memory of one reader.
pub const PAGE_BYTES: usize = 256 * 1024;

/// The most envelopes that one call of [`prune_old`] or [`prune_excess`] deletes.
pub const PRUNE_BATCH: usize = 1_000;

/// What is appended to the inboxes of some users.
#[derive(Debug)]
pub(super) struct Entry {
    /// Each named once. Those who do not exist get nothing.
    pub(super) recipients: Vec<UserId>,
    /// The event's type.
    pub(super) name: String,
    /// The event's data as JSON text.
    pub(super) data: String,
}

/// An envelope that was appended to an inbox.
#[derive(Debug)]
pub(super) struct Appended {
    /// The place of its entry.
    pub(super) entry: usize,
    /// The owner of the inbox.
    pub(super) owner: UserId,
    /// The frame that announces it.
    pub(super) frame: Bytes,
}

/// Appends each entry to the inboxes of its recipients, under the next number of each, and
/// returns the envelopes. It takes one statement, or two with SQLite, however many entries and
/// recipients there are, and creates the inbox of a user who has none, as after an import.
///
/// An inbox stays locked until the transaction ends, so that numbers follow the order of
/// commits. Inboxes are locked in ascending order of their owners, so that two transactions
/// cannot wait for each other; one transaction therefore appends once.
///
/// # Errors
///
/// Those of the database.
pub(super) fn append_many(
    conn: &mut AnyConnection,
    entries: &[Entry],
    now: Timestamp,
) -> Result<Vec<Appended>> {
    let mut counts: BTreeMap<UserId, Seq> = BTreeMap::new();
    for user in entries.iter().flat_map(|entry| &entry.recipients) {
        *counts.entry(*user).or_default() += 1;
    }
    if counts.is_empty() {
        return Ok(Vec::new());
    }
    // Each envelope, with its place among those that its inbox gets now.
    let (mut rows, mut next) = (Vec::new(), BTreeMap::new());
    for (place, entry) in entries.iter().enumerate() {
        for user in &entry.recipients {
            let nth: &mut Seq = next.entry(*user).or_default();
            *nth += 1;
            rows.push((*user, *nth - counts[user], place));
        }
    }
    let events: Vec<_> = entries.iter().map(|entry| [&entry.name, &entry.data]).collect();
    let appending = Appending {
        counts: json(&Vec::from_iter(&counts))?,
        rows: json(&rows)?,
        events: json(&events)?,
        now,
    };
    let last_seqs: BTreeMap<_, _> = appending.run(conn)?.into_iter().collect();
    let appended = rows.into_iter().filter_map(|(owner, offset, place)| {
        let seq = last_seqs.get(&owner)? + offset;
        let frame = frame(&entries[place].name, &entries[place].data, seq);
        Some(Appended { entry: place, owner, frame })
    });
    Ok(appended.collect())
}

fn json(rows: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(rows).map_err(Error::internal)
}

/// Creates the empty inbox of a new user.
///
/// # Errors
///
/// Those of the database.
pub fn create(conn: &mut AnyConnection, user: UserId) -> Query<()> {
    diesel::insert_into(inboxes::table)
        .values((inboxes::user_id.eq(user), inboxes::last_seq.eq(0), inboxes::read_seq.eq(0)))
        .execute(conn)
        .map(drop)
}

/// How far an inbox goes, and how far it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The number of its last envelope; that before the first if it never had one.
    pub last_seq: Seq,
    /// The number up to which its owner has read it.
    pub read_seq: Seq,
}

impl Position {
    /// Returns how many envelopes its owner has not read.
    pub const fn unread(self) -> i64 {
        self.last_seq.saturating_sub(self.read_seq)
    }
}

/// Returns the position of a user's inbox.
///
/// # Errors
///
/// Those of the database.
pub fn position(conn: &mut AnyConnection, user: UserId) -> Query<Position> {
    let (last_seq, read_seq) = PositionOf(user).get_result(conn)?;
    Ok(Position { last_seq, read_seq })
}

/// Returns the envelopes after a number, in order, [`PAGE`] and [`PAGE_BYTES`] at most.
///
/// What exceeds the bytes is not read: both databases know the length of a long text without
/// reading it.
///
/// # Errors
///
/// Those of the database.
pub fn after(conn: &mut AnyConnection, user: UserId, cursor: Seq) -> Query<Vec<Envelope>> {
    EnvelopesAfter { user, cursor, limit: PAGE as i64, bytes: PAGE_BYTES as i64 }.load(conn)
}

/// An envelope and when it was stored.
pub type StoredEnvelope = (Envelope, Timestamp);

/// Returns the envelopes before a number, newest first, `limit` at most.
///
/// # Errors
///
/// Those of the database.
pub fn before(conn: &mut AnyConnection, user: UserId, seq: Seq, limit: i64) -> Query<Vec<StoredEnvelope>> {
    inbox_events::table
        .filter(inbox_events::user_id.eq(user).and(inbox_events::seq.lt(seq.into_sql::<BigInt>() - Lift)))
        .order(inbox_events::seq.desc())
        .limit(limit)
        .select((
            (inbox_events::seq + Lift, inbox_events::type_, inbox_events::data),
            inbox_events::created_at,
        ))
        .load(conn)
}

/// Marks an inbox as read up to a number; never less than before, and never beyond its last
/// number. Returns the new position.
///
/// # Errors
///
/// Those of the database.
pub fn mark_read(conn: &mut AnyConnection, user: UserId, up_to: Seq) -> Query<Position> {
    // The row decides, not an earlier read: of two concurrent calls the further number stays.
    diesel::update(inboxes::table.find(user).filter((inboxes::read_seq + Lift).lt(up_to)))
        .filter((inboxes::last_seq + Lift).ge(up_to))
        .set(inboxes::read_seq.eq(up_to.into_sql::<BigInt>() - Lift))
        .execute(conn)?;
    diesel::update(inboxes::table.find(user).filter((inboxes::last_seq + Lift).lt(up_to)))
        .set(inboxes::read_seq.eq(inboxes::last_seq))
        .execute(conn)?;
    position(conn, user)
}

/// Deletes envelopes that are too old, [`PRUNE_BATCH`] at most, and returns how many it deleted.
///
/// # Errors
///
/// Those of the database.
pub fn prune_old(conn: &mut AnyConnection, bounds: &settings::Inbox, now: Timestamp) -> Query<usize> {
    diesel::sql_query(
        "DELETE FROM inbox_events WHERE (user_id, seq) IN (SELECT user_id, seq FROM inbox_events \
         WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
    )
    .bind::<SqlTimestamp, _>(now.days_before(bounds.retention_days))
    .bind::<BigInt, _>(PRUNE_BATCH as i64)
    .execute(conn)
}

/// Deletes envelopes that are too many, [`PRUNE_BATCH`] at most, and returns how many it deleted.
///
/// Only inboxes that have an envelope from `since` or later are looked at, or all without it: the
/// cost follows what changed, not how many inboxes there are.
///
/// # Errors
///
/// Those of the database.
pub fn prune_excess(
    conn: &mut AnyConnection,
    bounds: &settings::Inbox,
    now: Timestamp,
    since: Option<Timestamp>,
) -> Query<usize> {
    // The last number of each inbox, from its envelopes where they show which ones changed.
    let last_seqs = match since {
        Some(_) => {
            "SELECT user_id, MAX(seq) AS last_seq FROM inbox_events \
             WHERE created_at >= $1 AND seq > $2 GROUP BY user_id"
        }
        None => "SELECT user_id, last_seq FROM inboxes WHERE $1 IS NOT NULL AND last_seq > $2",
    };
    diesel::sql_query(format!(
        "DELETE FROM inbox_events WHERE (user_id, seq) IN (SELECT e.user_id, e.seq FROM ({last_seqs}) AS i \
         JOIN inbox_events e ON e.user_id = i.user_id AND e.seq <= i.last_seq - $2 LIMIT $3)"
    ))
    .bind::<SqlTimestamp, _>(since.unwrap_or(now))
    .bind::<BigInt, _>(i64::from(bounds.max_events))
    .bind::<BigInt, _>(PRUNE_BATCH as i64)
    .execute(conn)
}

/// Returns when the oldest envelope of all inboxes was stored, if there is one.
///
/// # Errors
///
/// Those of the database.
pub fn oldest(conn: &mut AnyConnection) -> Query<Option<Timestamp>> {
    inbox_events::table.select(diesel::dsl::min(inbox_events::created_at)).first(conn)
}
