//! `/api/friends/`: friends, requests and suggestions.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::commands::{self, Asked};
use super::queries::{self, Pending, UserWithAvatar};
use crate::auth::Viewer;
use crate::db::Db;
use crate::error::Result;
use crate::events::{Events, Person};
use crate::ids::{FriendRequestId, UserId};
use crate::limits::Limits;
use crate::request::response::{Detail, Rejection};

/// What was done.
#[derive(Serialize, ToSchema)]
struct Done {
    message: &'static str,
}

/// A request that was accepted.
#[derive(Serialize, ToSchema)]
struct Accepted {
    message: &'static str,
    friend: Person,
}

/// Answers the viewer's friends, the newest friendship first.
#[utoipa::path(
    get,
    path = "/api/friends/",
    tag = "friends",
    responses((status = 200, description = "Friends.", body = Vec<UserWithAvatar>)),
)]
pub async fn friends(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    let user = viewer.id;
    Ok(HttpResponse::Ok().json(db.read(move |conn| Ok(queries::friends(conn, user)?)).await?))
}

/// Answers the requests that wait for the viewer's answer, newest first.
#[utoipa::path(
    get,
    path = "/api/friends/requests/",
    tag = "friends",
    responses((status = 200, description = "Friend requests.", body = Vec<Pending>)),
)]
pub async fn pending(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    let user = viewer.id;
    Ok(HttpResponse::Ok().json(db.read(move |conn| Ok(queries::pending(conn, user)?)).await?))
}

/// Answers people to whom the viewer has no tie yet: 20 at most.
#[utoipa::path(
    get,
    path = "/api/friends/suggestions/",
    tag = "friends",
    responses((status = 200, description = "People.", body = Vec<UserWithAvatar>)),
)]
pub async fn suggestions(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    let user = viewer.id;
    Ok(HttpResponse::Ok().json(db.read(move |conn| Ok(queries::suggestions(conn, user)?)).await?))
}

/// Asks somebody to be friends; accepts, if they have asked the viewer already.
#[utoipa::path(
    post,
    path = "/api/friends/request/{user}/",
    tag = "friends",
    params(("user" = u64, Path, description = "Whom.")),
    responses(
        (status = 201, description = "They are told.", body = Done),
        (status = 400, description = "Asked before, friends already, or oneself.", body = Rejection),
        (status = 404, description = "There is nobody of this id.", body = Rejection),
        (status = 429, description = "The viewer asks too many.", body = Detail),
    ),
)]
pub async fn ask(
    viewer: Viewer,
    user: Path<String>,
    limits: Data<Limits>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    limits.friend_request(viewer.id).await?;
    let asked = UserId::from_digits(&user);
    let asker = person(&viewer);
    let outcome = events.commit_retrying(move |unit| commands::ask(unit, &asker, asked)).await?;
    Ok(created(match outcome {
        Asked::Requested => "Friend request sent",
        Asked::Accepted => "Friend request accepted",
    }))
}

fn created(message: &'static str) -> HttpResponse {
    HttpResponse::Created().json(Done { message })
}

/// Accepts a request; its sender is told.
#[utoipa::path(
    post,
    path = "/api/friends/accept/{request}/",
    tag = "friends",
    params(("request" = u64, Path, description = "The request's id.")),
    responses(
        (status = 201, description = "They are friends.", body = Accepted),
        (status = 403, description = "It is a request to somebody else.", body = Rejection),
        (status = 404, description = "There is none.", body = Rejection),
    ),
)]
pub async fn accept(viewer: Viewer, request: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, request) = (person(&viewer), FriendRequestId::from_digits(&request));
    let friend = events.commit(move |unit| commands::accept(unit, &viewer, request)).await?;
    Ok(HttpResponse::Created().json(Accepted { message: "Friend request accepted", friend }))
}

/// Declines a request; nobody is told.
#[utoipa::path(
    post,
    path = "/api/friends/decline/{request}/",
    tag = "friends",
    params(("request" = u64, Path, description = "The request's id.")),
    responses(
        (status = 200, description = "It is gone.", body = Done),
        (status = 403, description = "It is a request to somebody else.", body = Rejection),
        (status = 404, description = "There is none.", body = Rejection),
    ),
)]
pub async fn decline(viewer: Viewer, request: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, request) = (viewer.id, FriendRequestId::from_digits(&request));
    events.commit(move |unit| commands::decline(unit, viewer, request)).await?;
    Ok(done("Friend request declined"))
}

/// Takes back the viewer's request to somebody.
#[utoipa::path(
    delete,
    path = "/api/friends/cancel/{user}/",
    tag = "friends",
    params(("user" = u64, Path, description = "Who was asked.")),
    responses(
        (status = 200, description = "It is gone.", body = Done),
        (status = 404, description = "There is none.", body = Rejection),
    ),
)]
pub async fn cancel(viewer: Viewer, user: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, asked) = (viewer.id, UserId::from_digits(&user));
    events.commit(move |unit| commands::cancel(unit, viewer, asked)).await?;
    Ok(done("Friend request cancelled"))
}

/// Ends a friendship, if there is one.
#[utoipa::path(
    delete,
    path = "/api/friends/remove/{user}/",
    tag = "friends",
    params(("user" = u64, Path, description = "Whose.")),
    responses(
        (status = 200, description = "They are no friends.", body = Done),
        (status = 404, description = "There is nobody of this id.", body = Rejection),
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

fn person(viewer: &Viewer) -> Person {
    Person {
        id: viewer.id,
        username: viewer.username.clone(),
        first_name: viewer.first_name.clone(),
        last_name: viewer.last_name.clone(),
    }
}
