//! `/api/events/`: what other services announce.

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Caller;
use super::commands;
use super::model::{Draft, RequestKey};
use crate::error::Result;
use crate::events::Events;
use crate::fields::RawFields;

/// `POST /api/events/`
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
