//! What is untrusted is what comes from outside: tokens, bodies, queries, handshakes,
//! frames, payloads of the channel layer. Here is every parser of it, without a server.
//!
//! The service uses nothing of this page. The crate `fuzz/` does, and says there what
//! must hold of each parser, whatever it is given; a new parser of something from
//! outside belongs on this page and on that one.

// Bodies and queries, and what each route takes from their fields.
pub use crate::accounts::http_sign_in::refresh_token;
pub use crate::accounts::{Email, Password, PasswordChange, ProfileChange, SignIn, SignUp};
pub use crate::events::Announcement;
pub use crate::fields::{Body, Fields, Parameters, RawFields};
pub use crate::messages::Draft;
pub use crate::messages::http::sender;
pub use crate::notifications::http::up_to;
pub use crate::paging::Part;
pub use crate::services::Draft as Announced;

// Tokens, and hashes that another service stored.
pub use crate::accounts::{Claim, Stored, Tokens, bearer};

// The head of a request.
pub use crate::cors::allowed_origin;
pub use crate::edge::{is_known_host, takes_json};
pub use crate::telemetry::TraceParent;

// The socket: its handshake, what a client says, and what arrives for it.
pub use crate::events::SessionsEnded;
pub use crate::notifications::handshake::Handshake;
pub use crate::notifications::{answer, seq};

// Settings: an operator's, and still read with care.
pub use crate::settings::{DatabaseUrl, Pattern, Settings};
