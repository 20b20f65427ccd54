//! The monitor is a port of its own for those who watch an instance: `/metrics`, and the
//! two questions of health. What stands in front of the main port never reaches it.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse};
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Cause, Error, Result, Unauthenticated};
use crate::health::{self, Health};
use crate::server::{self, Bounds};
use crate::telemetry::Metrics;
use crate::{listener, secret, settings};

/// Connections held at once: a handful of servers that scrape.
const MOST_CONNECTIONS: usize = 64;

/// How long whoever scrapes may take nothing of an answer.
const STALL: Duration = Duration::from_secs(10);

/// How long answers have to finish: this server is stopped without waiting for them.
const FINISH: Duration = Duration::ZERO;

/// What the monitor answers from.
struct Monitor {
    health: Health,
    metrics: Metrics,
    token: Option<SecretString>,
}

/// Listens on the address of the settings, if they name one, and returns what is to be
/// run and where it listens.
///
/// # Errors
///
/// One line that names the setting, if the address is taken.
pub fn serve(
    settings: &settings::Telemetry,
    health: &Health,
    metrics: &Metrics,
) -> std::result::Result<Option<(Server, SocketAddr)>, Cause> {
    let Some(address) = settings.metrics_address else { return Ok(None) };
    let listener = listener::bind_address(address, "METRICS_ADDRESS")?;
    let address = listener.local_addr()?;
    let (health, token) = (health.clone(), settings.metrics_token.clone());
    let monitor = Data::new(Monitor { health: health.clone(), metrics: metrics.clone(), token });
    let health = Data::new(health);
    let bounds = Bounds { workers: 1, connections: MOST_CONNECTIONS, stall: STALL, finish: FINISH };
    let server = server::serve(listener, bounds, move || {
        App::new()
            .app_data(monitor.clone())
            .app_data(health.clone())
            .route("/metrics", web::get().to(answer))
            .route("/healthz", web::get().to(health::alive))
            .route("/readyz", web::get().to(health::ready))
            .default_service(web::to(unknown))
    })?;
    Ok(Some((server, address)))
}

/// `GET /metrics`, for whoever has the token, if one is asked for.
async fn answer(request: HttpRequest, monitor: Data<Monitor>) -> Result<HttpResponse> {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if let Some(token) = &monitor.token
        && !secret::same(token.expose_secret().as_bytes(), given.as_bytes())
    {
        let detail = "Authentication credentials were not provided.";
        return Err(Error::Unauthenticated(Unauthenticated { detail, code: None, access_token: None }));
    }
    monitor.health.measure(&monitor.metrics);
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(monitor.metrics.text()))
}

async fn unknown() -> Result<HttpResponse> {
    Err(Error::unknown_path())
}
