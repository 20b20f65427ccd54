//! The part of the application's state that an extractor needs.

use actix_web::HttpRequest;
use actix_web::web::Data;

use crate::error::{Error, Result};

/// Returns a part of the application's state.
///
/// # Errors
///
/// [`Error::Internal`] if the state has none. No route can have such an extractor:
/// `api::state` requires its part of the state at compile time.
pub(super) fn part<T: 'static>(request: &HttpRequest) -> Result<&T> {
    let part = request.app_data::<Data<T>>().map(Data::get_ref);
    part.ok_or_else(|| Error::internal(format!("the state has no {}", std::any::type_name::<T>())))
}
