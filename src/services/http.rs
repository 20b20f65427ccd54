//! `/api/events/`: what other services announce.

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Caller;
use super::commands;
use super::model::{AnnouncementForm, Answer, Draft, RequestKey};
use crate::error::Result;
use crate::error::body::{Detail, FieldErrors, NoEntry};
use crate::events::Events;
use crate::fields::RawFields;

/// Tells people what happened in another service.
#[utoipa::path(
    post,
    path = "/api/events/",
    tag = "events",
    security(("service" = [])),
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[ -~]+$",
         description = "Asked again with the same key, the same is answered and nothing is done."),
    ),
    request_body = AnnouncementForm,
    responses(
        (status = 201, description = "It is kept.", body = Answer, headers(("Idempotency-Replayed" = String, description = "`true` if it was done before."))),
        (status = 202, description = "It is on its way to whoever is there, and not kept.", body = Answer, headers(("Idempotency-Replayed" = String, description = "`true` if it was done before."))),
        (status = 400, description = "What is wrong with each field.", body = FieldErrors),
        (status = 401, description = "The key is missing or no service's.", body = NoEntry),
        (status = 422, description = "The idempotency key was used for something else.", body = Detail),
    ),
)]
pub async fn announce(
    caller: Caller,
    request: HttpRequest,
    body: RawFields,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let (key, draft) = (request_key(&request)?, Draft::parse(&body)?);
    // What is not kept is only taken on: nobody need be there to hear it.
    let status = if draft.durable { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    let outcome = events.commit(move |unit| commands::announce(unit, &caller, key.as_ref(), draft)).await?;
    let mut answer = HttpResponse::build(status);
    if outcome.replayed {
        answer.insert_header(("idempotency-replayed", "true"));
    }
    Ok(answer.content_type(ContentType::json()).body(outcome.answer))
}

fn request_key(request: &HttpRequest) -> Result<Option<RequestKey>> {
    let mut given = request.headers().get_all("idempotency-key");
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => RequestKey::parse(one.as_bytes()).map(Some),
        _ => Err(RequestKey::wrong()),
    }
}
