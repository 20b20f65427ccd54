//! `/api/notifications/`: the inbox over REST.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::commands;
use crate::auth::Viewer;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::events::inbox::{self, Position, StoredEnvelope};
use crate::events::{Events, Seq};
use crate::request::body::Body;
use crate::request::fields::{Fields, Parameters, WholeNumber};
use crate::request::paging::{self, PageRequest};
use crate::request::response::FieldErrors;
use crate::timestamp::Timestamp;

/// Envelopes in a page for which no limit was given.
const PAGE: i64 = 50;

/// A part of the viewer's inbox.
#[derive(Serialize, ToSchema)]
#[schema(as = Inbox)]
struct List {
    #[schema(minimum = 0)]
    unread_count: i64,
    /// The number of the latest event, 0 before the first.
    #[schema(value_type = i64, minimum = 0)]
    last_seq: Seq,
    /// Newest first.
    results: Vec<Row>,
}

/// An event as it is kept.
#[derive(Serialize, ToSchema)]
#[schema(as = InboxEvent)]
struct Row {
    #[schema(value_type = i64, minimum = 1)]
    seq: Seq,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "new_message")]
    name: String,
    /// As the socket's frame has it: numbers are not written anew.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    created_at: Timestamp,
    is_read: bool,
}

/// Answers what happened to the viewer, newest first.
#[utoipa::path(
    get,
    path = "/api/notifications/",
    tag = "notifications",
    params(PageRequest),
    responses(
        (
            status = 200,
            description = "A page of the inbox, of 50 without a limit.",
            body = List,
            headers(("Link" = String, description = "The next page, as `<…>; rel=\"next\"`, if there is one.")),
        ),
        (status = 400, description = "Parameters are wrong.", body = FieldErrors),
    ),
)]
pub async fn list(
    viewer: Viewer,
    parameters: Parameters,
    request: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let part = PageRequest::parse(&parameters)?;
    let (user, limit, before) = (viewer.id, part.limit.unwrap_or(PAGE), part.before.unwrap_or(Seq::MAX));
    let (position, mut kept) = db
        .read(move |conn| Ok((inbox::position(conn, user)?, inbox::before(conn, user, before, limit + 1)?)))
        .await?;
    let is_more = i64::try_from(kept.len()).is_ok_and(|count| count > limit);
    if is_more {
        kept.pop();
    }
    let next = kept.last().filter(|_| is_more).map(|(oldest, _)| oldest.seq);
    let results = kept.into_iter().map(|kept| row(position, kept)).collect::<Result<_>>()?;
    let list = List { unread_count: position.unread(), last_seq: position.last_seq, results };
    Ok(paging::respond(&request, &list, limit, next))
}

fn row(position: Position, (envelope, created_at): StoredEnvelope) -> Result<Row> {
    Ok(Row {
        seq: envelope.seq,
        name: envelope.name,
        data: RawValue::from_string(envelope.data).map_err(Error::internal)?,
        created_at,
        is_read: envelope.seq <= position.read_seq,
    })
}

/// What marking as read asks for.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `up_to` reads by name")]
struct ReadForm {
    /// The last number that was read.
    up_to: WholeNumber,
}

/// What is left.
#[derive(Serialize, ToSchema)]
struct Unread {
    #[schema(minimum = 0)]
    unread_count: i64,
}

/// Marks what happened as read, up to a number; the viewer's sockets are told.
#[utoipa::path(
    post,
    path = "/api/notifications/read/",
    tag = "notifications",
    request_body = ReadForm,
    responses(
        (status = 200, description = "What is left.", body = Unread),
        (status = 400, description = "No such number.", body = FieldErrors),
    ),
)]
pub async fn mark_read(viewer: Viewer, body: Body, events: Data<Events>) -> Result<HttpResponse> {
    let (user, up_to) = (viewer.id, up_to(&body.into_fields()?)?);
    let position = events.commit(move |unit| commands::mark_read(unit, user, up_to)).await?;
    Ok(HttpResponse::Ok().json(Unread { unread_count: position.unread() }))
}

/// Reads up to which number somebody has read.
///
/// # Errors
///
/// 400 by field.
pub fn up_to(fields: &Fields) -> Result<Seq> {
    let seq = fields.whole_number("up_to").required().optional()?;
    Ok(seq.unwrap_or_default())
}
