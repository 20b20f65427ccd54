//! The edge is what every request passes first and every answer last: the host, CORS,
//! what the client accepts, the request's id, the headers that all answers have, and
//! what is told of each.

use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpResponse, ResponseError};
use tracing::field::display;

use crate::accounts::Viewer;
use crate::error::{Error, Kind};
use crate::health::Health;
use crate::settings::{Access, Settings};
use crate::telemetry::{Metrics, RequestId, RequestLabels, RouteLabels, Span, TraceParent};
use crate::{browser_headers, cors};

/// The request's id: taken in from a proxy or a client, and answered.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Cloudflare's name for a request, taken in where there is no other.
const CF_RAY: HeaderName = HeaderName::from_static("cf-ray");
/// The span of a proxy or a client that causes the request, taken in for its trace.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// What requests and answers pass.
///
/// # Errors
///
/// None of its own: a refusal is an answer.
pub async fn pass<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    let id = request_id(&request);
    let span = span(&request, &id);
    let answer = Span::within(span.parent(), answer(request, next, id.clone(), span));
    id.scope(answer).await
}

async fn answer<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
    id: RequestId,
    span: Span,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    let started = Instant::now();
    let settings = request.app_data::<Data<Settings>>().cloned();
    let origin = settings.as_ref().and_then(|settings| cors::allowed_origin(&request, &settings.access));
    let is_api = request.path().starts_with("/api/") && !cors::is_preflight(&request);
    let mut response = match settings.and_then(|settings| refusal(&request, &settings, origin.as_ref())) {
        Some(answer) => request.into_response(answer).map_into_right_body(),
        None => next.call(request).await?.map_into_left_body(),
    };
    finish(&mut response, origin, is_api);
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    tell(&response, started, span);
    Ok(response)
}

/// Returns the id that a proxy or the client gave the request, or a new one.
fn request_id(request: &ServiceRequest) -> RequestId {
    let given = |name| request.headers().get(name)?.to_str().ok().and_then(RequestId::parse);
    given(REQUEST_ID).or_else(|| given(CF_RAY)).unwrap_or_else(RequestId::make)
}

/// Begins the span of a request. What watches the process is not worth one.
fn span(request: &ServiceRequest, id: &RequestId) -> Span {
    if is_probe(request.path()) {
        return Span::none();
    }
    Span::of_request(id, || request.headers().get(TRACE_PARENT)?.to_str().ok().and_then(TraceParent::parse))
}

/// Returns the answer to a request that goes no further.
fn refusal(
    request: &ServiceRequest,
    settings: &Settings,
    origin: Option<&HeaderValue>,
) -> Option<HttpResponse> {
    if cors::is_preflight(request) {
        return Some(cors::preflight(origin));
    }
    if !is_probe(request.path()) && !is_known_host(request, &settings.access) {
        let error = Error::Unfit(Kind::Invalid, "Host not allowed.".into());
        return Some(error.error_response());
    }
    if request.path().starts_with("/api/") && !takes_json(request) {
        let text = "Could not satisfy the request Accept header.";
        return Some(Error::Unfit(Kind::NotAcceptable, text.into()).error_response());
    }
    None
}

/// Whether the request names a host under which the service answers.
pub fn is_known_host(request: &ServiceRequest, access: &Access) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    access.hosts.iter().any(|pattern| pattern.matches(name))
}

/// Whether the client takes JSON. Browsers that ask for a page get it too.
pub fn takes_json(request: &ServiceRequest) -> bool {
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

fn finish<B>(response: &mut ServiceResponse<B>, origin: Option<HeaderValue>, is_api: bool) {
    let stopping = response.request().app_data::<Data<Health>>().is_some_and(|health| health.is_stopping());
    if stopping && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // The next request on this connection belongs to another instance.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    browser_headers::add(response);
    let headers = response.headers_mut();
    let vary = if is_api { "Accept, origin" } else { "origin" };
    headers.insert(header::VARY, HeaderValue::from_static(vary));
    cors::mark(headers, origin);
}

/// Counts a request, logs it and ends its span. No path and no query is told: they may
/// hold a name or a token.
fn tell<B>(response: &ServiceResponse<B>, started: Instant, span: Span) {
    let (request, took, status) = (response.request(), started.elapsed(), response.status().as_u16());
    let route = request.match_pattern().unwrap_or_else(|| "unknown".to_owned());
    let method = known_method(request.method());
    let user = request.extensions().get::<Viewer>().map(|viewer| viewer.id);
    let (user, duration_ms) = (user.map(display), took.as_micros() as f64 / 1e3);
    if is_probe(request.path()) {
        tracing::debug!(method, route, status, duration_ms, "request");
    } else {
        tracing::info!(method, route, status, duration_ms, user.id = user, "request");
    }
    span.answered(method, &route, status);
    let Some(metrics) = request.app_data::<Data<Metrics>>() else { return };
    let labels = RouteLabels { route: route.clone(), method };
    metrics.request_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    metrics.requests.get_or_create(&RequestLabels { route, method, status }).inc();
}

/// Anybody may send any word for a method; metrics and logs know these.
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

/// Whether a path is asked every few seconds by whatever watches the process.
fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}
