//! `/api/auth/`: tickets for sockets, and the ends of what tokens let in.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use super::admission::Key;
use super::http_sign_in::{RefreshForm, issue, refresh_token};
use super::password::Check;
use super::sign_in::{Password, PasswordChange, PasswordChangeForm};
use super::token::{Pair, TICKET, TokenType};
use super::viewer::ended_or_invalid;
use super::{Passwords, Tokens, Viewer, admission, commands, queries};
use crate::client_address::ClientAddress;
use crate::db::Db;
use crate::error::body::{Detail, FieldErrors, NoEntry};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::fields::Body;
use crate::ids::UserId;
use crate::limits::Limits;

/// What opens one socket.
#[derive(Serialize, ToSchema)]
struct Ticket {
    ticket: String,
    /// Seconds for which it is good.
    #[schema(example = 30)]
    expires_in: u64,
}

/// Answers a ticket, which opens one socket.
///
/// For clients that can name no subprotocols: what is left of it in a log opens nothing.
#[utoipa::path(
    post,
    path = "/api/auth/ws-ticket/",
    tag = "auth",
    responses((status = 201, description = "The ticket.", body = Ticket)),
)]
pub async fn ticket(viewer: Viewer, tokens: Data<Tokens>) -> Result<HttpResponse> {
    let ticket = tokens.ticket(viewer.id, viewer.issued_at())?;
    Ok(HttpResponse::Created().json(Ticket { ticket, expires_in: TICKET.as_secs() }))
}

/// What was done.
#[derive(Serialize, ToSchema)]
struct Done {
    #[schema(example = "Logged out.")]
    message: &'static str,
}

/// Ends a refresh token.
///
/// Whoever holds it may do so; done twice it is done.
#[utoipa::path(
    post,
    path = "/api/auth/logout/",
    tag = "auth",
    security(()),
    request_body = RefreshForm,
    responses(
        (status = 200, description = "It is refused from now on.", body = Done),
        (status = 400, description = "No token.", body = FieldErrors),
        (status = 401, description = "The token is no good.", body = NoEntry),
    ),
)]
pub async fn log_out(body: Body, tokens: Data<Tokens>, events: Data<Events>) -> Result<HttpResponse> {
    let token = refresh_token(&body.into_fields()?)?;
    let claim = tokens.read(&token, TokenType::Refresh).map_err(ended_or_invalid)?;
    events.commit(move |unit| admission::spend(unit, &claim)).await?;
    Ok(HttpResponse::Ok().json(Done { message: "Logged out." }))
}

/// Ends every token that the viewer was given so far, and closes their sockets.
#[utoipa::path(
    post,
    path = "/api/auth/logout/all/",
    tag = "auth",
    responses((status = 200, description = "All are refused from now on.", body = Done)),
)]
pub async fn log_out_everywhere(viewer: Viewer, events: Data<Events>) -> Result<HttpResponse> {
    let user = viewer.id;
    events.commit(move |unit| admission::end_all(unit, user)).await?;
    Ok(HttpResponse::Ok().json(Done { message: "Logged out everywhere." }))
}

/// Tokens that are good with the new password.
#[derive(Serialize, ToSchema)]
struct PasswordChanged {
    #[schema(example = "Password changed.")]
    message: &'static str,
    #[serde(flatten)]
    pair: Pair,
}

/// Changes the viewer's password and ends every token but those that it answers.
#[utoipa::path(
    post,
    path = "/api/auth/password/",
    tag = "auth",
    request_body = PasswordChangeForm,
    responses(
        (status = 200, description = "New tokens.", body = PasswordChanged),
        (status = 400, description = "What is wrong with each field.", body = FieldErrors),
        (status = 429, description = "Too many tries with a wrong password.", body = Detail),
    ),
)]
#[expect(clippy::too_many_arguments, reason = "it signs in, changes and signs in again")]
pub async fn change_password(
    address: ClientAddress,
    viewer: Viewer,
    body: Body,
    limits: Data<Limits>,
    db: Data<Db>,
    passwords: Data<Passwords>,
    events: Data<Events>,
    tokens: Data<Tokens>,
) -> Result<HttpResponse> {
    const WRONG: &str = "Your old password was entered incorrectly. Please enter it again.";
    let change = PasswordChange::parse(&body.into_fields()?)?;
    let user = viewer.id;
    let attempt = limits.password_try(viewer.email.to_lowercase(), address.network()).await?;
    let old_hash = match fitting_hash(change.old, user, &db, &passwords).await {
        Ok(Some(old_hash)) => old_hash,
        Ok(None) => return Err(Error::field("old_password", WRONG)),
        Err(fault) => {
            attempt.was_not_judged().await;
            return Err(fault);
        }
    };
    attempt.was_right().await;
    let new_hash = passwords.hash(change.new).await?;
    let key = Key::Password(user, new_hash.clone());
    let is_changed =
        events.commit(move |unit| commands::change_password(unit, user, &old_hash, &new_hash)).await?;
    if !is_changed {
        // Somebody else changed it meanwhile: what was typed is the old one no more.
        return Err(Error::field("old_password", WRONG));
    }
    let pair = issue(&events, &tokens, key).await?;
    Ok(HttpResponse::Ok().json(PasswordChanged { message: "Password changed.", pair }))
}

/// Returns the stored hash that a password fits, if it fits.
async fn fitting_hash(
    password: Password,
    user: UserId,
    db: &Db,
    passwords: &Passwords,
) -> Result<Option<String>> {
    let stored = db.read(move |conn| Ok(queries::password_hash(conn, user)?)).await?;
    let (check, _) = passwords.check(password, stored.clone()).await?;
    Ok(stored.filter(|_| check != Check::Wrong))
}
