//! Inserting messages with their keys: in one statement in PostgreSQL, in a few in SQLite. Each is
//! prepared once for each connection, however many messages it inserts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Bool, Text, Timestamp as SqlTimestamp};

use crate::db::schema::users;
use crate::db::{AnyConnection, MultiBackend, among, prepared_once};
use crate::error::{Error, Result};
use crate::events::UserSummary;
use crate::idempotency::{self, NewKey, RequestKey};
use crate::ids::{MessageId, UserId};
use crate::timestamp::Timestamp;

/// A message to be inserted.
pub(super) struct NewMessage<'a> {
    pub(super) sender: UserId,
    pub(super) receiver: UserId,
    pub(super) content: &'a str,
    pub(super) key: Option<&'a RequestKey>,
}

/// What became of a message to be inserted.
pub(super) enum Inserted {
    /// It has this id now, and this receiver.
    New(MessageId, UserSummary),
    /// Its key is stored already, with the id of the message that was inserted then.
    Before,
    /// Its receiver does not exist or is inactive.
    NoReceiver,
}

/// Inserts unread messages, each with its key, if it has one, and returns what became of each, in
/// the same order.
///
/// # Errors
///
/// Those of the database.
pub(super) fn insert_messages(
    conn: &mut AnyConnection,
    messages: &[NewMessage<'_>],
    now: Timestamp,
) -> Result<Vec<Inserted>> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    if let AnyConnection::Sqlite(_) = conn {
        in_sqlite(conn, messages, now)
    } else {
        in_postgres(conn, messages, now)
    }
}

fn in_postgres(
    conn: &mut AnyConnection,
    messages: &[NewMessage<'_>],
    now: Timestamp,
) -> Result<Vec<Inserted>> {
    let rows = messages.iter().map(|new| {
        let key = new.key.map(|key| (key.requester(), key.text(), key.fingerprint()));
        (new.sender, new.receiver, new.content, key)
    });
    let rows = rows.collect::<Vec<_>>();
    let rows = serde_json::to_string(&rows).map_err(Error::internal)?;
    let rows: Vec<(i64, bool, MessageId, UserSummary)> = InsertKeyedMessages { rows, now }.load(conn)?;
    let mut rows = rows.into_iter().peekable();
    let inserted = (1..).zip(messages).map(|(place, _)| match rows.next_if(|row| row.0 == place) {
        Some((_, true, id, receiver)) => Inserted::New(id, receiver),
        Some(_) => Inserted::Before,
        None => Inserted::NoReceiver,
    });
    Ok(inserted.collect())
}

/// Inserts messages with their keys in one statement, for PostgreSQL: a message is inserted if its
/// key was. Returns the place of each message whose receiver exists and is active, in order, and
/// whether it was inserted.
struct InsertKeyedMessages {
    /// `[[<sender>, <receiver>, <text>, [<requester>, <key>, <fingerprint>] or null], …]`
    rows: String,
    now: Timestamp,
}

impl QueryFragment<MultiBackend> for InsertKeyedMessages {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        // The keys have the ids of their messages, which are taken first for that reason. OFFSET
        // keeps the planner, which expects a hundred rows here, from joining by a scan of all users.
        out.push_sql(
            "WITH items AS MATERIALIZED (SELECT place, nextval('messages_id_seq') AS id, \
             (item ->> 0)::bigint AS sender_id, users.id AS receiver_id, username, \
             item ->> 2 AS content, item -> 3 AS key FROM jsonb_array_elements(",
        );
        out.push_bind_param::<Text, _>(&self.rows)?;
        out.push_sql(
            "::jsonb) WITH ORDINALITY AS items(item, place) JOIN LATERAL \
             (SELECT id, username FROM users WHERE id = (item ->> 1)::bigint AND is_active OFFSET 0) AS users ON TRUE), \
             kept AS (INSERT INTO idempotency_keys (service, key, request_hash, answer, created_at) \
             SELECT key ->> 0, key ->> 1, key ->> 2, id::text, ",
        );
        out.push_bind_param::<SqlTimestamp, _>(&self.now)?;
        out.push_sql(
            " FROM items WHERE key <> 'null' ORDER BY 1, 2, place \
             ON CONFLICT (service, key) DO NOTHING RETURNING answer::bigint AS id), \
             inserted AS (INSERT INTO messages (id, sender_id, receiver_id, content, is_read, created_at) \
             SELECT id, sender_id, receiver_id, content, FALSE, ",
        );
        out.push_bind_param::<SqlTimestamp, _>(&self.now)?;
        out.push_sql(
            " FROM items WHERE key = 'null' OR id IN (SELECT id FROM kept) ORDER BY place RETURNING id) \
             SELECT place, inserted.id IS NOT NULL, items.id, receiver_id, username \
             FROM items LEFT JOIN inserted ON inserted.id = items.id ORDER BY place",
        );
        Ok(())
    }
}

/// Inserts messages and then their keys, in SQLite, where nobody else writes meanwhile.
fn in_sqlite<'a>(
    conn: &mut AnyConnection,
    messages: &[NewMessage<'a>],
    now: Timestamp,
) -> Result<Vec<Inserted>> {
    let receivers = among(conn, users::id, messages.iter().map(|new| new.receiver.number()));
    let receivers: Vec<UserSummary> = users::table
        .filter(receivers.and(users::is_active))
        .select((users::id, users::username))
        .load(conn)?;
    let receivers: HashMap<_, _> = receivers.into_iter().map(|user| (user.id, user)).collect();
    let stored = idempotency::stored(conn, messages.iter().filter_map(|new| new.key))?;
    // Of several messages with one key the first is inserted.
    let (mut keys, mut places) = (HashSet::new(), BTreeSet::new());
    for (place, new) in messages.iter().enumerate() {
        let is_first = |key: &'a RequestKey| !stored.has(key) && keys.insert((key.requester(), key.text()));
        if receivers.contains_key(&new.receiver) && new.key.is_none_or(is_first) {
            places.insert(place);
        }
    }
    let rows: Vec<_> = places.iter().map(|place| &messages[*place]).collect();
    let rows = rows.iter().map(|new| (new.sender, new.receiver, new.content)).collect::<Vec<_>>();
    let rows = serde_json::to_string(&rows).map_err(Error::internal)?;
    let mut ids: Vec<MessageId> = InsertMessages { rows, now }.load(conn)?;
    // They are assigned in the order of the messages; SQLite does not promise to return them so.
    ids.sort_unstable();
    let ids: BTreeMap<_, _> = places.into_iter().zip(ids).collect();
    let responses: Vec<_> = ids.iter().map(|(place, id)| (*place, id.number().to_string())).collect();
    let mut keys: Vec<_> = responses
        .iter()
        .filter_map(|(place, response)| Some(NewKey { place: *place, key: messages[*place].key?, response }))
        .collect();
    idempotency::insert(conn, &mut keys, now)?;
    let inserted = messages.iter().enumerate().map(|(place, new)| {
        match (receivers.get(&new.receiver), ids.get(&place)) {
            (Some(receiver), Some(id)) => Inserted::New(*id, receiver.clone()),
            (Some(_), None) => Inserted::Before,
            (None, _) => Inserted::NoReceiver,
        }
    });
    Ok(inserted.collect())
}

struct InsertMessages {
    /// `[[<sender>, <receiver>, <text>], …]`
    rows: String,
    now: Timestamp,
}

impl QueryFragment<MultiBackend> for InsertMessages {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO messages (sender_id, receiver_id, content, is_read, created_at) \
             SELECT value ->> 0, value ->> 1, value ->> 2, FALSE, ",
        );
        out.push_bind_param::<SqlTimestamp, _>(&self.now)?;
        out.push_sql(" FROM json_each(");
        out.push_bind_param::<Text, _>(&self.rows)?;
        out.push_sql(") ORDER BY key RETURNING id");
        Ok(())
    }
}

prepared_once! {
    InsertKeyedMessages => (BigInt, Bool, BigInt, (BigInt, Text));
    InsertMessages => BigInt;
}
