//! `/api/messages/`: messages, conversations, and what was read.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::commands;
use super::model::Draft;
use super::queries::{self, Of, Page};
use crate::accounts::Viewer;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::events::{Brief, Events};
use crate::fields::{Body, Parameters};
use crate::ids::{MessageId, UserId};
use crate::paging::{self, Part};
use crate::settings::Requests;

/// Messages in a page for which only `before` was given.
const PAGE: i64 = 50;

/// `POST /api/messages/`
pub async fn send(
    viewer: Viewer,
    body: Body,
    bounds: Data<Requests>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let draft = Draft::parse(&body.into_fields()?, bounds.max_message_characters)?;
    let sender = brief(&viewer);
    let message = events.commit(move |unit| commands::send(unit, sender, draft)).await?;
    Ok(HttpResponse::Created().json(message))
}

/// `GET /api/messages/`
pub async fn all(
    viewer: Viewer,
    parameters: Parameters,
    request: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse> {
    list(&request, &parameters, &db, Of::User(viewer.id)).await
}

/// `GET conversation/<user>/`
pub async fn conversation(
    viewer: Viewer,
    user: Path<String>,
    parameters: Parameters,
    request: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse> {
    list(&request, &parameters, &db, Of::Two(viewer.id, UserId::from_digits(&user))).await
}

async fn list(request: &HttpRequest, parameters: &Parameters, db: &Db, of: Of) -> Result<HttpResponse> {
    let part = Part::parse(parameters)?;
    if part.limit.is_none() && part.before.is_none() {
        let messages = db.read(move |conn| Ok(queries::list(conn, of, None)?)).await?;
        return Ok(HttpResponse::Ok().json(messages));
    }
    let limit = part.limit.unwrap_or(PAGE);
    // One more than asked for tells whether there is a next page.
    let page = Page { limit: limit + 1, before: part.before.map(MessageId::new) };
    let mut messages = db.read(move |conn| Ok(queries::list(conn, of, Some(page))?)).await?;
    let is_more = i64::try_from(messages.len()).is_ok_and(|count| count > limit);
    if is_more {
        messages.remove(0);
    }
    let next = messages.first().filter(|_| is_more).map(|oldest| oldest.id.number());
    Ok(paging::answer(request, &messages, limit, next))
}

/// `GET conversations/`
pub async fn conversations(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    let user = brief(&viewer);
    Ok(HttpResponse::Ok().json(db.read(move |conn| Ok(queries::conversations(conn, &user)?)).await?))
}

/// `POST read_all/?user_id=`
pub async fn read_all(viewer: Viewer, parameters: Parameters, events: Data<Events>) -> Result<HttpResponse> {
    let given = parameters.value("user_id").unwrap_or_default();
    if given.is_empty() {
        return Err(Error::rule("user_id query parameter required"));
    }
    if !given.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::rule("user_id must be a number"));
    }
    mark_all_read(&viewer, UserId::from_digits(given), &events).await
}

/// `POST conversation/<user>/read/`
pub async fn read_conversation(
    viewer: Viewer,
    user: Path<String>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    mark_all_read(&viewer, UserId::from_digits(&user), &events).await
}

async fn mark_all_read(viewer: &Viewer, sender: UserId, events: &Events) -> Result<HttpResponse> {
    let reader = viewer.id;
    let marked = events.commit(move |unit| commands::mark_all_read(unit, reader, sender)).await?;
    Ok(HttpResponse::Ok().json(json!({ "marked_read": marked })))
}

/// `PATCH <id>/read/`
pub async fn read_one(viewer: Viewer, message: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (reader, id) = (viewer.id, MessageId::from_digits(&message));
    let message = events.commit(move |unit| commands::mark_read(unit, reader, id)).await?;
    Ok(HttpResponse::Ok().json(message))
}

fn brief(viewer: &Viewer) -> Brief {
    Brief { id: viewer.id, username: viewer.username.clone() }
}
