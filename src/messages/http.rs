//! `/api/messages/`: messages, conversations, and what was read.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::commands::{self, Send};
use super::model::{Draft, Message, MessageForm};
use super::queries::{self, Conversation, Filter, Page};
use crate::auth::Viewer;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::events::{BatchCommitter, Events, Listing, UserSummary};
use crate::idempotency::{IdempotencyKey, IdempotencyKeyHeader, Once, Requester};
use crate::ids::{MessageId, UserId};
use crate::limits::Limits;
use crate::request::body::Body;
use crate::request::fields::Parameters;
use crate::request::paging::{self, PageRequest};
use crate::request::response::{Detail, FieldErrors, Rejection};
use crate::settings::Requests;

/// Messages in a page for which only `before` was given.
const PAGE: i64 = 50;

/// How many messages were marked.
#[derive(Serialize, ToSchema)]
struct MarkedRead {
    marked_read: usize,
}

/// Sends a message; its receiver is notified.
#[utoipa::path(
    post,
    path = "/api/messages/",
    tag = "messages",
    params(IdempotencyKeyHeader),
    request_body = MessageForm,
    responses(
        (status = 201, description = "The message.", body = Message, headers(("Idempotency-Replayed" = String, description = "`true` for a repetition."))),
        (status = 400, description = "Fields are wrong, or there is no such receiver.", body = FieldErrors),
        (status = 422, description = "The idempotency key was used for something else.", body = Detail),
        (status = 429, description = "The viewer sends too many.", body = Detail),
    ),
)]
pub async fn send(
    viewer: Viewer,
    key: IdempotencyKey,
    body: Body,
    bounds: Data<Requests>,
    limits: Data<Limits>,
    committer: Data<BatchCommitter<Send>>,
) -> Result<HttpResponse> {
    let draft = Draft::parse(&body.into_fields()?, bounds.max_message_characters)?;
    let key =
        key.of(&Requester::User(viewer.id), &("message", draft.receiver, &draft.content, &draft.story))?;
    limits.message(viewer.id).await?;
    let sent = committer.commit(Send { sender: summary(&viewer), draft, key }).await?;
    Ok(Once { replayed: sent.replayed, ..Once::done(&sent.message)? }.respond(StatusCode::CREATED))
}

/// Returns the messages that the viewer sent and received: all, or a page.
///
/// A page is counted from the newest backwards; within it the oldest is first.
#[utoipa::path(
    method(get, head),
    path = "/api/messages/",
    tag = "messages",
    params(PageRequest),
    responses(
        (
            status = 200,
            description = "Messages, oldest first.",
            body = Vec<Message>,
            headers(
                ("X-Inbox-Seq" = i64, description = "The last number of the viewer's inbox when it was read."),
                ("Link" = String, description = "The next page, as `<…>; rel=\"next\"`, if there is one."),
            ),
        ),
        (status = 400, description = "Parameters are wrong.", body = FieldErrors),
    ),
)]
pub async fn all(
    viewer: Viewer,
    parameters: Parameters,
    request: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse> {
    list(&request, &parameters, &db, viewer.id, Filter::User(viewer.id)).await
}

/// Returns the messages between the viewer and another user: all, or a page.
///
/// It marks nothing as read.
#[utoipa::path(
    method(get, head),
    path = "/api/messages/conversation/{user}/",
    tag = "messages",
    params(("user" = u64, Path, description = "The other user's id."), PageRequest),
    responses(
        (
            status = 200,
            description = "Messages, oldest first.",
            body = Vec<Message>,
            headers(
                ("X-Inbox-Seq" = i64, description = "The last number of the viewer's inbox when it was read."),
                ("Link" = String, description = "The next page, as `<…>; rel=\"next\"`, if there is one."),
            ),
        ),
        (status = 400, description = "Parameters are wrong.", body = FieldErrors),
    ),
)]
pub async fn conversation(
    viewer: Viewer,
    user: Path<String>,
    parameters: Parameters,
    request: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let filter = Filter::Two(viewer.id, UserId::from_digits(&user));
    list(&request, &parameters, &db, viewer.id, filter).await
}

async fn list(
    request: &HttpRequest,
    parameters: &Parameters,
    db: &Db,
    viewer: UserId,
    filter: Filter,
) -> Result<HttpResponse> {
    let requested = PageRequest::parse(parameters)?;
    if requested.limit.is_none() && requested.before.is_none() {
        let list = Listing::read(db, viewer, move |conn| Ok(queries::list(conn, filter, None)?)).await?;
        return Ok(paging::respond_whole(&list.items, list.seq));
    }
    let limit = requested.limit.unwrap_or(PAGE);
    // One more than requested shows whether there is a next page.
    let page = Page { limit: limit + 1, before: requested.before.map(MessageId::new) };
    let list = Listing::read(db, viewer, move |conn| Ok(queries::list(conn, filter, Some(page))?)).await?;
    let Listing { items: mut messages, seq } = list;
    let is_more = i64::try_from(messages.len()).is_ok_and(|count| count > limit);
    if is_more {
        messages.remove(0);
    }
    let next = messages.first().filter(|_| is_more).map(|oldest| oldest.id.number());
    Ok(paging::respond(request, &messages, Some(seq), Some(limit), next))
}

/// Returns the viewer's conversations, the latest message first.
#[utoipa::path(
    get,
    path = "/api/messages/conversations/",
    tag = "messages",
    responses((
        status = 200,
        description = "Conversations.",
        body = Vec<Conversation>,
        headers(("X-Inbox-Seq" = i64, description = "The last number of the viewer's inbox when it was read.")),
    )),
)]
pub async fn conversations(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    let user = summary(&viewer);
    let list = Listing::read(&db, viewer.id, move |conn| Ok(queries::conversations(conn, &user)?)).await?;
    Ok(paging::respond_whole(&list.items, list.seq))
}

/// Marks the messages of another user to the viewer as read.
#[utoipa::path(
    post,
    path = "/api/messages/read_all/",
    tag = "messages",
    params(("user_id" = u64, Query, description = "The sender's id.")),
    responses(
        (status = 200, description = "How many were unread.", body = MarkedRead),
        (status = 400, description = "Nobody is named.", body = Rejection),
    ),
)]
pub async fn read_all(viewer: Viewer, parameters: Parameters, events: Data<Events>) -> Result<HttpResponse> {
    mark_all_read(&viewer, sender(&parameters)?, &events).await
}

/// Reads the sender whose messages are to be marked.
///
/// # Errors
///
/// [`Error::rule`] if it is missing or not a number.
pub fn sender(parameters: &Parameters) -> Result<UserId> {
    let digits = parameters.value("user_id").unwrap_or_default();
    if digits.is_empty() {
        return Err(Error::rule("user_id query parameter required"));
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::rule("user_id must be a number"));
    }
    Ok(UserId::from_digits(digits))
}

/// Marks the messages of another user to the viewer as read.
#[utoipa::path(
    post,
    path = "/api/messages/conversation/{user}/read/",
    tag = "messages",
    params(("user" = u64, Path, description = "The sender's id.")),
    responses((status = 200, description = "How many were unread.", body = MarkedRead)),
)]
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
    Ok(HttpResponse::Ok().json(MarkedRead { marked_read: marked }))
}

/// Marks one message to the viewer as read.
#[utoipa::path(
    patch,
    path = "/api/messages/{id}/read/",
    tag = "messages",
    params(("id" = u64, Path, description = "The message's id.")),
    responses(
        (status = 200, description = "The message.", body = Message),
        (status = 403, description = "It is a message to another user.", body = Rejection),
        (status = 404, description = "There is none.", body = Rejection),
    ),
)]
pub async fn read_one(viewer: Viewer, message: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (reader, id) = (viewer.id, MessageId::from_digits(&message));
    let message = events.commit(move |unit| commands::mark_read(unit, reader, id)).await?;
    Ok(HttpResponse::Ok().json(message))
}

fn summary(viewer: &Viewer) -> UserSummary {
    UserSummary { id: viewer.id, username: viewer.username.clone() }
}
