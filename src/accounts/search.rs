//! Finding people: by the beginning of their username first, then by any part of their names.
//!
//! No step reads more than a bounded number of rows: see
//! `docs/decisions/0030-bigrams.md`.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::schema::{profiles, users};
use crate::db::{AnyConnection, MultiBackend, Query, prepared_once};
use crate::ids::UserId;

/// The most users that a search or a list of suggestions returns.
pub const MAX_FOUND: usize = 20;

/// The same number as a `LIMIT`.
pub const LIMIT: i64 = MAX_FOUND as i64;

/// The most matches of an index that are ordered by how well they match. Of a text that more
/// users have, any of them are found.
const MAX_ORDERED: i64 = 1_000;

/// A user that a search found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Found)]
pub struct SearchHit {
    #[serde(flatten)]
    row: SearchRow,
    /// The same as `avatar`, and always there.
    #[schema(required = true)]
    profile_picture: Option<String>,
}

impl From<SearchRow> for SearchHit {
    fn from(row: SearchRow) -> Self {
        let profile_picture = row.avatar.clone();
        Self { row, profile_picture }
    }
}

/// The columns of a [`SearchHit`].
#[derive(Debug, Serialize, Queryable, QueryableByName, ToSchema)]
struct SearchRow {
    #[diesel(sql_type = BigInt)]
    id: UserId,
    #[diesel(sql_type = Text)]
    username: String,
    #[diesel(sql_type = Text)]
    first_name: String,
    #[diesel(sql_type = Text)]
    last_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    #[diesel(sql_type = Nullable<Text>)]
    avatar: Option<String>,
}

/// Returns active users whose username or name contains this text, in any case; for fewer than
/// two characters the newest accounts, without superusers. Never the requester.
///
/// Whose username is the text comes first, then those whose username begins with it, in
/// alphabetical order; then those one of whose names is the text or begins with it, then the rest.
///
/// # Errors
///
/// Those of the database, here and below.
pub fn search(conn: &mut AnyConnection, requester: UserId, text: &str) -> Query<Vec<SearchHit>> {
    let rows = search_rows(conn, requester, text)?;
    Ok(rows.into_iter().map(SearchHit::from).collect())
}

fn search_rows(conn: &mut AnyConnection, requester: UserId, text: &str) -> Query<Vec<SearchRow>> {
    let text = &text.to_lowercase();
    if text.chars().count() < 2 {
        return newest(conn, requester);
    }
    let mut hits = by_prefix(conn, requester, text)?;
    if hits.len() < MAX_FOUND {
        let found = SearchNewest { requester, patterns: Patterns::new(text) }.load(conn)?;
        append(&mut hits, found);
    }
    if hits.len() < MAX_FOUND {
        let found = search_all(conn, requester, text)?;
        append(&mut hits, found);
    }
    Ok(hits)
}

/// Appends those who are not among the hits yet, while there is room.
fn append(hits: &mut Vec<SearchRow>, found: Vec<SearchRow>) {
    let known: BTreeSet<UserId> = hits.iter().map(|hit| hit.id).collect();
    hits.extend(found.into_iter().filter(|hit| !known.contains(&hit.id)));
    hits.truncate(MAX_FOUND);
}

/// Returns the newest accounts, without superusers.
fn newest(conn: &mut AnyConnection, requester: UserId) -> Query<Vec<SearchRow>> {
    users::table
        .inner_join(profiles::table)
        .filter(users::id.ne(requester).and(users::is_active).and(diesel::dsl::not(users::is_superuser)))
        .order((users::date_joined.desc(), users::id.desc()))
        .limit(LIMIT)
        .select((users::id, users::username, users::first_name, users::last_name, profiles::avatar))
        .load(conn)
}

/// Returns users whose username begins with a text: a range of an index, in its order. The line
/// break that ends a username sorts before all that it may contain, so the text itself is first.
fn by_prefix(conn: &mut AnyConnection, requester: UserId, text: &str) -> Query<Vec<SearchRow>> {
    let end = format!("{text}{}", char::MAX);
    match conn {
        AnyConnection::Postgres(_) => ByPrefix::<true> { requester, text: text.into(), end }.load(conn),
        AnyConnection::Sqlite(_) => ByPrefix::<false> { requester, text: text.into(), end }.load(conn),
    }
}

struct ByPrefix<const IS_POSTGRES: bool> {
    requester: UserId,
    text: String,
    end: String,
}

impl<const IS_POSTGRES: bool> QueryFragment<MultiBackend> for ByPrefix<IS_POSTGRES> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        // SQLite compares bytes anyway.
        let key = if IS_POSTGRES { "u.search_key COLLATE \"C\"" } else { "u.search_key" };
        out.push_sql(
            "SELECT u.id, u.username, u.first_name, u.last_name, p.avatar FROM users u \
             JOIN profiles p ON p.user_id = u.id WHERE u.is_active AND u.id <> ",
        );
        out.push_bind_param::<BigInt, _>(&self.requester)?;
        out.push_sql(" AND ");
        out.push_sql(key);
        out.push_sql(" >= ");
        out.push_bind_param::<Text, _>(&self.text)?;
        out.push_sql(" AND ");
        out.push_sql(key);
        out.push_sql(" < ");
        out.push_bind_param::<Text, _>(&self.end)?;
        out.push_sql(" ORDER BY ");
        out.push_sql(key);
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&LIMIT)
    }
}

/// The `LIKE` patterns of a text; `%` and `_` in it are literal.
struct Patterns {
    /// It is anywhere.
    within: String,
    /// A name begins with it.
    begins: String,
    /// A name is it, and another follows.
    is_name: String,
    /// The last name is it.
    is_last_name: String,
}

impl Patterns {
    fn new(text: &str) -> Self {
        let mut literal = String::new();
        for letter in text.chars() {
            if matches!(letter, '%' | '_' | '\\') {
                literal.push('\\');
            }
            literal.push(letter);
        }
        Self {
            within: format!("%{literal}%"),
            begins: format!("%\n{literal}%"),
            is_name: format!("%\n{literal}\n%"),
            is_last_name: format!("%\n{literal}"),
        }
    }
}

/// Searches the two thousand newest accounts. What many users have is found here: an index would
/// first collect all of them.
struct SearchNewest {
    requester: UserId,
    patterns: Patterns,
}

impl QueryFragment<MultiBackend> for SearchNewest {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        let Patterns { within, begins, is_name, is_last_name } = &self.patterns;
        // Profiles are joined last, or the planner reads all of them.
        out.push_sql(
            "SELECT u.id, u.username, u.first_name, u.last_name, p.avatar FROM \
             (SELECT u.*, CASE WHEN u.search_key LIKE ",
        );
        out.push_bind_param::<Text, _>(is_name)?;
        out.push_sql(" ESCAPE '\\' OR u.search_key LIKE ");
        out.push_bind_param::<Text, _>(is_last_name)?;
        out.push_sql(" ESCAPE '\\' THEN 0 WHEN u.search_key LIKE ");
        out.push_bind_param::<Text, _>(begins)?;
        out.push_sql(
            " ESCAPE '\\' THEN 1 ELSE 2 END AS place FROM \
             (SELECT * FROM users ORDER BY date_joined DESC, id DESC LIMIT 2000) AS u \
             WHERE u.is_active AND u.id <> ",
        );
        out.push_bind_param::<BigInt, _>(&self.requester)?;
        out.push_sql(" AND u.search_key LIKE ");
        out.push_bind_param::<Text, _>(within)?;
        out.push_sql(" ESCAPE '\\' ORDER BY place LIMIT ");
        out.push_bind_param::<BigInt, _>(&LIMIT)?;
        out.push_sql(") AS u JOIN profiles p ON p.user_id = u.id ORDER BY u.place");
        Ok(())
    }
}

type Row = (BigInt, Text, Text, Text, Nullable<Text>);

prepared_once! {
    ByPrefix<true> => Row;
    ByPrefix<false> => Row;
    SearchNewest => Row;
}

/// Searches all accounts, in PostgreSQL by an index. SQLite reads them all.
///
/// Not prepared: the planner must see the text to choose between trigrams, and bigrams, which
/// alone serve two letters. MATERIALIZED keeps it from expecting that a scan of all users
/// meets the few matches early; they are still read no further than the limit.
fn search_all(conn: &mut AnyConnection, requester: UserId, text: &str) -> Query<Vec<SearchRow>> {
    let source = match conn {
        AnyConnection::Postgres(_) => {
            "WITH matches AS MATERIALIZED (SELECT id, username, first_name, last_name, search_key FROM users \
             WHERE bigrams(search_key) @> bigrams($1) AND search_key LIKE $2 ESCAPE '\\' \
             AND is_active AND id <> $3 LIMIT $4)"
        }
        AnyConnection::Sqlite(_) => {
            "WITH matches AS (SELECT id, username, first_name, last_name, search_key FROM users \
             WHERE $1 IS NOT NULL AND search_key LIKE $2 ESCAPE '\\' AND is_active AND id <> $3 LIMIT $4)"
        }
    };
    // No bigrams of a text that has a trigram: PostgreSQL underestimates the cost of intersecting
    // their long lists, and takes 10 ms for what trigrams find in one.
    let text_of_bigrams = if has_trigram(text) { "" } else { text };
    let Patterns { within, begins, is_name, is_last_name } = Patterns::new(text);
    diesel::sql_query(format!(
        "{source} SELECT u.id, u.username, u.first_name, u.last_name, p.avatar FROM \
         (SELECT m.*, CASE WHEN m.search_key LIKE $5 ESCAPE '\\' OR m.search_key LIKE $6 ESCAPE '\\' THEN 0 \
         WHEN m.search_key LIKE $7 ESCAPE '\\' THEN 1 ELSE 2 END AS place FROM matches m ORDER BY place LIMIT $8) \
         AS u JOIN profiles p ON p.user_id = u.id ORDER BY u.place"
    ))
    .bind::<Text, _>(text_of_bigrams)
    .bind::<Text, _>(within)
    .bind::<BigInt, _>(requester)
    .bind::<BigInt, _>(MAX_ORDERED)
    .bind::<Text, _>(is_name)
    .bind::<Text, _>(is_last_name)
    .bind::<Text, _>(begins)
    .bind::<BigInt, _>(LIMIT)
    .load(conn)
}

/// Returns whether the index of trigrams serves a text: it has three letters or digits in a row.
/// Which others count depends on the database's locale.
fn has_trigram(text: &str) -> bool {
    text.as_bytes().windows(3).any(|bytes| bytes.iter().all(u8::is_ascii_alphanumeric))
}
