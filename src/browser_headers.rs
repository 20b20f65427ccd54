//! Browser headers tell a browser what it must not do with an answer: guess its type,
//! frame it, run it, keep it, or come back without TLS.

use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Data;

use crate::settings::Settings;

const X_FORWARDED_PROTO: &str = "x-forwarded-proto";

/// What every answer has.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// What an answer has that is no page: should a browser take one for a page all the same,
/// it loads nothing and runs nothing. A page has a policy of its own.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";

/// A year, which is what lists of sites with TLS ask for. Subdomains are others' to decide.
const WITH_TLS_ONLY: &str = "max-age=31536000";

/// Adds the headers to an answer.
pub fn add<B>(response: &mut ServiceResponse<B>) {
    let request = response.request();
    let is_api = request.path().starts_with("/api/");
    let settings = request.app_data::<Data<Settings>>();
    let is_secure = settings
        .is_some_and(|settings| settings.access.trusted_proxies > 0 && came_with_tls(request.headers()));
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    or_else(headers, header::CONTENT_SECURITY_POLICY, NO_PAGE);
    if is_api {
        // People, messages, tokens: none is for the next one at the same machine.
        or_else(headers, header::CACHE_CONTROL, "no-store");
    }
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(WITH_TLS_ONLY));
    }
}

fn or_else(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    if !headers.contains_key(&name) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Whether a proxy says that the client came with TLS. A client that says so itself, past
/// a proxy that passes it on, gains nothing: without TLS a browser does not look at what
/// it is answered for it.
fn came_with_tls(headers: &HeaderMap) -> bool {
    let protocol = headers.get(X_FORWARDED_PROTO).and_then(|value| value.to_str().ok());
    let last = protocol.and_then(|list| list.rsplit(',').next());
    last.is_some_and(|protocol| protocol.trim().eq_ignore_ascii_case("https"))
}
