//! The actix application: the middleware around every route.

use std::net::TcpListener;
use std::rc::Rc;

use actix_server::Server;
use actix_web::App;
use actix_web::dev::ServiceRequest;
use actix_web::middleware::{Next, from_fn};

use super::state::State;
use super::{middleware, routes};
use crate::server::{self, Bounds};

/// Serves every route on a listener. It starts when the result is awaited.
///
/// # Errors
///
/// If the listener is not usable.
pub fn serve(listener: TcpListener, bounds: Bounds, state: State) -> std::io::Result<Server> {
    server::serve(listener, bounds, move || {
        let of_middleware = Rc::new(state.clone());
        let handle = move |request: ServiceRequest, next: Next<_>| {
            let state = of_middleware.clone();
            async move { middleware::handle(&state, request, next).await }
        };
        App::new().wrap(from_fn(handle)).configure(|service| routes::configure(service, &state))
    })
}
