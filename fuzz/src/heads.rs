//! Request heads: queries, headers, and the socket's handshake.

use std::sync::LazyLock;

use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use numeneon::events::Seq;
use numeneon::fuzzing::{
    Handshake, PageRequest, Parameters, Settings, TraceParent, accepts_json, allowed_origin, bearer,
    is_known_host, sender,
};
use numeneon::settings::Access;

/// The default settings.
static DEFAULT: LazyLock<Access> = LazyLock::new(|| {
    let settings = Settings::from_lookup(&|name| (name == "SECRET_KEY").then(|| "a key".to_owned()));
    settings.expect("the defaults are valid").access
});

/// A query, as it is parsed by lists, `read_all` and the search.
pub fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parameters = Parameters::parse(text);
    if let Ok(page) = PageRequest::parse(&parameters) {
        assert!(page.limit.is_none_or(|limit| (1..=200).contains(&limit)));
        assert!(page.before.is_none_or(|before| before >= 0));
    }
    if let Ok(user) = sender(&parameters) {
        assert!(user.number() >= 0);
    }
}

/// The headers `Host`, `Origin`, `Accept` and `Authorization`, one on each line.
pub fn head(bytes: &[u8]) {
    let Some([host, origin, accept, authorization]) = crate::lines(bytes) else { return };
    let headers = [
        (header::HOST, host),
        (header::ORIGIN, origin),
        (header::ACCEPT, accept),
        (header::AUTHORIZATION, authorization),
    ];
    let Some(request) = request("/api/", headers) else { return };
    if is_known_host(&request, &DEFAULT) {
        let name = host.split(':').next().expect("a name").to_ascii_lowercase();
        assert!(is_allowed(&name, &["onrender.com", "vercel.app"]), "{host:?}");
    }
    if let Some(allowed) = allowed_origin(&request, &DEFAULT) {
        assert_eq!(allowed.as_bytes(), origin.as_bytes());
        // Parsed as a browser does, it is one of the allowed hosts. Browsers send only URLs.
        if let Ok(url) = url::Url::parse(origin) {
            let host = url.host_str().expect("a host");
            assert!(is_allowed(host, &["onrender.com", "vercel.app"]), "{origin:?}");
            assert_eq!((url.username(), url.path(), url.query()), ("", "/", None), "{origin:?}");
        }
    }
    accepts_json(&request);
    if let Ok(token) = bearer(&request) {
        assert!(!token.is_empty() && !token.contains([' ', '\t']), "{token:?}");
        assert!(authorization.trim_start().starts_with("Bearer") && authorization.contains(token));
    }
}

/// Whether a name is this machine, or one label below one of the parents.
fn is_allowed(name: &str, parents: &[&str]) -> bool {
    let below = |parent: &&str| {
        name.strip_suffix(parent).and_then(|rest| rest.strip_suffix('.')).is_some_and(|it| !it.contains('.'))
    };
    matches!(name, "localhost" | "127.0.0.1") || parents.iter().any(below)
}

/// A handshake: its query on the first line, its offered subprotocols on the second.
pub fn handshake(bytes: &[u8]) {
    let Some([query, offered]) = crate::lines(bytes) else { return };
    let headers = [(header::SEC_WEBSOCKET_PROTOCOL, offered)];
    let Some(request) = request(&format!("/ws/notifications/?{query}"), headers) else { return };
    let Ok(handshake) = Handshake::parse(request.request()) else { return };
    assert!(handshake.cursor.is_none_or(|cursor| (0..Seq::MAX).contains(&cursor)));
    assert!(handshake.credential.is_none_or(|credential| !credential.is_empty()));
    // A header with non-ASCII bytes offers no subprotocol.
    let versioned = offered.is_ascii() && offered.split(',').any(|it| it.trim() == "numeneon.v1");
    assert_eq!(handshake.is_versioned, versioned);
}

/// The header `traceparent`, which is forwarded to other instances and to a collector.
pub fn trace_parent(bytes: &[u8]) {
    let Some(parent) = std::str::from_utf8(bytes).ok().and_then(TraceParent::parse) else { return };
    assert!(parent.trace_id != 0 && parent.span_id != 0);
    let text = parent.to_string();
    assert_eq!(text.len(), TraceParent::LENGTH);
    assert_eq!(TraceParent::parse(&text), Some(parent));
    // All but the version and the flags is forwarded unchanged.
    assert_eq!(text.as_bytes().get(2..53), bytes.get(2..53));
}

/// Returns a request with these headers, or `None` if a server would reject it before
/// these parsers run.
fn request<const N: usize>(path: &str, headers: [(HeaderName, &str); N]) -> Option<ServiceRequest> {
    path.parse::<Uri>().ok()?;
    let mut request = TestRequest::with_uri(path);
    for (name, value) in headers {
        request = request.insert_header((name, HeaderValue::from_str(value).ok()?));
    }
    Some(request.to_srv_request())
}
