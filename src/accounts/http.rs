//! `/api/auth/`: signing up, the viewer's own profile, and finding people.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

use serde::Serialize;
use utoipa::ToSchema;

use super::model::{ProfileChange, SignUp, SignUpForm};
use super::queries::{Me, PublicUser};
use super::search::{self, SearchHit};
use super::username::ReservedUsernames;
use super::{commands, queries};
use crate::auth::{Authenticator, Viewer};
use crate::db::Db;
use crate::error::{Error, Kind, Result};
use crate::events::Events;
use crate::ids::UserId;
use crate::limits::Limits;
use crate::request::body::Body;
use crate::request::client_address::ClientAddress;
use crate::request::fields::Parameters;
use crate::request::response::{Detail, FieldErrors, Rejection};

/// A new account.
#[derive(Serialize, ToSchema)]
struct SignedUp {
    message: &'static str,
    user: Me,
}

/// Creates an account.
///
/// It returns no tokens: signing in does.
#[utoipa::path(
    post,
    path = "/api/auth/signup/",
    tag = "auth",
    security(()),
    request_body = SignUpForm,
    responses(
        (status = 201, description = "The account.", body = SignedUp),
        (status = 400, description = "The first thing that is wrong, or whose name or email is taken.", body = Rejection),
        (status = 429, description = "Too many accounts created from this address.", body = Detail),
    ),
)]
pub async fn sign_up(
    address: ClientAddress,
    body: Body,
    reserved: Data<ReservedUsernames>,
    limits: Data<Limits>,
    authenticator: Data<Authenticator>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let mut sign_up = SignUp::parse(&body.fields().map_err(Error::rule)?)?;
    if reserved.contain(&sign_up.username) {
        return Err(Error::rule(commands::TAKEN));
    }
    limits.sign_up(address.network()).await?;
    let hash = authenticator.hash(std::mem::take(&mut sign_up.password)).await?;
    let user = events.commit(move |unit| commands::sign_up(unit, &sign_up, &hash)).await?;
    Ok(HttpResponse::Created().json(SignedUp { message: "User created successfully.", user }))
}

/// Returns the viewer with their profile.
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
        (status = 403, description = "It is another user's.", body = Rejection),
        (status = 404, description = "There is none.", body = Rejection),
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

/// The longest text to search for, in characters. Usernames and names are shorter, also
/// where their lowercase form is longer.
const MAX_SEARCH_CHARS: usize = 500;

/// Finds people by username or name: 20 at most, never the viewer.
///
/// Those whose username is or begins with the text come first, then those whose names do.
/// With fewer than two characters it returns the newest accounts.
#[utoipa::path(
    get,
    path = "/api/auth/search/",
    tag = "auth",
    params(("q" = inline(Option<String>), Query, description = "A part of a username or name, in any case.")),
    responses((status = 200, description = "Who was found.", body = Vec<SearchHit>)),
)]
pub async fn search(
    viewer: Viewer,
    parameters: Parameters,
    limits: Data<Limits>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let _slot = limits.costly_read(viewer.id).await?;
    let text = parameters.value("q").unwrap_or_default().trim().to_owned();
    // No name contains a NUL, which PostgreSQL refuses in a text, or is longer than this;
    // SQLite refuses patterns that are far longer.
    if text.contains('\0') || text.chars().count() > MAX_SEARCH_CHARS {
        return Ok(HttpResponse::Ok().json(Vec::<SearchHit>::new()));
    }
    let requester: UserId = viewer.id;
    let found = db.read(move |conn| Ok(search::search(conn, requester, &text)?)).await?;
    Ok(HttpResponse::Ok().json(found))
}

/// Returns a user as strangers see them.
#[utoipa::path(
    get,
    path = "/api/auth/users/{username}/",
    tag = "auth",
    security(()),
    params(("username" = String, Path, description = "Case-sensitive.", min_length = 1)),
    responses(
        (status = 200, description = "The user.", body = PublicUser),
        (status = 404, description = "No active user has this name.", body = Detail),
    ),
)]
pub async fn public_user(username: Path<String>, db: Data<Db>) -> Result<HttpResponse> {
    let missing = || Error::Malformed(Kind::NotFound, "No User matches the given query.".into());
    let username = username.into_inner();
    if username.contains('\0') {
        return Err(missing());
    }
    let user = db.read(move |conn| Ok(queries::public_user(conn, &username)?)).await?;
    Ok(HttpResponse::Ok().json(user.ok_or_else(missing)?))
}
