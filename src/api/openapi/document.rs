//! `/api/schema/`: the description as a document.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data};
use utoipa::openapi::OpenApi;

/// The path of the document, which the [page](super::page) loads.
pub const PATH: &str = "/api/schema/";

/// The serialized description. It is the same for as long as the process lives.
pub struct Document(Bytes);

impl Document {
    /// Serializes a description.
    ///
    /// # Errors
    ///
    /// If it cannot be written as JSON.
    pub fn new(description: &OpenApi) -> serde_json::Result<Self> {
        serde_json::to_vec(description).map(|json| Self(json.into()))
    }
}

/// Returns this description.
#[utoipa::path(
    get,
    path = PATH,
    tag = "openapi",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value)),
)]
pub async fn document(document: Data<Document>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(document.0.clone())
}
