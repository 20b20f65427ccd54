//! `/api/auth/`: signing up and in, the viewer's own account, and finding others.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::admission::{Admission, Key};
use super::model::ProfileChange;
use super::password::Check;
use super::queries::{Found, Me, PublicUser};
use super::sign_in::{Password, SignIn, SignInForm, SignUp, SignUpForm};
use super::token::{Fault, Pair, TokenType};
use super::viewer::ended_or_invalid;
use super::{LoginLimit, Passwords, Tokens, Viewer, admission, commands, queries};
use crate::db::Db;
use crate::error::body::{Detail, FieldErrors, NoEntry, Refused};
use crate::error::{Error, Kind, Result, Unauthenticated};
use crate::events::Events;
use crate::fields::{Body, Fields, Parameters};
use crate::ids::UserId;

/// A new account.
#[derive(Serialize, ToSchema)]
struct SignedUp {
    message: &'static str,
    user: Me,
}

/// Makes an account.
///
/// It answers no tokens: signing in does.
#[utoipa::path(
    post,
    path = "/api/auth/signup/",
    tag = "auth",
    security(()),
    request_body = SignUpForm,
    responses(
        (status = 201, description = "The account.", body = SignedUp),
        (status = 400, description = "The first thing that is wrong, or whose name or email is taken.", body = Refused),
    ),
)]
pub async fn sign_up(body: Body, passwords: Data<Passwords>, events: Data<Events>) -> Result<HttpResponse> {
    let mut sign_up = SignUp::parse(&body.fields().map_err(Error::rule)?)?;
    let hash = passwords.hash(std::mem::take(&mut sign_up.password)).await?;
    let user = events.commit(move |unit| commands::sign_up(unit, &sign_up, &hash)).await?;
    Ok(HttpResponse::Created().json(SignedUp { message: "User created successfully.", user }))
}

/// Signs in: answers an access and a refresh token.
///
/// An unknown email and a wrong password are refused alike, also in time.
#[utoipa::path(
    post,
    path = "/api/auth/login/",
    tag = "auth",
    security(()),
    request_body = SignInForm,
    responses(
        (status = 200, description = "Tokens.", body = Pair),
        (status = 401, description = "Wrong credentials.", body = Refused),
        (status = 429, description = "Too many tries by this email or from this address.", body = Detail),
    ),
)]
pub async fn log_in(
    request: HttpRequest,
    body: Body,
    limit: Data<LoginLimit>,
    db: Data<Db>,
    passwords: Data<Passwords>,
    events: Data<Events>,
    tokens: Data<Tokens>,
) -> Result<HttpResponse> {
    let refused = |text: String| Error::Refused(Kind::WrongCredentials, text.into());
    let started = Instant::now();
    let fields = body.fields().map_err(refused)?;
    let sign_in = SignIn::parse(&fields).ok_or_else(|| refused("Invalid credentials.".into()))?;
    limit.check(&sign_in.email, &request)?;
    let (email, mut password) = (sign_in.email.key(), sign_in.password);
    // Where a password's hash is replaced while it is checked, the new one is checked too.
    for _ in 0..HASH_TRIES {
        let key = email.clone();
        let login = db.read(move |conn| Ok(queries::login(conn, &key)?)).await?;
        let stored = login.as_ref().map(|login| login.password_hash.clone());
        let (check, same) = passwords.check(password, stored).await?;
        password = same;
        let Some(login) = login.filter(|login| login.is_active && check != Check::Wrong) else { break };
        match issue(&events, &tokens, Key::Password(login.user, login.password_hash.clone())).await {
            Ok(pair) => {
                if check == Check::RightButOld {
                    replace_hash(&passwords, &events, login, password).await;
                }
                return Ok(HttpResponse::Ok().json(pair));
            }
            Err(Error::Raced) => {}
            // The account was closed meanwhile.
            Err(Error::Unauthenticated(_)) => break,
            Err(error) => return Err(error),
        }
    }
    until_even_time(started).await;
    Err(refused("Invalid email or password.".into()))
}

/// How often a password is checked whose hash changes at that moment.
const HASH_TRIES: usize = 3;

async fn replace_hash(passwords: &Passwords, events: &Events, login: queries::Login, password: Password) {
    let queries::Login { user, password_hash: old, .. } = login;
    let replaced = match passwords.hash(password).await {
        Ok(new) => events.commit(move |unit| commands::replace_hash(unit, user, &old, &new)).await,
        Err(error) => Err(error),
    };
    // The password was right: its hash is replaced another time.
    if let Err(error) = replaced {
        tracing::warn!(user.id = %user, cause = %error, "an old hash stays");
    }
}

/// How often tokens that may not be made yet are asked for again: they may be in the next
/// second, unless sessions are ended again and again.
const ISSUE_TRIES: usize = 5;

/// Makes tokens for whoever has this key, if it still opens.
///
/// # Errors
///
/// 401 if it does not; [`Error::Raced`] if the password has another hash by now.
pub(super) async fn issue(events: &Events, tokens: &Tokens, key: Key) -> Result<Pair> {
    for _ in 0..ISSUE_TRIES {
        let asked = key.clone();
        match events.commit(move |unit| admission::admit(unit, &asked)).await? {
            Admission::Granted(user, issued_at) => return tokens.pair(user, issued_at),
            Admission::NotBefore(second) => tokio::time::sleep(until(second)).await,
            Admission::Ended => return Err(ended_or_invalid(Fault::Ended)),
            Admission::Changed => return Err(Error::Raced),
            Admission::Refused => {
                return Err(Error::Unauthenticated(Unauthenticated {
                    detail: "No active account found for the given token.",
                    code: None,
                    access_token: None,
                }));
            }
        }
    }
    Err(Error::unavailable("sessions are ended faster than tokens can be made"))
}

/// Returns the time until a second in Unix time begins; at most one, whatever the clocks say.
fn until(second: i64) -> Duration {
    let due = Duration::from_secs(u64::try_from(second).unwrap_or_default());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    due.saturating_sub(now).min(Duration::from_secs(1))
}

/// Refusals leave at whole multiples of this time: more than twice what the slower kind
/// of hash takes on a slow core, so that its kind, or there being none, cannot be told
/// from the answer.
const REFUSAL_STEP: Duration = Duration::from_secs(1);

async fn until_even_time(started: Instant) {
    let steps = started.elapsed().as_millis() / REFUSAL_STEP.as_millis() + 1;
    let due = REFUSAL_STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
    tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
}

/// What refreshing asks for, and logging out.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `refresh_token` reads by name")]
pub(super) struct RefreshForm {
    refresh: String,
}

/// Answers new tokens for a refresh token.
#[utoipa::path(
    post,
    path = "/api/auth/token/refresh/",
    tag = "auth",
    security(()),
    request_body = RefreshForm,
    responses(
        (status = 200, description = "Tokens.", body = Pair),
        (status = 400, description = "No token.", body = FieldErrors),
        (status = 401, description = "The token is no good.", body = NoEntry),
    ),
)]
pub async fn refresh(body: Body, events: Data<Events>, tokens: Data<Tokens>) -> Result<HttpResponse> {
    let token = refresh_token(&body.into_fields()?)?;
    let claim = tokens.read(&token, TokenType::Refresh).map_err(ended_or_invalid)?;
    Ok(HttpResponse::Ok().json(issue(&events, &tokens, Key::Refresh(claim)).await?))
}

pub(super) fn refresh_token(fields: &Fields) -> Result<String> {
    let wrong = |text: &'static str| Err(Error::field("refresh", text));
    match fields.value("refresh") {
        None => wrong("This field is required."),
        Some(Value::Null) => wrong("This field may not be null."),
        Some(Value::String(text)) if text.trim().is_empty() => wrong("This field may not be blank."),
        Some(Value::String(text)) => Ok(text.trim().to_owned()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => wrong("Not a valid string."),
    }
}

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
    if text.contains('\0') {
        // No name has one, and PostgreSQL takes none in a text.
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
