//! The page to try the API with: Swagger UI, whose files are part of the binary.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Bytes, Path};
use utoipa_swagger_ui::Config;

use crate::error::{Error, Result};

/// Nothing but what this service itself serves, and no question to anybody else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// For how long browsers keep the large files: they change with the service only.
const KEPT: &str = "public, max-age=3600";

/// Those that name the others are asked for anew.
const NAMING: [&str; 3] = ["", "index.html", "swagger-initializer.js"];

/// Shows every operation at a glance. What is typed in, tokens with it, is gone with the page.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::new(["/api/schema/"])
        .use_base_layout()
        .try_it_out_enabled(true)
        .display_request_duration(true)
        .default_models_expand_depth(-1)
        .doc_expansion("list")
        .filter(true)
        .validator_url("none");
    Arc::new(config)
});

/// `GET /api/docs`: to where the page's own relative links work.
pub async fn moved() -> HttpResponse {
    HttpResponse::MovedPermanently().insert_header((header::LOCATION, "/api/docs/")).finish()
}

/// `GET /api/docs/<file>`
///
/// # Errors
///
/// 404 for what is no file of the page.
pub async fn file(path: Path<String>) -> Result<HttpResponse> {
    let file = utoipa_swagger_ui::serve(&path, CONFIG.clone());
    let file = file.map_err(|error| Error::internal(error.to_string()))?.ok_or_else(Error::unknown_path)?;
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(file.content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((
            header::CACHE_CONTROL,
            if NAMING.contains(&path.as_str()) { "no-cache" } else { KEPT },
        ));
    if file.gzpipped {
        // Every browser takes it, and nobody else has a use for the page.
        answer.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(answer.body(match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    }))
}
