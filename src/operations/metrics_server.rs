//! The metrics server is a port of its own for monitoring: `/metrics` and the health checks.
//! Clients of the main port cannot reach it.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse};
use secrecy::{ExposeSecret, SecretString};

use super::health::{self, Health};
use crate::error::{BoxError, Error, Result, Unauthenticated};
use crate::server::{self, Bounds, listener};
use crate::telemetry::Metrics;
use crate::{secret, settings};

/// Connections held at once: a handful of servers that scrape.
const MAX_CONNECTIONS: usize = 64;

/// How long an idle connection is kept: longer than the minute for which servers that scrape
/// commonly wait in between.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a client may read nothing of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long requests have to finish when this server stops: it does not wait for them.
const SHUTDOWN_TIMEOUT: Duration = Duration::ZERO;

/// What the handlers work with.
struct MetricsServer {
    health: Health,
    metrics: Metrics,
    token: Option<SecretString>,
}

/// Listens on the address of the settings, if they name one. Returns the server to run and
/// the address that it listens on.
///
/// # Errors
///
/// One line that names the setting, if the address is taken.
pub fn serve(
    settings: &settings::Telemetry,
    health: &Health,
    metrics: &Metrics,
) -> std::result::Result<Option<(Server, SocketAddr)>, BoxError> {
    let Some(address) = settings.metrics_address else { return Ok(None) };
    let listener = listener::bind_address(address, "METRICS_ADDRESS")?;
    let address = listener.local_addr()?;
    let (health, token) = (health.clone(), settings.metrics_token.clone());
    let server_state = Data::new(MetricsServer { health: health.clone(), metrics: metrics.clone(), token });
    let health = Data::new(health);
    let bounds = Bounds {
        workers: 1,
        connections: MAX_CONNECTIONS,
        keep_alive: KEEP_ALIVE,
        write_timeout: WRITE_TIMEOUT,
        shutdown_timeout: SHUTDOWN_TIMEOUT,
    };
    let server = server::serve(listener, bounds, move || {
        App::new()
            .app_data(server_state.clone())
            .app_data(health.clone())
            .route("/metrics", web::get().to(serve_metrics))
            .route("/metrics", web::head().to(serve_metrics))
            .route("/healthz", web::get().to(health::alive))
            .route("/healthz", web::head().to(health::alive))
            .route("/readyz", web::get().to(health::ready))
            .route("/readyz", web::head().to(health::ready))
            .default_service(web::to(unknown))
    })?;
    Ok(Some((server, address)))
}

/// `GET` and `HEAD /metrics`, which requires the token if one is set.
async fn serve_metrics(request: HttpRequest, server_state: Data<MetricsServer>) -> Result<HttpResponse> {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if let Some(token) = &server_state.token
        && !secret::same(token.expose_secret().as_bytes(), given.as_bytes())
    {
        let detail = "Authentication credentials were not provided.";
        return Err(Error::Unauthenticated(Unauthenticated { detail, code: None, access_token: None }));
    }
    server_state.health.update_gauges(&server_state.metrics);
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(server_state.metrics.text()))
}

async fn unknown() -> Result<HttpResponse> {
    Err(Error::unknown_path())
}
