//! Security headers forbid browsers to guess a response's type, to frame, execute or cache
//! it, and to return without TLS.

use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::settings::Access;

const X_FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The headers of every response.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// The policy of a response that is not a page: a browser that renders it nevertheless loads
/// and executes nothing. A page sets its own policy.
const DEFAULT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// A year, which browsers' preload lists require. Subdomains are not included: they may be
/// other services.
const STRICT_TRANSPORT: &str = "max-age=31536000";

/// Adds the headers to a response.
pub fn add<B>(response: &mut ServiceResponse<B>, access: &Access) {
    let request = response.request();
    let is_api = request.path().starts_with("/api/");
    let is_secure = access.trusts_proxies() && used_tls(request.headers());
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    insert_default(headers, header::CONTENT_SECURITY_POLICY, DEFAULT_POLICY);
    if is_api {
        // Names, messages and tokens must not be readable for the next user of the browser.
        insert_default(headers, header::CACHE_CONTROL, "no-store");
    }
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT_TRANSPORT));
    }
}

fn insert_default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    if !headers.contains_key(&name) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Returns whether a proxy states that the client used TLS. A client that forges the header
/// gains nothing: browsers ignore the policy when it arrives without TLS.
fn used_tls(headers: &HeaderMap) -> bool {
    let protocol = headers.get(X_FORWARDED_PROTO).and_then(|value| value.to_str().ok());
    let last = protocol.and_then(|list| list.rsplit(',').next());
    last.is_some_and(|protocol| protocol.trim().eq_ignore_ascii_case("https"))
}
