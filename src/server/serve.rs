//! HTTP on a listener: actix-web's own server, on [connections](Connection) whose clients
//! have a bounded time.

use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, Protocol, Request};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::rt::net::TcpStream;

use super::connection::Connection;
use super::listener;

/// How long an idle HTTP connection is kept: longer than the 60 s for which proxies commonly
/// keep theirs, so that the proxy closes it.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a client may take to send the head of a connection's first request. The heads of
/// later ones are bounded by the [`Connection`].
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is still read from after it was shut down. The kernel resets a closed
/// connection on which bytes arrive, and the client loses the last response or close frame.
const LINGER: Duration = Duration::from_secs(1);

/// The bounds of one server.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// The number of threads that serve.
    pub workers: usize,
    /// Connections held at once by all of them, rounded up to a multiple of the workers;
    /// further ones wait in the kernel.
    pub connections: usize,
    /// How long a client may read nothing before the kernel ends its connection.
    pub write_timeout: Duration,
    /// How long requests have to finish when the server stops.
    pub shutdown_timeout: Duration,
}

/// Serves an actix-web application on a listener. It starts when the result is awaited.
/// `app` returns one for each worker.
///
/// # Errors
///
/// If the listener is not usable.
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
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.upgrade_flag());
            })
            .local_addr(address)
            // The default configuration: nothing reads its host or address.
            .finish(map_config(app, |()| AppConfig::default()));
        let accept = fn_service(move |stream: TcpStream| {
            listener::configure(&stream, bounds.write_timeout);
            let client = stream.peer_addr().ok();
            async move { Ok((Connection::new(stream), Protocol::Http1, client)) }
        });
        accept.and_then(http)
    };
    let server = builder
        .workers(bounds.workers)
        .max_concurrent_connections(bounds.connections.div_ceil(bounds.workers))
        .shutdown_timeout(bounds.shutdown_timeout.as_secs())
        .disable_signals()
        .listen("http", listener, http)?
        .run();
    Ok(server)
}
