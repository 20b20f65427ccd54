//! What a request says and how one that was not done is responded to.
//!
//! - [`fields`] are the values of a body or a query, by name; a [`field`] is one of them
//!   while it is being read. No I/O.
//! - [`link`] is an absolute URL; [`pk`] names a row in a body. No I/O.
//! - [`body`] reads a body within its bounds of size and time.
//! - [`paging`] is the part of a list that a request is for.
//! - [`client_address`] is where a request comes from.
//! - [`response`] maps an [`Error`](crate::error::Error) to a response.

pub mod body;
pub mod client_address;
pub mod field;
pub mod fields;
pub mod link;
pub mod paging;
mod part;
pub mod pk;
pub mod response;
