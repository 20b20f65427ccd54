//! `/api/friends/`: friends, requests and suggestions.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};

use super::commands;
use super::model::{Accepted, Done};
use super::queries::{self, Pending, Suggestion, UserWithAvatar};
use crate::auth::Viewer;
use crate::db::Db;
use crate::error::Result;
use crate::events::{Events, Listing};
use crate::idempotency::{IdempotencyKey, IdempotencyKeyHeader, Requester};
use crate::ids::{FriendRequestId, UserId};
use crate::limits::Limits;
use crate::request::paging;
use crate::request::response::{Detail, Rejection};

/// Returns the viewer's friends, the newest friendship first.
#[utoipa::path(
    get,
    path = "/api/friends/",
    tag = "friends",
    responses((
        status = 200,
        description = "Friends.",
        body = Vec<UserWithAvatar>,
        headers(("X-Inbox-Seq" = i64, description = "The last number of the viewer's inbox when it was read.")),
    )),
)]
pub async fn friends(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    let user = viewer.id;
    let list = Listing::read(&db, user, move |conn| Ok(queries::friends(conn, user)?)).await?;
    Ok(paging::respond_whole(&list.items, list.seq))
}

/// Returns the friend requests to the viewer, newest first.
#[utoipa::path(
    get,
    path = "/api/friends/requests/",
    tag = "friends",
    responses((
        status = 200,
        description = "Friend requests.",
        body = Vec<Pending>,
        headers(("X-Inbox-Seq" = i64, description = "The last number of the viewer's inbox when it was read.")),
    )),
)]
pub async fn pending(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    let user = viewer.id;
    let list = Listing::read(&db, user, move |conn| Ok(queries::pending(conn, user)?)).await?;
    Ok(paging::respond_whole(&list.items, list.seq))
}

/// Returns users to whom the viewer has no relationship: 20 at most.
#[utoipa::path(
    get,
    path = "/api/friends/suggestions/",
    tag = "friends",
    responses((
        status = 200,
        description = "People.",
        body = Vec<Suggestion>,
        headers(("X-Inbox-Seq" = i64, description = "The last number of the viewer's inbox when it was read.")),
    )),
)]
pub async fn suggestions(viewer: Viewer, limits: Data<Limits>, db: Data<Db>) -> Result<HttpResponse> {
    let _slot = limits.costly_read(viewer.id).await?;
    let user = viewer.id;
    let list = Listing::read(&db, user, move |conn| Ok(queries::suggestions(conn, user)?)).await?;
    Ok(paging::respond_whole(&list.items, list.seq))
}

/// Sends a friend request; accepts the other's, if they have sent the viewer one.
#[utoipa::path(
    post,
    // The id by which generated clients know the operation.
    operation_id = "ask",
    path = "/api/friends/request/{user}/",
    tag = "friends",
    params(("user" = u64, Path, description = "The addressee's id."), IdempotencyKeyHeader),
    responses(
        (status = 201, description = "The addressee is notified.", body = Done, headers(("Idempotency-Replayed" = String, description = "`true` for a repetition."))),
        (status = 400, description = "Requested before, friends already, or oneself.", body = Rejection),
        (status = 404, description = "No user has this id.", body = Rejection),
        (status = 422, description = "The idempotency key was used for something else.", body = Detail),
        (status = 429, description = "Too many friend requests.", body = Detail),
    ),
)]
pub async fn request(
    viewer: Viewer,
    key: IdempotencyKey,
    user: Path<String>,
    limits: Data<Limits>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let (requester, addressee) = (viewer.person(), UserId::from_digits(&user));
    let key = key.of(&Requester::User(viewer.id), &("friend request", addressee))?;
    limits.friend_request(viewer.id).await?;
    let once = events.commit_once(key, move |unit| commands::request(unit, &requester, addressee));
    Ok(once.await?.respond(StatusCode::CREATED))
}

/// Accepts a friend request; its sender is notified.
#[utoipa::path(
    post,
    path = "/api/friends/accept/{request}/",
    tag = "friends",
    params(("request" = u64, Path, description = "The request's id."), IdempotencyKeyHeader),
    responses(
        (status = 201, description = "They are friends.", body = Accepted, headers(("Idempotency-Replayed" = String, description = "`true` for a repetition."))),
        (status = 403, description = "It is a request to another user.", body = Rejection),
        (status = 404, description = "There is no such request.", body = Rejection),
        (status = 422, description = "The idempotency key was used for something else.", body = Detail),
    ),
)]
pub async fn accept(
    viewer: Viewer,
    key: IdempotencyKey,
    request: Path<String>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let (viewer, request) = (viewer.person(), FriendRequestId::from_digits(&request));
    let key = key.of(&Requester::User(viewer.id), &("friend acceptance", request))?;
    let once = events.commit_once(key, move |unit| commands::accept(unit, &viewer, request));
    Ok(once.await?.respond(StatusCode::CREATED))
}

/// Declines a friend request; nobody is notified.
#[utoipa::path(
    post,
    path = "/api/friends/decline/{request}/",
    tag = "friends",
    params(("request" = u64, Path, description = "The request's id.")),
    responses(
        (status = 200, description = "The request is deleted.", body = Done),
        (status = 403, description = "It is a request to another user.", body = Rejection),
        (status = 404, description = "There is no such request.", body = Rejection),
    ),
)]
pub async fn decline(viewer: Viewer, request: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, request) = (viewer.id, FriendRequestId::from_digits(&request));
    events.commit(move |unit| commands::decline(unit, viewer, request)).await?;
    Ok(done("Friend request declined"))
}

/// Cancels the viewer's friend request to another user.
#[utoipa::path(
    delete,
    path = "/api/friends/cancel/{user}/",
    tag = "friends",
    params(("user" = u64, Path, description = "The addressee's id.")),
    responses(
        (status = 200, description = "The request is deleted.", body = Done),
        (status = 404, description = "There is no such request.", body = Rejection),
    ),
)]
pub async fn cancel(viewer: Viewer, user: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, addressee) = (viewer.id, UserId::from_digits(&user));
    events.commit(move |unit| commands::cancel(unit, viewer, addressee)).await?;
    Ok(done("Friend request cancelled"))
}

/// Ends a friendship, if there is one.
#[utoipa::path(
    delete,
    path = "/api/friends/remove/{user}/",
    tag = "friends",
    params(("user" = u64, Path, description = "The friend's id.")),
    responses(
        (status = 200, description = "The friendship has ended, if there was one.", body = Done),
        (status = 404, description = "No user has this id.", body = Rejection),
    ),
)]
pub async fn remove(viewer: Viewer, user: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, friend) = (viewer.id, UserId::from_digits(&user));
    events.commit(move |unit| commands::remove(unit, viewer, friend)).await?;
    Ok(done("Friend removed"))
}

fn done(message: &'static str) -> HttpResponse {
    HttpResponse::Ok().json(Done { message })
}
