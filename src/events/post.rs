//! A [`Post`] as one person sees it, in responses and in events.

use serde::Serialize;
use utoipa::ToSchema;

use super::people::{Person, UserSummary};
use crate::ids::{PostId, UserId};
use crate::timestamp::Timestamp;

/// A user in a post. The email is shown to its owner only; the key stays.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// Unique, case-sensitive.
    pub username: String,
    /// Empty, unless the viewer is this user.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// When the account was created.
    pub date_joined: Timestamp,
    /// A link to a picture.
    #[schema(required = true)]
    pub profile_picture: Option<String>,
}

/// A post, a reply to one, or a post on a wall, as one user sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Post {
    /// The post's id.
    pub id: PostId,
    /// Who wrote it.
    pub author: User,
    /// Its text; may be empty if it has a picture.
    pub content: String,
    /// `thoughts`, `media` or `milestones`.
    #[serde(rename = "type")]
    pub type_: String,
    /// A link to a picture or video.
    #[schema(required = true)]
    pub media_url: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When its text, type or picture was changed last.
    pub updated_at: Timestamp,
    /// The post that it replies to.
    #[schema(required = true)]
    pub parent: Option<PostId>,
    /// The person on whose wall it is.
    #[schema(required = true)]
    pub target_profile: Option<User>,
    /// That person's id.
    #[schema(required = true)]
    pub target_profile_id: Option<UserId>,
    /// The reply to the same post that it responds to.
    #[schema(required = true)]
    pub reply_to_comment: Option<PostId>,
    /// The person whom it mentions.
    #[schema(required = true)]
    pub mentioned_user: Option<User>,
    /// How many direct replies it has.
    #[schema(minimum = 0)]
    pub reply_count: i64,
    /// How many people like it.
    #[schema(minimum = 0)]
    pub likes_count: i64,
    /// The same as `reply_count`.
    #[schema(minimum = 0)]
    pub comment_count: i64,
    /// How often it was shared.
    #[schema(minimum = 0)]
    pub shares_count: i64,
    /// Whether the viewer likes it.
    pub is_liked: bool,
}

impl Post {
    /// Returns a post without likes as those see it whom it does not name.
    pub fn seen_by_others(mut self) -> Self {
        let users = [Some(&mut self.author), self.target_profile.as_mut(), self.mentioned_user.as_mut()];
        for user in users.into_iter().flatten() {
            user.email.clear();
        }
        self.is_liked = false;
        self
    }
}

/// A reply as the person sees it whom it mentions.
#[derive(Clone, Debug, Serialize)]
pub struct MentioningReply {
    /// Its text.
    pub content: String,
    /// Its id.
    pub id: PostId,
}

/// The post that a reply is to.
#[derive(Clone, Debug, Serialize)]
pub struct RepliedPost {
    /// Its id.
    pub id: PostId,
}

/// What happened to or by a post, for one person.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum PostEvent {
    /// A friend of the recipient has posted.
    New(Box<Post>),
    /// A user has posted on the recipient's wall.
    Wall {
        /// A sentence for people.
        message: String,
        /// The post.
        post: Box<Post>,
        /// Who wrote it.
        author: UserSummary,
    },
    /// A user has replied to a post of the recipient.
    Comment {
        /// A sentence for people.
        message: String,
        /// Who wrote the reply.
        commenter: Person,
        /// The recipient's post.
        post: Box<Post>,
        /// The reply.
        comment: Box<Post>,
    },
    /// A user mentions the recipient in a reply.
    Mention {
        /// A sentence for people.
        message: String,
        /// Who wrote the reply.
        replier: Person,
        /// The reply.
        reply: MentioningReply,
        /// The post that it is to.
        post: RepliedPost,
        /// The recipient's name, as the reply's author has written it.
        mentioned_username: String,
    },
}

impl PostEvent {
    /// Returns the event's name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::New(..) => "new_post",
            Self::Wall { .. } => "wall_post",
            Self::Comment { .. } => "post_comment",
            Self::Mention { .. } => "comment_reply",
        }
    }
}
