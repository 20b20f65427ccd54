//! The surface of the fuzz targets: every parser of what comes from outside, that is, of
//! tokens, bodies, queries, handshakes, frames, payloads of the channel layer and settings.
//!
//! It exists in a build with the feature `fuzzing` only. The crate `fuzz/` states what must
//! hold of each parser for any input; a new parser of outside input belongs here and there.

use crate::error::Result;
use crate::events::Seq;
use crate::ids::UserId;

// Bodies and queries, and what each route reads from their fields.
pub use crate::accounts::{ProfileChange, SignUp};
pub use crate::auth::{Email, Password, PasswordChange, SignIn};
pub use crate::integrations::AnnouncementRequest;
pub use crate::messages::Draft;
pub use crate::posts::{Change as PostChange, Draft as PostDraft};
pub use crate::request::body::Body;
pub use crate::request::fields::{Fields, Parameters, RawFields};
pub use crate::request::paging::PageRequest;
pub use crate::stories::Draft as StoryDraft;

// Tokens, and hashes that another service stored.
pub use crate::auth::{Claims, StoredHash, Tokens, bearer};

// The head of a request.
pub use crate::api::cors::allowed_origin;
pub use crate::api::middleware::{accepts_json, is_known_host};
pub use crate::telemetry::TraceParent;

// Payloads for all instances, and what integrations announce.
pub use crate::events::{Announcement, ControlMessage};
// The socket's handshake.
pub use crate::notifications::handshake::Handshake;

// Settings: an operator's, and still parsed with care.
pub use crate::settings::{DatabaseUrl, Pattern, Settings};

/// Reads the refresh token of a body.
pub fn refresh_token(fields: &Fields) -> Result<String> {
    crate::auth::refresh_token(fields)
}

/// Reads the sender in a query.
pub fn sender(parameters: &Parameters) -> Result<UserId> {
    crate::messages::http::sender(parameters)
}

/// Reads the number up to which an inbox is read.
pub fn up_to(fields: &Fields) -> Result<Seq> {
    crate::notifications::up_to(fields)
}

/// Returns the response to a client's frame.
pub fn respond(text: &str) -> String {
    crate::notifications::respond(text)
}

/// Returns the number of a frame; nothing if it is not a frame.
pub fn seq(payload: &[u8]) -> Option<Option<Seq>> {
    crate::notifications::seq(payload)
}
