//! `/api/events/`: announcements of integrations.

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::announcements::Announcements;
use super::commands::Announce;
use super::integration::Integration;
use super::model::{AnnouncedBody, AnnouncementForm, AnnouncementRequest, IdempotencyKey};
use crate::error::Result;
use crate::request::fields::RawFields;
use crate::request::response::{Detail, FieldErrors, UnauthorizedBody};

/// Announces to users what happened in another service.
#[utoipa::path(
    post,
    path = "/api/events/",
    tag = "events",
    security(("service" = [])),
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[ -~]+$",
         description = "A repetition with the same key gets the same response and has no effect."),
    ),
    request_body = AnnouncementForm,
    responses(
        (status = 201, description = "It is stored.", body = AnnouncedBody, headers(("Idempotency-Replayed" = String, description = "`true` for a repetition."))),
        (status = 202, description = "It is delivered to whoever is connected, and not stored.", body = AnnouncedBody, headers(("Idempotency-Replayed" = String, description = "`true` for a repetition."))),
        (status = 400, description = "What is wrong with each field.", body = FieldErrors),
        (status = 401, description = "The key is missing or not valid.", body = UnauthorizedBody),
        (status = 422, description = "The idempotency key was used for something else.", body = Detail),
    ),
)]
pub async fn announce(
    integration: Integration,
    request: HttpRequest,
    body: RawFields,
    announcements: Data<Announcements>,
) -> Result<HttpResponse> {
    let (key, request) = (idempotency_key(&request)?, AnnouncementRequest::parse(&body)?);
    let status = if request.durable { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    let outcome = announcements.announce(Announce { integration, key, request }).await?;
    let mut response = HttpResponse::build(status);
    if outcome.replayed {
        response.insert_header(("idempotency-replayed", "true"));
    }
    Ok(response.content_type(ContentType::json()).body(outcome.body))
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<IdempotencyKey>> {
    let mut values = request.headers().get_all("idempotency-key");
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => IdempotencyKey::parse(one.as_bytes()).map(Some),
        _ => Err(IdempotencyKey::invalid()),
    }
}
