//! The middleware is what every request passes first and every response last. It checks the
//! host and the media types that the client accepts, responds to preflights, adds the headers
//! that all responses have, and records a log line, metrics and a span for each request.

use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpResponse, ResponseError};
use tracing::field::display;

use super::state::State;
use super::{cors, security_headers};
use crate::auth::Viewer;
use crate::error::{Error, Kind};
use crate::request::client_address::ClientAddress;
use crate::settings::Access;
use crate::telemetry::{RequestId, RequestLabels, RouteLabels, Span, TraceParent};

/// The request's id, as a proxy or the client sent it, and in the response.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Cloudflare's name for a request's id, used where `X-Request-Id` is missing.
const CF_RAY: HeaderName = HeaderName::from_static("cf-ray");
/// The span of a proxy or a client that is the parent of the request's own.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Handles a request: refuses it, or calls the next service and completes its response.
///
/// # Errors
///
/// Only those of the next service: a refusal is a response.
pub async fn handle<B: MessageBody>(
    state: &State,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    let id = request_id(&request);
    let span = span(&request, &id);
    let response = Span::within(span.parent(), respond(state, request, next, id.clone(), span));
    id.scope(response).await
}

async fn respond<B: MessageBody>(
    state: &State,
    request: ServiceRequest,
    next: Next<B>,
    id: RequestId,
    span: Span,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    let started = Instant::now();
    let origin = cors::allowed_origin(&request, &state.access);
    let is_api = request.path().starts_with("/api/") && !cors::is_preflight(&request);
    let mut response = match refusal(&request, &state.access, origin.as_ref()) {
        Some(refusal) => request.into_response(refusal).map_into_right_body(),
        None => next.call(request).await?.map_into_left_body(),
    };
    add_headers(&mut response, state, origin, is_api);
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    record(&response, state, started, span);
    Ok(response)
}

/// Returns the id that a proxy or the client sent with the request, or a new one.
fn request_id(request: &ServiceRequest) -> RequestId {
    let given = |name| request.headers().get(name)?.to_str().ok().and_then(RequestId::parse);
    given(REQUEST_ID).or_else(|| given(CF_RAY)).unwrap_or_else(RequestId::random)
}

/// Begins the span of a request. A health check has none.
fn span(request: &ServiceRequest, id: &RequestId) -> Span {
    if is_health_check(request.path()) {
        return Span::none();
    }
    Span::of_request(id, || request.headers().get(TRACE_PARENT)?.to_str().ok().and_then(TraceParent::parse))
}

/// Returns the response to a request that is not passed to a handler.
fn refusal(request: &ServiceRequest, access: &Access, origin: Option<&HeaderValue>) -> Option<HttpResponse> {
    if cors::is_preflight(request) {
        return Some(cors::preflight(origin));
    }
    if !is_health_check(request.path()) && !is_known_host(request, access) {
        let error = Error::Malformed(Kind::Invalid, "Host not allowed.".into());
        return Some(error.error_response());
    }
    if request.path().starts_with("/api/") && !accepts_json(request) {
        let text = "Could not satisfy the request Accept header.";
        return Some(Error::Malformed(Kind::NotAcceptable, text.into()).error_response());
    }
    None
}

/// Returns whether `Host` is one of the service's.
pub fn is_known_host(request: &ServiceRequest, access: &Access) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    access.hosts.iter().any(|pattern| pattern.matches(name))
}

/// Returns whether the client accepts JSON. Requests for HTML, as browsers send them when
/// they navigate to a URL, get JSON too.
pub fn accepts_json(request: &ServiceRequest) -> bool {
    let mut ranges = request
        .headers()
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .map(|range| range.trim().to_ascii_lowercase())
        .filter(|range| !range.is_empty())
        .peekable();
    ranges.peek().is_none()
        || ranges.any(|range| {
            matches!(range.as_str(), "*/*" | "application/*" | "application/json" | "text/html" | "text/*")
        })
}

fn add_headers<B>(
    response: &mut ServiceResponse<B>,
    state: &State,
    origin: Option<HeaderValue>,
    is_api: bool,
) {
    if state.health.is_stopping() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // So that the client sends its next request to another instance.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    security_headers::add(response, &state.access);
    let headers = response.headers_mut();
    let vary = if is_api { "Accept, origin" } else { "origin" };
    headers.insert(header::VARY, HeaderValue::from_static(vary));
    cors::add_headers(headers, origin);
}

/// Counts a request, logs it and ends its span. None of them has its path or query, which
/// may contain a username or a token.
///
/// The line has the client's address where it shows who attacks: for refused requests, and whatever
/// issues or revokes tokens.
fn record<B>(response: &ServiceResponse<B>, state: &State, started: Instant, span: Span) {
    let (metrics, access) = (&state.metrics, &state.access);
    let (request, elapsed, status) = (response.request(), started.elapsed(), response.status().as_u16());
    let route = request.match_pattern().unwrap_or_else(|| "unknown".to_owned());
    let method = known_method(request.method());
    let user = request.extensions().get::<Viewer>().map(|viewer| viewer.id);
    let (user, duration_ms) = (user.map(display), elapsed.as_micros() as f64 / 1e3);
    if is_health_check(request.path()) {
        tracing::debug!(method, route, status, duration_ms, "request");
    } else {
        let is_relevant = route.starts_with("/api/auth/") || matches!(status, 401 | 403 | 429);
        let address = is_relevant.then(|| display(ClientAddress::of(request, access).ip()));
        tracing::info!(
            method,
            route,
            status,
            duration_ms,
            user.id = user,
            client.address = address,
            "request"
        );
    }
    span.responded(method, &route, status);
    let labels = RouteLabels { route: route.clone(), method };
    metrics.request_seconds.get_or_create(&labels).observe(elapsed.as_secs_f64());
    metrics.requests.get_or_create(&RequestLabels { route, method, status }).inc();
}

/// Returns the method for logs and metrics. A client may send any token as a method, so
/// others than these are one label.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
    ];
    const NAMES: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let known = KNOWN.iter().position(|known| known == method);
    known.and_then(|place| NAMES.get(place)).copied().unwrap_or("other")
}

/// Returns whether a path is a health check, which load balancers request every few
/// seconds.
pub fn is_health_check(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}
