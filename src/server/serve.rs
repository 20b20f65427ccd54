//! HTTP on a listener: actix-web's own server, on [connections](Connection) whose clients
//! have a bounded time.

use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Protocol, Request};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, map_config,
};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::rt::net::TcpStream;

use super::connection::Connection;
use super::listener;

/// How long a client may take to send the head of a connection's first request. The heads of
/// later ones are bounded by the [`Connection`].
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is still read from after it was shut down. The kernel resets a closed
/// connection on which bytes arrive, and the client loses the last response.
const LINGER: Duration = Duration::from_secs(1);

/// The bounds of one server.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// The number of threads that serve.
    pub workers: usize,
    /// Connections held at once by all of them, rounded up to a multiple of the workers;
    /// further ones wait in the kernel.
    pub connections: usize,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
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
            // The connection has the timer.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.handover());
            })
            .local_addr(address)
            // The default configuration: nothing reads its host or address.
            .finish(map_config(app, |()| AppConfig::default()));
        apply_fn_factory(http, move |stream: TcpStream, http| {
            listener::configure(&stream, bounds.write_timeout);
            let client = stream.peer_addr().ok();
            let connection = Connection::new(stream, bounds.keep_alive);
            let handover = connection.handover();
            // Boxed, so that its memory is freed when what follows it has the stream.
            let http = Box::pin(http.call((connection, Protocol::Http1, client)));
            async move {
                let ended = http.await;
                handover.continued().await;
                ended
            }
        })
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use actix_http::ws;
    use actix_server::ServerHandle;
    use actix_web::web::{Payload, get};
    use std::net::SocketAddr;

    use actix_web::{App, HttpRequest, HttpResponse};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;
    use crate::server::handover::Handover;

    /// Longer than a test takes.
    const TIMEOUT: Duration = Duration::from_secs(60);

    /// Longer than the server needs to accept a connection and to respond.
    const SHORT: Duration = Duration::from_millis(300);

    /// More than the kernel buffers for a client that does not read.
    const LARGE: usize = 16 << 20;

    const UPGRADE: &str = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                           Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    /// Takes the stream over, and sends back every byte until the client has closed its side.
    /// Before, it waits, as a handler does for the database: meanwhile HTTP reads ahead.
    async fn echo(request: HttpRequest, payload: Payload) -> HttpResponse {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let handover = request.conn_data::<Handover>().unwrap();
        let body = handover.request(payload.into_inner(), |mut stream, early| {
            Box::pin(async move {
                let (mut incoming, mut outgoing) = stream.split();
                outgoing.write_all(&early).await.unwrap();
                tokio::io::copy(&mut incoming, &mut outgoing).await.unwrap();
            })
        });
        ws::handshake(request.head()).unwrap().message_body(body).unwrap().map_into_boxed_body().into()
    }

    async fn large() -> HttpResponse {
        HttpResponse::Ok().body(vec![b'x'; LARGE])
    }

    /// Starts a server that holds one connection at once, and connects to it.
    async fn connect() -> (TcpStream, SocketAddr, ServerHandle) {
        connect_with(TIMEOUT).await
    }

    async fn connect_with(keep_alive: Duration) -> (TcpStream, SocketAddr, ServerHandle) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let bounds = Bounds {
            workers: 1,
            connections: 1,
            keep_alive,
            write_timeout: TIMEOUT,
            shutdown_timeout: Duration::ZERO,
        };
        let app = || App::new().route("/echo", get().to(echo)).route("/large", get().to(large));
        let server = serve(listener, bounds, app).unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        (TcpStream::connect(address).await.unwrap(), address, handle)
    }

    /// Reads the head of a response.
    async fn head(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(TIMEOUT, stream.read_u8()).await.unwrap().unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// Checks that the next response is 101 and that exactly these bytes follow it.
    async fn is_echoed(stream: &mut TcpStream, expected: &[u8]) {
        assert!(head(stream).await.starts_with("HTTP/1.1 101 "));
        let mut echoed = vec![0; expected.len()];
        timeout(TIMEOUT, stream.read_exact(&mut echoed)).await.unwrap().unwrap();
        assert!(echoed == expected);
    }

    #[actix_web::test]
    async fn no_byte_is_lost_that_arrives_with_the_handshake_or_after_it() {
        // The last two exceed each of HTTP's buffers.
        for length in [0, 1, 10_000, 40_000, 1_000_000] {
            let (mut stream, _, server) = connect().await;
            let sent: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
            let (mut incoming, mut outgoing) = stream.split();
            let bytes = [UPGRADE.as_bytes(), &sent, b"end"].concat();
            let (sending, received) = tokio::join!(outgoing.write_all(&bytes), async {
                let mut received = vec![0; sent.len() + 3];
                while incoming.read_u8().await.unwrap() != b'\n' || !ends_head(&mut incoming).await {}
                timeout(TIMEOUT, incoming.read_exact(&mut received)).await.unwrap().unwrap();
                received
            });
            sending.unwrap();
            assert!(received == [&sent[..], b"end"].concat(), "{length}");
            stream.write_all(b"after").await.unwrap();
            let mut after = [0; 5];
            timeout(TIMEOUT, stream.read_exact(&mut after)).await.unwrap().unwrap();
            assert_eq!(&after, b"after");
            server.stop(false).await;
        }
    }

    /// Returns whether an empty line follows the end of a line.
    async fn ends_head(incoming: &mut (impl AsyncReadExt + Unpin)) -> bool {
        incoming.read_u8().await.unwrap() == b'\r' && incoming.read_u8().await.unwrap() == b'\n'
    }

    #[actix_web::test]
    async fn a_client_that_has_closed_its_side_gets_its_response() {
        let (mut stream, _, server) = connect().await;
        stream.write_all(format!("{UPGRADE}early").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        is_echoed(&mut stream, b"early").await;
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        server.stop(false).await;
    }

    #[actix_web::test]
    async fn the_stream_is_handed_over_after_earlier_responses_were_read() {
        let (mut stream, _, server) = connect().await;
        let requests = format!("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n{UPGRADE}early");
        stream.write_all(requests.as_bytes()).await.unwrap();
        // Meanwhile the kernel's buffers are full, and both responses wait in the dispatcher's.
        tokio::time::sleep(SHORT).await;
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 "));
        let mut body = vec![0; LARGE];
        timeout(TIMEOUT, stream.read_exact(&mut body)).await.unwrap().unwrap();
        assert!(body.iter().all(|byte| *byte == b'x'));
        is_echoed(&mut stream, b"early").await;
        server.stop(false).await;
    }

    #[actix_web::test]
    async fn an_idle_connection_is_closed_after_the_time_that_is_set() {
        let (mut stream, _, server) = connect_with(SHORT).await;
        stream.write_all(b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 404 "));
        assert_eq!(timeout(TIMEOUT, stream.read(&mut [0])).await.unwrap().unwrap(), 0, "it is closed");
        server.stop(false).await;
    }

    #[actix_web::test]
    async fn a_stream_that_was_handed_over_counts_as_a_connection() {
        let (mut stream, address, server) = connect().await;
        stream.write_all(UPGRADE.as_bytes()).await.unwrap();
        is_echoed(&mut stream, b"").await;
        let mut other = TcpStream::connect(address).await.unwrap();
        other.write_all(UPGRADE.as_bytes()).await.unwrap();
        assert!(timeout(SHORT, other.read_u8()).await.is_err(), "it waits in the kernel");
        drop(stream);
        is_echoed(&mut other, b"").await;
        server.stop(false).await;
    }
}
