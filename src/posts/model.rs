//! A post to be written, a change of one, and what a like does, as they come in a body; and which
//! posts a list holds. No I/O.

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{FieldErrors, Result};
use crate::ids::PostId;
use crate::request::field::Field;
use crate::request::fields::{Digits, Fields};
use crate::request::link::MAX_LINK_CHARS;
use crate::request::pk::Pk;

/// The types of posts.
const TYPES: &[&str] = &["thoughts", "media", "milestones"];

/// The longest text of a post, in characters.
const MAX_CONTENT_CHARS: usize = 500;

/// The longest username, in characters.
const MAX_USERNAME_CHARS: usize = 150;

/// What a post without text and picture gets.
pub(super) const EMPTY: &str = "A post needs a text or a picture.";

/// The fields of a change of a post.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Change::parse` reads by name")]
pub(super) struct ChangeForm {
    /// Outer whitespace is removed. May be empty if there is a picture.
    #[schema(max_length = 500, example = "hello")]
    content: Option<String>,
    /// The kind of post.
    #[schema(rename = "type", example = "thoughts", pattern = "^(thoughts|media|milestones)$")]
    r#type: Option<String>,
    /// A link to a picture or video.
    #[schema(max_length = 500, pattern = "^(https?://.+)?$", example = "https://example.com/a.png")]
    media_url: Option<String>,
}

/// The fields of a new post.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Draft::parse` reads by name")]
pub(super) struct PostForm {
    /// Outer whitespace is removed. May be empty if there is a picture.
    #[schema(max_length = 500, example = "hello")]
    content: Option<String>,
    /// The kind of post; `thoughts` if it is not named.
    #[schema(example = "thoughts", pattern = "^(thoughts|media|milestones)$")]
    r#type: Option<String>,
    /// A link to a picture or video.
    #[schema(max_length = 500, pattern = "^(https?://.+)?$", example = "https://example.com/a.png")]
    media_url: Option<String>,
    /// The post to reply to.
    #[schema(example = json!(null))]
    parent_id: Option<Digits>,
    /// The friend on whose wall to write.
    #[schema(example = json!(null))]
    target_profile_id: Option<Digits>,
    /// A reply to the same parent that this one responds to.
    #[schema(example = json!(null))]
    reply_to_comment_id: Option<Digits>,
    /// The person whom a reply mentions. Without it that is the one whose name, after `@`, is the
    /// beginning of the text, if they have replied to the same parent.
    #[schema(example = json!(null))]
    mentioned_user_id: Option<Digits>,
    /// That person's name as it is shown to them.
    #[schema(max_length = 150, example = json!(null))]
    mentioned_username: Option<String>,
}

/// A post to be written.
#[derive(Debug)]
pub struct Draft {
    /// The text.
    pub content: String,
    /// One of the types.
    pub type_: &'static str,
    /// A link to a picture or video.
    pub media_url: Option<String>,
    /// The post to reply to.
    pub parent: Option<Pk>,
    /// The person on whose wall to write.
    pub target: Option<Pk>,
    /// The reply that this one responds to.
    pub reply_to: Option<Pk>,
    /// The person whom it mentions.
    pub mentioned: Option<Pk>,
    /// That person's name as the author has written it.
    pub mentioned_username: Option<String>,
    /// What is wrong so far: whether the rows exist that it names, only the database knows.
    pub errors: FieldErrors,
}

impl Draft {
    /// Reads a draft, with every field that is wrong.
    pub fn parse(fields: &Fields) -> Self {
        let mut errors = FieldErrors::default();
        let content = content(fields).read(&mut errors);
        let type_ = type_(fields).read_or("thoughts", &mut errors);
        let media_url = link(fields).read(&mut errors);
        let media_url = Some(media_url).filter(|link| !link.is_empty());
        if content.is_empty() && media_url.is_none() && !errors.has("content") && !errors.has("media_url") {
            errors.add("content", EMPTY);
        }
        let mut pk = |name| fields.pk(name).read_optional(&mut errors);
        let [parent, target, reply_to, mentioned] =
            ["parent_id", "target_profile_id", "reply_to_comment_id", "mentioned_user_id"].map(&mut pk);
        let mentioned_username =
            fields.text("mentioned_username").max_chars(MAX_USERNAME_CHARS).read_optional(&mut errors);
        let mentioned_username = mentioned_username.filter(|name| !name.is_empty());
        if parent.is_some() && target.is_some() {
            errors.add("target_profile_id", "A reply is on no wall.");
        }
        if parent.is_none() && !errors.has("parent_id") {
            let only_replies = [("reply_to_comment_id", &reply_to), ("mentioned_user_id", &mentioned)];
            for (name, _) in only_replies.into_iter().filter(|(_, pk)| pk.is_some()) {
                errors.add(name, "Only a reply, which has a parent_id, may have this.");
            }
        }
        Self { content, type_, media_url, parent, target, reply_to, mentioned, mentioned_username, errors }
    }
}

impl Draft {
    /// Returns everything that distinguishes one draft from another.
    pub(super) fn content_and_references(&self) -> impl Serialize {
        let Self { parent, target, reply_to, mentioned, mentioned_username, .. } = self;
        let references = (parent, target, reply_to, mentioned, mentioned_username);
        (&self.content, self.type_, &self.media_url, references)
    }
}

/// A change of a post; what is not named stays as it is.
#[derive(Debug)]
pub struct Change {
    /// The text.
    pub content: Option<String>,
    /// One of the types.
    pub type_: Option<&'static str>,
    /// A link to a picture or video, or none any more.
    #[allow(clippy::option_option, reason = "unchanged, cleared, or set")]
    pub media_url: Option<Option<String>>,
}

impl Change {
    /// Reads a change; unknown names are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`](crate::error::Error::Fields) with every field that is wrong.
    pub fn parse(fields: &Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let media_url = link(fields).read_optional(&mut errors);
        let change = Self {
            content: content(fields).read_optional(&mut errors),
            type_: type_(fields).read_optional(&mut errors),
            media_url: media_url.map(|link| Some(link).filter(|link| !link.is_empty())),
        };
        errors.or(change)
    }
}

fn content(fields: &Fields) -> Field<String> {
    fields.text_or_number("content").not_null().max_chars(MAX_CONTENT_CHARS)
}

fn type_(fields: &Fields) -> Field<&'static str> {
    fields.choice("type", TYPES).not_null()
}

fn link(fields: &Fields) -> Field<String> {
    fields.text("media_url").null_as(String::new()).max_chars(MAX_LINK_CHARS).link()
}

/// The field of a like.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `LikeAction::parse` reads by name")]
pub(super) struct LikeForm {
    /// `like` or `unlike`; without it the one that changes something.
    #[schema(pattern = "^(like|unlike)$", example = "like")]
    action: Option<String>,
}

/// What becomes of the viewer's like of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LikeAction {
    /// It is there.
    Like,
    /// It is not there.
    Unlike,
    /// The other of the two.
    Toggle,
}

impl LikeAction {
    /// Reads the action.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`](crate::error::Error::Fields) if it is none.
    pub(super) fn parse(fields: &Fields) -> Result<Self> {
        Ok(match fields.choice("action", &["like", "unlike"]).optional()? {
            Some("like") => Self::Like,
            Some(_) => Self::Unlike,
            None => Self::Toggle,
        })
    }
}

/// Which posts a list holds.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    /// Those in the feed.
    Feed,
    /// Those of the person of this name in the feed, and those on their wall.
    Person(String),
    /// The direct replies to this one.
    Replies(PostId),
    /// The one of this id.
    One(PostId),
}

/// A page of a list, newest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// Posts at most.
    pub(super) limit: i64,
    /// Only posts that stand after this one in the list.
    pub(super) before: Option<PostId>,
}

/// Returns the names that a text may mention: each of its beginnings, after `@`, that ends before
/// whitespace or with the text, the longest first. An account that was imported may have spaces
/// in its name.
pub(super) fn mentionable(text: &str) -> Vec<&str> {
    let Some(rest) = text.strip_prefix('@') else { return Vec::new() };
    let ends = rest.char_indices().filter(|(_, letter)| letter.is_whitespace()).map(|(end, _)| end);
    let names = ends.chain([rest.len()]).map(|end| &rest[..end]);
    let mut names: Vec<_> =
        names.filter(|name| !name.is_empty() && name.chars().count() <= MAX_USERNAME_CHARS).collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use super::mentionable;

    #[test]
    fn a_text_mentions_the_name_at_its_beginning() {
        assert_eq!(mentionable("@ada well said"), ["ada well said", "ada well", "ada"]);
        assert_eq!(mentionable("@ada"), ["ada"]);
        assert_eq!(mentionable("@ada\nyes"), ["ada\nyes", "ada"]);
        for text in ["ada", " @ada", "well said, @ada", "@", ""] {
            assert!(mentionable(text).is_empty(), "{text}");
        }
    }
}
