//! What a request says and how one that was not done is responded to.
//!
//! - [`fields`] are the values of a body or a query, by name; a [`field`] is one of them
//!   while it is being read. No I/O.
//! - [`body`] reads a body within its bounds of size and time.
//! - [`paging`] is the part of a list that a request is for.
//! - [`client_address`] is where a request comes from.
//! - [`response`] maps an [`Error`](crate::error::Error) to a response.

pub mod body;
pub mod client_address;
pub mod field;
pub mod fields;
pub mod paging;
pub mod response;

use actix_web::HttpRequest;
use actix_web::web::Data;

use crate::error::{Error, Result};

/// Returns the part of the application's state that an extractor needs.
///
/// # Errors
///
/// [`Error::Internal`] if the state has none. No route can have such an extractor:
/// `api::state` requires its part of the state at compile time.
fn part<T: 'static>(request: &HttpRequest) -> Result<&T> {
    let part = request.app_data::<Data<T>>().map(Data::get_ref);
    part.ok_or_else(|| Error::internal(format!("the state has no {}", std::any::type_name::<T>())))
}
