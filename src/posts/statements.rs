//! The statement that reads a list of posts, in parts that each come from an index in order, and the
//! one that adds a like. They are prepared once for each connection; the first once for each list.

use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamp as SqlTimestamp};

use super::model::{Filter, Page};
use crate::db::{MultiBackend, prepared_once};
use crate::ids::{PostId, UserId};
use crate::timestamp::Timestamp;

/// Posts as the viewer sees them, without the names of people, newest first.
pub(super) struct Posts<'a> {
    pub(super) viewer: UserId,
    pub(super) filter: &'a Filter,
    pub(super) page: Page,
}

/// The columns of a post, and whether the viewer likes it.
type Row = (
    (BigInt, BigInt, Text, Text, Nullable<Text>, SqlTimestamp, SqlTimestamp),
    (Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>),
    (BigInt, BigInt, BigInt, Bool),
);

/// A list that one index has in order.
#[derive(Clone, Copy)]
enum Part {
    Feed,
    Own,
    Wall,
    Replies,
    One,
}

impl QueryFragment<MultiBackend> for Posts<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "SELECT p.id, p.author_id, p.content, p.type, p.media_url, p.created_at, p.updated_at, \
             p.parent_id, p.target_profile_id, p.reply_to_comment_id, p.mentioned_user_id, \
             p.reply_count, p.likes_count, p.shares_count, \
             EXISTS (SELECT 1 FROM post_likes AS l WHERE l.post_id = p.id AND l.user_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.viewer)?;
        out.push_sql(") FROM (");
        match self.filter {
            Filter::Feed => self.part(Part::Feed, out.reborrow())?,
            Filter::Person(_) => {
                out.push_sql("SELECT * FROM (");
                self.part(Part::Own, out.reborrow())?;
                out.push_sql(") AS own UNION ALL SELECT * FROM (");
                self.part(Part::Wall, out.reborrow())?;
                out.push_sql(") AS wall");
            }
            Filter::Replies(_) => self.part(Part::Replies, out.reborrow())?,
            Filter::One(_) => self.part(Part::One, out.reborrow())?,
        }
        out.push_sql(") AS p ORDER BY p.created_at DESC, p.id DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.page.limit)
    }
}

impl Posts<'_> {
    fn part<'b>(&'b self, part: Part, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        const ON_NO_WALL: &str = "parent_id IS NULL AND target_profile_id IS NULL";
        out.push_sql("SELECT * FROM posts WHERE ");
        match part {
            Part::Feed => out.push_sql(ON_NO_WALL),
            Part::Own => {
                out.push_sql(ON_NO_WALL);
                out.push_sql(" AND author_id = ");
            }
            Part::Wall => out.push_sql("target_profile_id = "),
            Part::Replies => out.push_sql("parent_id = "),
            Part::One => out.push_sql("id = "),
        }
        match self.filter {
            Filter::Feed => {}
            Filter::Person(username) => {
                out.push_sql("(SELECT id FROM users WHERE username = ");
                out.push_bind_param::<Text, _>(username)?;
                out.push_sql(")");
            }
            Filter::Replies(id) | Filter::One(id) => out.push_bind_param::<BigInt, _>(id)?,
        }
        if let Some(before) = &self.page.before {
            // Of a post that was deleted since, the time is that of the one before it. If there is
            // none, nothing is before.
            out.push_sql(" AND (created_at, id) < ((SELECT created_at FROM posts WHERE id <= ");
            out.push_bind_param::<BigInt, _>(before)?;
            out.push_sql(" ORDER BY id DESC LIMIT 1), ");
            out.push_bind_param::<BigInt, _>(before)?;
            out.push_sql(")");
        }
        out.push_sql(" ORDER BY created_at DESC, id DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.page.limit)
    }
}

/// Not static: the text differs by list, and is the key of the prepared statement.
impl QueryId for Posts<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl diesel::query_builder::Query for Posts<'_> {
    type SqlType = Row;
}

impl<C> diesel::RunQueryDsl<C> for Posts<'_> {}

/// Adds a user's like to a post, unless there is one, or no such post.
pub(super) struct AddLike {
    pub(super) post: PostId,
    pub(super) user: UserId,
    pub(super) now: Timestamp,
}

impl QueryFragment<MultiBackend> for AddLike {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql("INSERT INTO post_likes (post_id, user_id, created_at) SELECT id, ");
        out.push_bind_param::<BigInt, _>(&self.user)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlTimestamp, _>(&self.now)?;
        out.push_sql(" FROM posts WHERE id = ");
        out.push_bind_param::<BigInt, _>(&self.post)?;
        out.push_sql(" ON CONFLICT (post_id, user_id) DO NOTHING");
        Ok(())
    }
}

prepared_once! { AddLike; }
