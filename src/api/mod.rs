//! The HTTP interface as a whole: the routes, and what all requests and responses pass.
//!
//! - [`state`] is what handlers work with: every part of the application, by type.
//! - [`middleware`] is what every request passes first and every response last; [`cors`]
//!   and [`security_headers`] are parts of it.
//! - [`routes`] is every URL; [`openapi`] describes them, and [`demo`] is a page to look at.

pub mod cors;
pub mod demo;
pub mod middleware;
pub mod openapi;
pub mod routes;
pub mod security_headers;
pub mod state;

use std::net::TcpListener;

use actix_server::Server;
use actix_web::App;
use actix_web::dev::ServiceRequest;
use actix_web::middleware::{Next, from_fn};

use self::state::State;
use crate::server::{self, Bounds};

/// Serves every route on a listener. It starts when the result is awaited.
///
/// # Errors
///
/// If the listener is not usable.
pub fn serve(listener: TcpListener, bounds: Bounds, state: State) -> std::io::Result<Server> {
    server::serve(listener, bounds, move || {
        let of_middleware = state.clone();
        let handle = move |request: ServiceRequest, next: Next<_>| {
            let state = of_middleware.clone();
            async move { middleware::handle(&state, request, next).await }
        };
        App::new().wrap(from_fn(handle)).configure(|service| routes::configure(service, &state))
    })
}
