//! A story as one person sees it, and one to be published, as it comes in a body. No I/O.

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{FieldErrors, Result};
use crate::friends::queries::UserWithAvatar;
use crate::ids::{StoryId, UserId};
use crate::request::fields::Fields;
use crate::request::link::MAX_LINK_CHARS;
use crate::timestamp::Timestamp;

/// The kinds of media.
const MEDIA_TYPES: &[&str] = &["image", "video"];

/// The kinds of reactions.
const REACTION_TYPES: &[&str] = &["heart", "thunder"];

/// The longest caption, in characters.
const MAX_CAPTION_CHARS: usize = 200;

/// A story as one person sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Story {
    pub(super) id: StoryId,
    /// Whose story it is.
    pub(super) user: UserWithAvatar,
    /// A link to a picture or video.
    pub(super) media_url: String,
    /// `image` or `video`.
    pub(super) media_type: String,
    #[schema(required = true)]
    pub(super) caption: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// Whether the viewer has viewed it; false for one's own.
    pub(super) is_viewed: bool,
    /// The viewer's reaction.
    #[schema(required = true)]
    pub(super) my_reaction: Option<String>,
    /// The same.
    #[schema(required = true)]
    pub(super) user_reaction: Option<String>,
    #[schema(minimum = 0)]
    pub(super) view_count: i64,
    #[schema(minimum = 0)]
    pub(super) heart_count: i64,
    #[schema(minimum = 0)]
    pub(super) thunder_count: i64,
}

/// Which stories a list holds, of those that the viewer may see.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    /// All.
    All,
    /// Those of one user.
    User(UserId),
    /// The one of this id.
    One(StoryId),
}

/// The fields of a new story.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Draft::parse` reads by name")]
pub(super) struct StoryForm {
    /// A link to a picture or video.
    #[schema(max_length = 500, pattern = "^https?://.+$", example = "https://example.com/a.png")]
    media_url: String,
    /// What it is.
    #[schema(pattern = "^(image|video)$", example = "image")]
    media_type: String,
    /// Outer whitespace is removed.
    #[schema(max_length = 200, example = "hello")]
    caption: Option<String>,
}

/// A story to be published.
#[derive(Debug)]
pub struct Draft {
    /// A link to a picture or video.
    pub media_url: String,
    /// One of the kinds.
    pub media_type: &'static str,
    /// A text; may be empty.
    pub caption: Option<String>,
}

impl Draft {
    /// Reads a draft; unknown names are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`](crate::error::Error::Fields) with every field that is wrong.
    pub fn parse(fields: &Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let link = fields.text("media_url").required().not_blank().max_chars(MAX_LINK_CHARS).link();
        let caption = fields.text_or_number("caption").max_chars(MAX_CAPTION_CHARS);
        let draft = Self {
            media_url: link.read(&mut errors),
            media_type: fields.choice("media_type", MEDIA_TYPES).required().read(&mut errors),
            caption: caption.read_optional(&mut errors),
        };
        errors.or(draft)
    }
}

/// The field of a reaction.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `reaction_type` reads by name")]
pub(super) struct ReactionForm {
    /// `heart` or `thunder`.
    #[schema(pattern = "^(heart|thunder)$", example = "heart")]
    reaction_type: String,
}

/// Reads the type of a reaction.
///
/// # Errors
///
/// [`Error::Fields`](crate::error::Error::Fields) if it is missing or none.
pub(super) fn reaction_type(fields: &Fields) -> Result<&'static str> {
    Ok(fields.choice("reaction_type", REACTION_TYPES).required().optional()?.unwrap_or_default())
}
