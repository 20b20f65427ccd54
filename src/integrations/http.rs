//! `/api/events/`: announcements of integrations.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;

use super::announcements::Announcements;
use super::commands::Announce;
use super::integration::Integration;
use super::model::{AnnouncedBody, AnnouncementForm, AnnouncementRequest};
use crate::error::Result;
use crate::idempotency::{IdempotencyKey, IdempotencyKeyHeader, Requester};
use crate::request::fields::RawFields;
use crate::request::response::{Detail, FieldErrors, UnauthorizedBody};

/// Announces to users what happened in another service.
#[utoipa::path(
    post,
    path = "/api/events/",
    tag = "events",
    security(("service" = [])),
    params(IdempotencyKeyHeader),
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
    key: IdempotencyKey,
    body: RawFields,
    announcements: Data<Announcements>,
) -> Result<HttpResponse> {
    let request = AnnouncementRequest::parse(&body)?;
    let key = key.of(&Requester::Integration(integration.name()), &request.parts())?;
    let status = if request.durable { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    Ok(announcements.announce(Announce { key, request }).await?.respond(status))
}
