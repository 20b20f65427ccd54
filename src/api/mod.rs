//! The HTTP interface as a whole: every URL, what all requests and responses pass, and the
//! description of the API.
//!
//! - [`state`] is what handlers work with: every part of the application, by type.
//! - An [`operation`] is one method of one URL, as its handler describes it; an [`endpoint`]
//!   is a handler with that description; a [`url`] is the endpoints of one path.
//! - [`openapi`] is the description of all operations; [`demo`] is a page to try them.
//! - [`routes`] is the table of all endpoints.
//! - [`middleware`] is what every request passes first and every response last; [`cors`]
//!   and [`security_headers`] are parts of it.
//! - [`application`] puts these together and serves them.

pub mod application;
pub mod cors;
pub mod demo;
pub mod endpoint;
pub mod middleware;
pub mod openapi;
pub mod operation;
pub mod routes;
pub mod security_headers;
pub mod state;
pub mod url;

pub use self::application::serve;
