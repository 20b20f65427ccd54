//! The statement that reads stories, with the conditions of who sees them, and those that add a view
//! and a reaction. They are prepared once for each connection; the first once for each list.

use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamp as SqlTimestamp};

use super::model::Filter;
use crate::db::{MultiBackend, prepared_once};
use crate::ids::{StoryId, UserId};
use crate::timestamp::Timestamp;

/// The most stories of a list, newest first: more than anybody views, and a megabyte.
const MAX_LISTED: &str = "2000";

/// The stories that the viewer may see now, newest first.
pub(super) struct Stories<'a> {
    pub(super) viewer: UserId,
    pub(super) filter: &'a Filter,
    pub(super) now: Timestamp,
}

/// The columns of a story, what the viewer did with it, and whose it is.
type Row = (
    (Text, Text, Text, Nullable<Text>, SqlTimestamp, SqlTimestamp),
    (Bool, Nullable<Text>, BigInt, BigInt, BigInt),
    ((BigInt, Text, Text, Text), Nullable<Text>),
);

impl QueryFragment<MultiBackend> for Stories<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "SELECT s.id, s.media_url, s.media_type, s.caption, s.created_at, s.expires_at, \
             EXISTS (SELECT 1 FROM story_views AS v WHERE v.story_id = s.id AND v.viewer_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.viewer)?;
        out.push_sql(
            "), (SELECT reaction_type FROM story_reactions AS r WHERE r.story_id = s.id AND r.user_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.viewer)?;
        out.push_sql(
            "), s.view_count, s.heart_count, s.thunder_count, u.id, u.username, u.first_name, u.last_name, \
             (SELECT avatar FROM profiles AS p WHERE p.user_id = u.id) FROM ",
        );
        self.walk_source(out.reborrow())?;
        out.push_sql(" JOIN users AS u ON u.id = s.user_id WHERE s.expires_at > ");
        out.push_bind_param::<SqlTimestamp, _>(&self.now)?;
        match self.filter {
            Filter::All => {}
            Filter::User(user) => {
                out.push_sql(" AND s.user_id = ");
                out.push_bind_param::<BigInt, _>(user)?;
            }
            Filter::One(id) => {
                out.push_sql(" AND s.id = ");
                out.push_bind_param::<Text, _>(id)?;
            }
        }
        if !matches!(self.filter, Filter::All) {
            self.walk_permission(out.reborrow())?;
        }
        out.push_sql(" ORDER BY s.created_at DESC, s.id DESC LIMIT ");
        out.push_sql(MAX_LISTED);
        Ok(())
    }
}

impl Stories<'_> {
    /// For all stories begins with the friends: there are fewer of them than stories.
    fn walk_source<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        if !matches!(self.filter, Filter::All) {
            out.push_sql("stories AS s");
            return Ok(());
        }
        out.push_sql(
            "(SELECT high_id AS user_id FROM friendships WHERE accepted_at IS NOT NULL AND low_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.viewer)?;
        out.push_sql(
            " UNION ALL SELECT low_id FROM friendships WHERE accepted_at IS NOT NULL AND high_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.viewer)?;
        out.push_sql(" UNION ALL SELECT id FROM users WHERE id = ");
        out.push_bind_param::<BigInt, _>(&self.viewer)?;
        out.push_sql(") AS visible JOIN stories AS s ON s.user_id = visible.user_id");
        Ok(())
    }

    /// One's own, and those of friends.
    fn walk_permission<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(" AND (s.user_id = ");
        out.push_bind_param::<BigInt, _>(&self.viewer)?;
        for (own, other) in [("low_id", "high_id"), ("high_id", "low_id")] {
            out.push_sql(" OR EXISTS (SELECT 1 FROM friendships WHERE accepted_at IS NOT NULL AND ");
            out.push_sql(own);
            out.push_sql(" = ");
            out.push_bind_param::<BigInt, _>(&self.viewer)?;
            out.push_sql(" AND ");
            out.push_sql(other);
            out.push_sql(" = s.user_id)");
        }
        out.push_sql(")");
        Ok(())
    }
}

/// Not static: the text differs by list, and is the key of the prepared statement.
impl QueryId for Stories<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl diesel::query_builder::Query for Stories<'_> {
    type SqlType = Row;
}

impl<C> diesel::RunQueryDsl<C> for Stories<'_> {}

/// Adds a view of a story, unless there is one, or no such story any more.
pub(super) struct AddView {
    pub(super) story: StoryId,
    pub(super) viewer: UserId,
    pub(super) now: Timestamp,
}

impl QueryFragment<MultiBackend> for AddView {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql("INSERT INTO story_views (story_id, viewer_id, viewed_at) SELECT id, ");
        out.push_bind_param::<BigInt, _>(&self.viewer)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlTimestamp, _>(&self.now)?;
        out.push_sql(" FROM stories WHERE id = ");
        out.push_bind_param::<Text, _>(&self.story)?;
        out.push_sql(" ON CONFLICT (story_id, viewer_id) DO NOTHING");
        Ok(())
    }
}

/// Adds or replaces a user's reaction to a story. It changes no row if the reaction is the same.
pub(super) struct SetReaction {
    pub(super) story: StoryId,
    pub(super) user: UserId,
    pub(super) reaction_type: &'static str,
    pub(super) now: Timestamp,
}

impl QueryFragment<MultiBackend> for SetReaction {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO story_reactions (story_id, user_id, reaction_type, created_at) SELECT id, ",
        );
        out.push_bind_param::<BigInt, _>(&self.user)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.reaction_type)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlTimestamp, _>(&self.now)?;
        out.push_sql(" FROM stories WHERE id = ");
        out.push_bind_param::<Text, _>(&self.story)?;
        out.push_sql(
            " ON CONFLICT (story_id, user_id) DO UPDATE SET reaction_type = excluded.reaction_type, \
             created_at = excluded.created_at WHERE story_reactions.reaction_type <> excluded.reaction_type",
        );
        Ok(())
    }
}

prepared_once! {
    AddView;
    SetReaction;
}
