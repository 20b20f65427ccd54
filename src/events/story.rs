//! A story in a message.

use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::StoryId;

/// A story that a message refers to, as both its sender and its receiver see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReferencedStory {
    /// The story's id.
    pub id: StoryId,
    /// A link to a picture or video; empty once it has expired.
    pub media_url: String,
    /// `image` or `video`.
    pub media_type: String,
    /// Whether it has expired.
    pub is_expired: bool,
}
