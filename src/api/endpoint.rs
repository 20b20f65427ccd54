//! An **endpoint** is a handler with its description. Both come from the function: its
//! `#[utoipa::path]` is the only statement of its path, methods and authentication.

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Responder, Route, web};
use utoipa::openapi::OpenApi;

use super::state::{Provides, State};

/// A handler with its description.
pub struct Endpoint {
    /// The name that OPTIONS returns for its URL.
    pub label: &'static str,
    /// Returns the description of its operations, and of the schemas that they refer to.
    pub describe: fn() -> OpenApi,
    /// Returns its route for a method.
    pub route: fn(Method) -> Route,
}

/// Makes a table of [`Endpoint`]s: `"label" => handler, …;` for each URL, in the order of
/// the description. A handler without `#[utoipa::path]` does not compile.
macro_rules! endpoints {
    ($($label:literal => $($($handler:ident)::+),+;)*) => {
        &[$($($crate::api::endpoint::Endpoint {
            label: $label,
            describe: {
                // The derive finds the description by the function's name. It is made for
                // one handler at a time because the document of several no longer says
                // which handler an operation belongs to.
                #[derive(utoipa::OpenApi)]
                #[openapi(paths($($handler)::+))]
                struct Described;
                <Described as utoipa::OpenApi>::openapi
            },
            route: |method| $crate::api::endpoint::route(method, $($handler)::+),
        },)+)*]
    };
}

pub(super) use endpoints;

/// Returns the route of a handler for a method. It compiles only if the state has what the
/// handler takes.
pub fn route<F, Args>(method: Method, handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
    State: Provides<Args>,
{
    web::method(method).to(handler)
}
