//! CORS: the origins whose pages may read responses.
//!
//! The contract fixes each header, also where CORS libraries differ: the response to a
//! preflight is 200 for any path and any origin, and origins that are not allowed get the
//! same responses without the headers.

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::settings::Access;

/// The headers that scripts may send: those of the Django backend, those that the service itself
/// reads, and those that tracing libraries add to every request of a page.
const PREFLIGHT: [(HeaderName, &str); 3] = [
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "accept, authorization, baggage, content-type, idempotency-key, sentry-trace, traceparent, tracestate, \
         user-agent, x-csrftoken, x-request-id, x-requested-with",
    ),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "DELETE, GET, OPTIONS, PATCH, POST, PUT"),
    (header::ACCESS_CONTROL_MAX_AGE, "86400"),
];

/// Returns the origin of a request, if it is allowed.
pub fn allowed_origin(request: &ServiceRequest, access: &Access) -> Option<HeaderValue> {
    let origin = request.headers().get(header::ORIGIN)?;
    let text = origin.to_str().ok()?;
    access.origins.iter().any(|pattern| pattern.matches(text)).then(|| origin.clone())
}

/// Returns whether a request is a browser's preflight.
pub fn is_preflight(request: &ServiceRequest) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Returns the response to a preflight.
pub fn preflight(origin: Option<&HeaderValue>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if origin.is_some() {
        for (name, value) in PREFLIGHT {
            response.insert_header((name, value));
        }
    }
    response.finish()
}

/// The headers of a response that scripts may read: when to retry, where the next page of a
/// list is, at which number of the inbox it was read, and the id of the request. The Django
/// backend exposed none; exposing more breaks no script.
const EXPOSED: &str = "Link, Retry-After, X-Inbox-Seq, X-Request-Id";

/// Allows the origin to read the response.
pub fn add_headers(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        // Scripts never see the response to a preflight.
        if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_METHODS) {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
}
