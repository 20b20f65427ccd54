//! The demo is a page that shows two users side by side, built with the JavaScript client.
//! Its files are compiled into the binary.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Path;
use include_dir::{Dir, include_dir};

use crate::error::{Error, Result};

static PAGE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/demo");
static CLIENT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/clients/js/src");

/// The page loads only what this service serves. Its sockets may connect to any host, because
/// a user of the page may choose another instance.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self' ws: wss:; require-trusted-types-for 'script'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// `GET /demo`: redirects to the path from which the page's relative links work.
pub async fn redirect() -> HttpResponse {
    HttpResponse::MovedPermanently().insert_header((header::LOCATION, "/demo/")).finish()
}

/// `GET /demo/<file>`
///
/// # Errors
///
/// [`Error::unknown_path`] for a path that is not one of its files.
pub async fn file(path: Path<String>) -> Result<HttpResponse> {
    let path = if path.is_empty() { "index.html" } else { path.as_str() };
    let file = match path.strip_prefix("client/") {
        Some(path) => CLIENT.get_file(path),
        None => PAGE.get_file(path),
    };
    let contents = file.ok_or_else(Error::unknown_path)?.contents();
    Ok(HttpResponse::Ok()
        .content_type(media_type(path))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(contents))
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
