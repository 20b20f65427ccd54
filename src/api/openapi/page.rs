//! The page for trying out the API: Swagger UI, whose files are compiled into the binary.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Bytes, Path};
use utoipa_swagger_ui::Config;

use super::document;
use crate::error::{Error, Result};

/// The page loads only what this service serves, and sends requests to no other host.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How long browsers cache the large files, which change only with a release.
const CACHED: &str = "public, max-age=3600";

/// The files that refer to the others, which browsers revalidate each time.
const REVALIDATED: [&str; 3] = ["", "index.html", "swagger-initializer.js"];

/// The page's options. It does not store what is entered, tokens included.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::new([document::PATH])
        .use_base_layout()
        .try_it_out_enabled(true)
        .display_request_duration(true)
        .default_models_expand_depth(-1)
        .doc_expansion("list")
        .filter(true)
        .validator_url("none");
    Arc::new(config)
});

/// `GET /api/docs`: redirects to the path from which the page's relative links work.
pub async fn redirect() -> HttpResponse {
    HttpResponse::MovedPermanently().insert_header((header::LOCATION, "/api/docs/")).finish()
}

/// `GET /api/docs/<file>`
///
/// # Errors
///
/// [`Error::unknown_path`] for a path that is not one of its files.
pub async fn file(path: Path<String>) -> Result<HttpResponse> {
    let file = utoipa_swagger_ui::serve(&path, CONFIG.clone());
    let file = file.map_err(|error| Error::internal(error.to_string()))?.ok_or_else(Error::unknown_path)?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(file.content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((
            header::CACHE_CONTROL,
            if REVALIDATED.contains(&path.as_str()) { "no-cache" } else { CACHED },
        ));
    if file.gzpipped {
        // `Accept-Encoding` is not checked: every browser accepts gzip, and the page is for
        // browsers.
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(response.body(match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    }))
}
