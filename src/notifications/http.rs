//! `/api/notifications/`: the inbox over REST.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::model::{InboxPage, ReadForm, Unread, up_to};
use super::{commands, queries};
use crate::auth::Viewer;
use crate::db::Db;
use crate::error::Result;
use crate::events::{Events, Seq};
use crate::request::body::Body;
use crate::request::fields::Parameters;
use crate::request::paging::{self, PageRequest};
use crate::request::response::FieldErrors;

/// How many events a page has at most if the request has no `limit`.
const DEFAULT_LIMIT: i64 = 50;

/// Returns the events of the viewer's inbox, newest first.
#[utoipa::path(
    get,
    path = "/api/notifications/",
    tag = "notifications",
    params(PageRequest),
    responses(
        (
            status = 200,
            description = "A page of the inbox, of 50 events without a limit.",
            body = InboxPage,
            headers(
                ("X-Inbox-Seq" = i64, description = "The last number of the viewer's inbox when it was read."),
                ("Link" = String, description = "The next page, as `<…>; rel=\"next\"`, if there is one."),
            ),
        ),
        (status = 400, description = "Parameters are invalid.", body = FieldErrors),
    ),
)]
pub async fn list(
    viewer: Viewer,
    parameters: Parameters,
    request: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let page = PageRequest::parse(&parameters)?;
    let (user, limit, before) =
        (viewer.id, page.limit.unwrap_or(DEFAULT_LIMIT), page.before.unwrap_or(Seq::MAX));
    let inbox = db.read(move |conn| queries::inbox_page(conn, user, before, limit)).await?;
    Ok(paging::respond(&request, &inbox, Some(inbox.last_seq), Some(limit), inbox.next))
}

/// Marks the viewer's inbox as read up to a number, and notifies their sockets.
#[utoipa::path(
    post,
    path = "/api/notifications/read/",
    tag = "notifications",
    request_body = ReadForm,
    responses(
        (status = 200, description = "How many events are unread.", body = Unread),
        (status = 400, description = "The number is absent or invalid.", body = FieldErrors),
    ),
)]
pub async fn mark_read(viewer: Viewer, body: Body, events: Data<Events>) -> Result<HttpResponse> {
    let (user, up_to) = (viewer.id, up_to(&body.into_fields()?)?);
    let position = events.commit(move |unit| commands::mark_read(unit, user, up_to)).await?;
    Ok(HttpResponse::Ok().json(Unread { unread_count: position.unread() }))
}
