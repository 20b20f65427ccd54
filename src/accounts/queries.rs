//! Reading accounts and profiles.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::Profile;
use crate::auth::Account;
use crate::db::schema::{profiles, users};
use crate::db::{AnyConnection, MultiBackend, Query, prepared_once};
use crate::ids::UserId;
use crate::timestamp::Timestamp;

/// The most users that a search or a list of suggestions returns.
pub const MAX_FOUND: i64 = 20;

/// The viewer with their profile.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    #[serde(flatten)]
    user: NestedUser,
    profile: OwnProfile,
}

/// The viewer's profile.
#[derive(Debug, Serialize, ToSchema)]
struct OwnProfile {
    /// The profile's id; it is not its owner's.
    #[schema(minimum = 1)]
    id: i64,
    user: NestedUser,
    bio: String,
    #[schema(required = true)]
    avatar: Option<String>,
    location: String,
    website: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// The viewer, by themselves and within their profile.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct NestedUser {
    #[serde(flatten)]
    account: Account,
    date_joined: Timestamp,
    #[schema(required = true)]
    profile_picture: Option<String>,
}

/// Returns an account with its profile.
///
/// # Errors
///
/// Those of the database, here and below.
pub fn me(conn: &mut AnyConnection, account: Account) -> Query<Me> {
    let profile: Profile = profiles::table
        .filter(profiles::user_id.eq(account.id))
        .select(<Profile as Selectable<diesel::pg::Pg>>::construct_selection())
        .first(conn)?;
    let (date_joined, profile_picture) = (account.date_joined, profile.avatar.clone());
    let user = NestedUser { account, date_joined, profile_picture };
    let Profile { id, bio, avatar, location, website, created_at, updated_at } = profile;
    let own = user.clone();
    let profile = OwnProfile { id, user: own, bio, avatar, location, website, created_at, updated_at };
    Ok(Me { user, profile })
}

/// A user as strangers see them. The email is shown to its owner only; the key stays.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicUser {
    id: UserId,
    username: String,
    /// Always empty.
    #[schema(max_length = 0, example = "")]
    email: &'static str,
    first_name: String,
    last_name: String,
    #[schema(required = true)]
    profile_picture: Option<String>,
    date_joined: Timestamp,
    profile: PublicProfile,
}

/// A profile as strangers see it.
#[derive(Debug, Serialize, ToSchema)]
struct PublicProfile {
    bio: String,
    location: String,
    website: String,
    #[schema(required = true)]
    avatar: Option<String>,
}

/// The columns of a [`PublicUser`].
type PublicColumns = ((UserId, String, String, String, Timestamp), (String, String, String, Option<String>));

/// Returns the user of this name, if there is one.
pub fn public_user(conn: &mut AnyConnection, username: &str) -> Query<Option<PublicUser>> {
    let row = users::table
        .inner_join(profiles::table)
        .filter(users::username.eq(username))
        .select((
            (users::id, users::username, users::first_name, users::last_name, users::date_joined),
            (profiles::bio, profiles::location, profiles::website, profiles::avatar),
        ))
        .first::<PublicColumns>(conn)
        .optional()?;
    Ok(row.map(|((id, username, first_name, last_name, date_joined), (bio, location, website, avatar))| {
        let profile_picture = avatar.clone();
        let profile = PublicProfile { bio, location, website, avatar };
        PublicUser { id, username, email: "", first_name, last_name, profile_picture, date_joined, profile }
    }))
}

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

/// Returns users whose username or name contains this text, in any case; for fewer than
/// two characters the newest accounts, without superusers. Never the requester.
pub fn search(conn: &mut AnyConnection, requester: UserId, text: &str) -> Query<Vec<SearchHit>> {
    let rows = search_rows(conn, requester, text)?;
    Ok(rows.into_iter().map(SearchHit::from).collect())
}

fn search_rows(conn: &mut AnyConnection, requester: UserId, text: &str) -> Query<Vec<SearchRow>> {
    if text.chars().count() < 2 {
        return newest(conn, requester);
    }
    let hits: Vec<SearchRow> = SearchNewest { requester, pattern: contains(text) }.load(conn)?;
    let is_full = i64::try_from(hits.len()).is_ok_and(|count| count >= MAX_FOUND);
    if is_full { Ok(hits) } else { search_all(conn, requester, text) }
}

/// Returns the newest accounts, without superusers.
fn newest(conn: &mut AnyConnection, requester: UserId) -> Query<Vec<SearchRow>> {
    users::table
        .inner_join(profiles::table)
        .filter(users::id.ne(requester).and(diesel::dsl::not(users::is_superuser)))
        .order((users::date_joined.desc(), users::id.desc()))
        .limit(MAX_FOUND)
        .select((users::id, users::username, users::first_name, users::last_name, profiles::avatar))
        .load(conn)
}

/// Searches the two thousand newest accounts. What many users have is found here: an index would
/// first collect all of them.
struct SearchNewest {
    requester: UserId,
    pattern: String,
}

impl QueryFragment<MultiBackend> for SearchNewest {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "SELECT u.id, u.username, u.first_name, u.last_name, p.avatar FROM \
             (SELECT * FROM users ORDER BY date_joined DESC, id DESC LIMIT 2000) AS u \
             JOIN profiles p ON p.user_id = u.id WHERE u.id <> ",
        );
        out.push_bind_param::<BigInt, _>(&self.requester)?;
        out.push_sql(" AND u.search_key LIKE ");
        out.push_bind_param::<Text, _>(&self.pattern)?;
        out.push_sql(" ESCAPE '\\' LIMIT ");
        out.push_bind_param::<BigInt, _>(&MAX_FOUND)
    }
}

prepared_once! { SearchNewest => (BigInt, Text, Text, Text, Nullable<Text>); }

/// Searches all accounts, in PostgreSQL by an index. SQLite reads them all.
///
/// Not prepared: the planner must see the text to choose between trigrams, and bigrams, which
/// alone serve two letters. MATERIALIZED keeps it from expecting that a scan of all users
/// meets the few matches early; they are still read no further than the limit.
fn search_all(conn: &mut AnyConnection, requester: UserId, text: &str) -> Query<Vec<SearchRow>> {
    let source = match conn {
        AnyConnection::Postgres(_) => {
            "WITH matches AS MATERIALIZED (SELECT id, username, first_name, last_name FROM users \
             WHERE bigrams(search_key) @> bigrams($1) AND search_key LIKE $2 ESCAPE '\\') \
             SELECT u.id, u.username, u.first_name, u.last_name, p.avatar FROM matches u"
        }
        AnyConnection::Sqlite(_) => {
            "WITH matches AS (SELECT id, username, first_name, last_name FROM users \
             WHERE $1 IS NOT NULL AND search_key LIKE $2 ESCAPE '\\') \
             SELECT u.id, u.username, u.first_name, u.last_name, p.avatar FROM matches u"
        }
    };
    // No bigrams of a text that has a trigram: PostgreSQL underestimates the cost of intersecting
    // their long lists, and takes 10 ms for what trigrams find in one.
    let text_of_bigrams = if has_trigram(text) { String::new() } else { text.to_lowercase() };
    diesel::sql_query(format!("{source} JOIN profiles p ON p.user_id = u.id WHERE u.id <> $3 LIMIT $4"))
        .bind::<Text, _>(text_of_bigrams)
        .bind::<Text, _>(contains(text))
        .bind::<BigInt, _>(requester)
        .bind::<BigInt, _>(MAX_FOUND)
        .load(conn)
}

/// Returns whether the index of trigrams serves a text: it has three letters or digits in a row.
/// Which others count depends on the database's locale.
fn has_trigram(text: &str) -> bool {
    text.as_bytes().windows(3).any(|bytes| bytes.iter().all(u8::is_ascii_alphanumeric))
}

/// Returns the LIKE pattern of all texts that contain this one; `%` and `_` are literal.
fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}
