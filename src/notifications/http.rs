//! `/api/notifications/`: the inbox over REST.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::commands;
use crate::accounts::Viewer;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::events::inbox::{self, Kept, Position};
use crate::events::{Events, Seq};
use crate::fields::{Body, Fields, Parameters};
use crate::paging::{self, Part};
use crate::timestamp::Timestamp;

/// Envelopes in a page for which no limit was given.
const PAGE: i64 = 50;

#[derive(Serialize)]
struct List {
    unread_count: i64,
    last_seq: Seq,
    results: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    seq: Seq,
    #[serde(rename = "type")]
    name: String,
    /// As it is kept: numbers are not written anew.
    data: Box<RawValue>,
    created_at: Timestamp,
    is_read: bool,
}

/// `GET /api/notifications/`
pub async fn list(
    viewer: Viewer,
    parameters: Parameters,
    request: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let part = Part::parse(&parameters)?;
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
    Ok(paging::answer(&request, &list, limit, next))
}

fn row(position: Position, (envelope, created_at): Kept) -> Result<Row> {
    Ok(Row {
        seq: envelope.seq,
        name: envelope.name,
        data: RawValue::from_string(envelope.data).map_err(Error::internal)?,
        created_at,
        is_read: envelope.seq <= position.read_seq,
    })
}

/// `POST /api/notifications/read/`
pub async fn mark_read(viewer: Viewer, body: Body, events: Data<Events>) -> Result<HttpResponse> {
    let (user, up_to) = (viewer.id, up_to(&body.into_fields()?)?);
    let position = events.commit(move |unit| commands::mark_read(unit, user, up_to)).await?;
    Ok(HttpResponse::Ok().json(json!({ "unread_count": position.unread() })))
}

fn up_to(fields: &Fields) -> Result<Seq> {
    let number = match fields.value("up_to") {
        None => return Err(Error::field("up_to", "This field is required.")),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    match number {
        Some(seq) if seq >= 0 => Ok(seq),
        _ => Err(Error::field("up_to", "A whole number is required.")),
    }
}
