//! `/api/friends/`: friends, requests and suggestions.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde_json::json;

use super::commands::{self, Asked};
use super::queries;
use crate::accounts::Viewer;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::events::{Events, Person};
use crate::ids::{FriendRequestId, UserId};

/// How often asking is tried when others keep changing how two people stand. Each
/// failed try means that somebody else's act succeeded.
const TRIES: usize = 5;

/// `GET /api/friends/`
pub async fn friends(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    let user = viewer.id;
    Ok(HttpResponse::Ok().json(db.read(move |conn| Ok(queries::friends(conn, user)?)).await?))
}

/// `GET requests/`
pub async fn pending(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    let user = viewer.id;
    Ok(HttpResponse::Ok().json(db.read(move |conn| Ok(queries::pending(conn, user)?)).await?))
}

/// `GET suggestions/`
pub async fn suggestions(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    let user = viewer.id;
    Ok(HttpResponse::Ok().json(db.read(move |conn| Ok(queries::suggestions(conn, user)?)).await?))
}

/// `POST request/<user>/`
pub async fn ask(viewer: Viewer, user: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let asked = UserId::from_digits(&user);
    let mut tries = 1;
    let outcome = loop {
        let asker = person(&viewer);
        match events.commit(move |unit| commands::ask(unit, &asker, asked)).await {
            Err(Error::Raced) if tries < TRIES => tries += 1,
            outcome => break outcome?,
        }
    };
    Ok(created(match outcome {
        Asked::Requested => "Friend request sent",
        Asked::Accepted => "Friend request accepted",
    }))
}

fn created(message: &str) -> HttpResponse {
    HttpResponse::Created().json(json!({ "message": message }))
}

/// `POST accept/<request>/`
pub async fn accept(viewer: Viewer, request: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, request) = (person(&viewer), FriendRequestId::from_digits(&request));
    let friend = events.commit(move |unit| commands::accept(unit, &viewer, request)).await?;
    Ok(HttpResponse::Created().json(json!({ "message": "Friend request accepted", "friend": friend })))
}

/// `POST decline/<request>/`
pub async fn decline(viewer: Viewer, request: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, request) = (viewer.id, FriendRequestId::from_digits(&request));
    events.commit(move |unit| commands::decline(unit, viewer, request)).await?;
    Ok(done("Friend request declined"))
}

/// `DELETE cancel/<user>/`
pub async fn cancel(viewer: Viewer, user: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, asked) = (viewer.id, UserId::from_digits(&user));
    events.commit(move |unit| commands::cancel(unit, viewer, asked)).await?;
    Ok(done("Friend request cancelled"))
}

/// `DELETE remove/<user>/`
pub async fn remove(viewer: Viewer, user: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, friend) = (viewer.id, UserId::from_digits(&user));
    events.commit(move |unit| commands::remove(unit, viewer, friend)).await?;
    Ok(done("Friend removed"))
}

fn done(message: &str) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "message": message }))
}

fn person(viewer: &Viewer) -> Person {
    Person {
        id: viewer.id,
        username: viewer.username.clone(),
        first_name: viewer.first_name.clone(),
        last_name: viewer.last_name.clone(),
    }
}
