//! Authentication: who makes a request, and for how long they may.
//!
//! - A **credential** is what a client proves a user's identity with: a password or a
//!   refresh token ([`credentials`], [`tokens`]).
//! - The [`Authenticator`] verifies credentials, issues tokens and revokes them. It
//!   knows no HTTP.
//! - A **revocation** ends everything that was issued to a user before a moment: tokens
//!   are refused at once by every instance, sockets are closed ([`revocation`]).
//! - A **sign-in** is a password that was verified, with whatever tokens were issued for it and for
//!   each other since. Its user can list and revoke it ([`sign_ins`]).
//! - The [`Viewer`] is the authenticated user who makes a request.

mod authenticator;
mod commands;
mod common_passwords;
mod credentials;
mod ended_sign_ins;
pub mod http;
mod model;
mod passwords;
mod queries;
pub mod revocation;
mod sign_ins;
mod signing_out;
mod tokens;
mod viewer;

pub use authenticator::Authenticator;
pub use commands::set_active;
#[cfg(feature = "fuzzing")]
pub(crate) use credentials::refresh_token;
pub use credentials::{Email, Password, PasswordChange, SignIn};
pub use ended_sign_ins::EndedSignIns;
pub use model::{Account, AuthError};
pub use passwords::StoredHash;
pub use tokens::{Claims, TokenError, TokenType, Tokens, seconds_now};
pub use viewer::{Viewer, bearer, require};
