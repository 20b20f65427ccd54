//! [`Once`] is the outcome of a request that may have been done before.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use serde::Serialize;

use crate::error::{Error, Result};

/// The outcome of a request that may have been done before.
#[derive(Clone, Debug)]
pub struct Once {
    /// The body of the response, as JSON text.
    pub body: String,
    /// Whether an earlier request with the same key has done it.
    pub replayed: bool,
}

impl Once {
    /// Returns the outcome of a request that was done now.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the body cannot be serialized, which it can.
    pub fn done(body: &impl Serialize) -> Result<Self> {
        Ok(Self { body: serde_json::to_string(body).map_err(Error::internal)?, replayed: false })
    }

    /// Returns the response. That to a repetition says so in `Idempotency-Replayed`.
    pub fn respond(self, status: StatusCode) -> HttpResponse {
        let mut response = HttpResponse::build(status);
        if self.replayed {
            response.insert_header(("idempotency-replayed", "true"));
        }
        response.content_type(ContentType::json()).body(self.body)
    }
}
