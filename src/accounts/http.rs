//! `/api/auth/`: the viewer's own account, and finding others.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

use super::model::ProfileChange;
use super::queries::{Found, Me, PublicUser};
use super::{Viewer, commands, queries};
use crate::db::Db;
use crate::error::body::{Detail, FieldErrors, Refused};
use crate::error::{Error, Kind, Result};
use crate::events::Events;
use crate::fields::{Body, Parameters};
use crate::ids::UserId;

/// Answers the viewer with their profile.
#[utoipa::path(
    get,
    path = "/api/auth/me/",
    tag = "auth",
    responses((status = 200, description = "The viewer.", body = Me)),
)]
pub async fn me(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    let account = (*viewer).clone();
    let me = db.read(move |conn| Ok(queries::me(conn, account.clone())?)).await?;
    Ok(HttpResponse::Ok().json(me))
}

/// Changes the viewer's profile; what is not named stays.
#[utoipa::path(
    patch,
    path = "/api/auth/profile/",
    tag = "auth",
    request_body = ProfileChange,
    responses(
        (status = 200, description = "The viewer.", body = Me),
        (status = 400, description = "Fields are wrong.", body = FieldErrors),
    ),
)]
pub async fn change_profile(viewer: Viewer, body: Body, events: Data<Events>) -> Result<HttpResponse> {
    let change = ProfileChange::parse(&body.into_fields()?)?;
    let account = (*viewer).clone();
    let me = events.commit(move |unit| commands::change_profile(unit, account, &change)).await?;
    Ok(HttpResponse::Ok().json(me))
}

/// Changes the viewer's profile by its id, as `PATCH profile/` does.
#[utoipa::path(
    put,
    path = "/api/auth/profile/{id}/",
    tag = "auth",
    params(("id" = u64, Path, description = "The profile's id, not its owner's.")),
    request_body = ProfileChange,
    responses(
        (status = 200, description = "The viewer.", body = Me),
        (status = 400, description = "Fields are wrong.", body = FieldErrors),
        (status = 403, description = "It is somebody else's.", body = Refused),
        (status = 404, description = "There is none.", body = Refused),
    ),
)]
pub async fn change_numbered_profile(
    viewer: Viewer,
    profile: Path<String>,
    body: Body,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let change = ProfileChange::parse(&body.into_fields()?)?;
    let account = (*viewer).clone();
    // As with other ids, one beyond 64 bits names nothing, and so does 0.
    let profile = profile.parse().unwrap_or(0);
    let me =
        events.commit(move |unit| commands::change_numbered_profile(unit, account, profile, &change)).await?;
    Ok(HttpResponse::Ok().json(me))
}

/// More characters than any username or name has, also where small letters are more.
const LONGEST_SEARCH: usize = 500;

/// Finds people by username or name: 20 at most, never the viewer.
///
/// With fewer than two characters it answers the newest accounts.
#[utoipa::path(
    get,
    path = "/api/auth/search/",
    tag = "auth",
    params(("q" = inline(Option<String>), Query, description = "A part of a username or name, in any case.")),
    responses((status = 200, description = "Who was found.", body = Vec<Found>)),
)]
pub async fn search(viewer: Viewer, parameters: Parameters, db: Data<Db>) -> Result<HttpResponse> {
    let text = parameters.value("q").unwrap_or_default().trim().to_owned();
    // No name has a NUL, and PostgreSQL takes none in a text. None is longer than this
    // either, and SQLite takes no pattern that is far longer.
    if text.contains('\0') || text.chars().count() > LONGEST_SEARCH {
        return Ok(HttpResponse::Ok().json(Vec::<Found>::new()));
    }
    let asker: UserId = viewer.id;
    let found = db.read(move |conn| Ok(queries::search(conn, asker, &text)?)).await?;
    Ok(HttpResponse::Ok().json(found))
}

/// Answers somebody as strangers see them.
#[utoipa::path(
    get,
    path = "/api/auth/users/{username}/",
    tag = "auth",
    security(()),
    params(("username" = String, Path, description = "Case-sensitive.", min_length = 1)),
    responses(
        (status = 200, description = "Somebody.", body = PublicUser),
        (status = 404, description = "There is nobody of this name.", body = Detail),
    ),
)]
pub async fn public_user(username: Path<String>, db: Data<Db>) -> Result<HttpResponse> {
    let missing = || Error::Unfit(Kind::NotFound, "No User matches the given query.".into());
    let username = username.into_inner();
    if username.contains('\0') {
        return Err(missing());
    }
    let user = db.read(move |conn| Ok(queries::public_user(conn, &username)?)).await?;
    Ok(HttpResponse::Ok().json(user.ok_or_else(missing)?))
}
