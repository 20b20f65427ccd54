//! An account is who someone is: a user with a profile, a password and tokens.

pub mod admission;
pub mod commands;
pub mod http;
pub mod http_sessions;
pub mod http_sign_in;
mod model;
mod password;
mod sign_in;
pub mod queries;
mod token;
mod viewer;

pub use model::{Account, ProfileChange};
pub use password::{Passwords, Stored};
pub use sign_in::{Email, Password, PasswordChange, SignIn, SignUp};
pub use token::{Claim, Fault, TokenType, Tokens};
pub use viewer::{Refusal, Viewer, bearer, identify, require};
