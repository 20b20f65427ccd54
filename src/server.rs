//! The server is HTTP on a listener: actix-web's own, on [connections](Connection) that
//! do not wait forever.

use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, Protocol, Request};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::rt::net::TcpStream;

use crate::connection::Connection;
use crate::listener;

/// How long an idle HTTP connection is kept: longer than the 60 s for which proxies
/// commonly keep theirs, so that it is they who close it.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a client may take to send the head of a connection's first request. What bounds
/// a later one is in [`crate::connection`].
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection that is closed is still read from: what arrives at a closed one is
/// answered by a reset, which takes back the last answer or close frame that was not read yet.
const FAREWELL: Duration = Duration::from_secs(1);

/// What one server may take.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Threads that answer.
    pub workers: usize,
    /// Connections held at once by all of them; further ones wait in the kernel.
    pub connections: usize,
    /// How long a client may take nothing before the kernel ends its connection.
    pub stall: Duration,
    /// How long requests have to finish when the server stops.
    pub finish: Duration,
}

/// Serves an actix-web application on a listener, which starts when the result is awaited.
/// `app` makes one for each worker.
///
/// # Errors
///
/// If the listener is of no use.
pub fn serve<A, I, S, B>(listener: TcpListener, bounds: Bounds, app: A) -> std::io::Result<Server>
where
    A: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = actix_web::Error>
        + 'static,
    S::InitError: std::fmt::Debug,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let address = listener.local_addr()?;
    let builder = ServerBuilder::new();
    let stopping = builder.graceful_shutdown_signal();
    let http = move || {
        let stopping = stopping.clone();
        let app = app().into_factory().map_err(|error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_LIMIT)
            .client_disconnect_timeout(FAREWELL)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.switch());
            })
            .local_addr(address)
            // The default one: nothing asks it for its host or address.
            .finish(map_config(app, |()| AppConfig::default()));
        let accept = fn_service(move |stream: TcpStream| {
            listener::tune(&stream, bounds.stall);
            let client = stream.peer_addr().ok();
            async move { Ok((Connection::new(stream), Protocol::Http1, client)) }
        });
        accept.and_then(http)
    };
    let server = builder
        .workers(bounds.workers)
        .max_concurrent_connections(bounds.connections.div_ceil(bounds.workers))
        .shutdown_timeout(bounds.finish.as_secs())
        .disable_signals()
        .listen("http", listener, http)?
        .run();
    Ok(server)
}
