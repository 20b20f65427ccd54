//! `/api/auth/`: signing up and in, and new tokens for old ones.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::admission::{Admission, Key};
use super::password::Check;
use super::queries::{Login, Me};
use super::sign_in::{Password, SignIn, SignInForm, SignUp, SignUpForm};
use super::token::{Fault, Pair, TokenType};
use super::viewer::ended_or_invalid;
use super::{Passwords, Tokens, admission, commands, queries};
use crate::client_address::ClientAddress;
use crate::db::Db;
use crate::error::body::{Detail, FieldErrors, NoEntry, Refused};
use crate::error::{Error, Kind, Result, Unauthenticated};
use crate::events::Events;
use crate::fields::{Body, Fields};
use crate::limits::Limits;

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
        (status = 429, description = "Too many accounts made from this address.", body = Detail),
    ),
)]
pub async fn sign_up(
    address: ClientAddress,
    body: Body,
    limits: Data<Limits>,
    passwords: Data<Passwords>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let mut sign_up = SignUp::parse(&body.fields().map_err(Error::rule)?)?;
    limits.sign_up(address.network()).await?;
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
    address: ClientAddress,
    body: Body,
    limits: Data<Limits>,
    db: Data<Db>,
    passwords: Data<Passwords>,
    events: Data<Events>,
    tokens: Data<Tokens>,
) -> Result<HttpResponse> {
    let refused = |text: String| Error::Refused(Kind::WrongCredentials, text.into());
    let started = Instant::now();
    let fields = body.fields().map_err(refused)?;
    let sign_in = SignIn::parse(&fields).ok_or_else(|| refused("Invalid credentials.".into()))?;
    let (email, address) = (sign_in.email.key(), address.network());
    let attempt = limits.password_try(email, address).await?;
    match judge(sign_in, &db, &passwords, &events, &tokens).await {
        Ok(Some(entry)) => {
            attempt.was_right().await;
            if let Some((login, password)) = entry.old {
                replace_hash(&passwords, &events, login, password).await;
            }
            Ok(HttpResponse::Ok().json(entry.pair))
        }
        Ok(None) => {
            until_even_time(started).await;
            Err(refused("Invalid email or password.".into()))
        }
        Err(fault) => {
            attempt.was_not_judged().await;
            Err(fault)
        }
    }
}

/// What good credentials give.
struct Entry {
    pair: Pair,
    /// A hash that is of a kind to be replaced, and the password that fits it.
    old: Option<(Login, Password)>,
}

/// How often a password is checked whose hash changes at that moment.
const HASH_TRIES: usize = 3;

/// Returns tokens for credentials, if they are good.
async fn judge(
    sign_in: SignIn,
    db: &Db,
    passwords: &Passwords,
    events: &Events,
    tokens: &Tokens,
) -> Result<Option<Entry>> {
    let (email, mut password) = (sign_in.email.key(), sign_in.password);
    // Where a password's hash is replaced while it is checked, the new one is checked too.
    for _ in 0..HASH_TRIES {
        let key = email.clone();
        let login = db.read(move |conn| Ok(queries::login(conn, &key)?)).await?;
        let stored = login.as_ref().map(|login| login.password_hash.clone());
        let (check, same) = passwords.check(password, stored).await?;
        password = same;
        let Some(login) = login.filter(|login| login.is_active && check != Check::Wrong) else {
            return Ok(None);
        };
        match issue(events, tokens, Key::Password(login.user, login.password_hash.clone())).await {
            Ok(pair) => {
                let old = (check == Check::RightButOld).then_some((login, password));
                return Ok(Some(Entry { pair, old }));
            }
            Err(Error::Raced) => {}
            // The account was closed meanwhile.
            Err(Error::Unauthenticated(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Err(Error::Raced)
}

async fn replace_hash(passwords: &Passwords, events: &Events, login: Login, password: Password) {
    let Login { user, password_hash: old, .. } = login;
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

/// Reads the one field of a refresh and of a logout.
///
/// # Errors
///
/// 400 by field.
pub fn refresh_token(fields: &Fields) -> Result<String> {
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
