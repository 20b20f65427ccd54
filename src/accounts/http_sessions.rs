//! `/api/auth/`: tickets for sockets, and the ends of what tokens let in.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::admission::Key;
use super::http::{issue, refresh_token};
use super::password::Check;
use super::sign_in::{Email, PasswordChange};
use super::token::{TICKET, TokenType};
use super::viewer::ended_or_invalid;
use super::{LoginLimit, Passwords, Tokens, Viewer, admission, commands, queries};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::fields::Body;

/// `POST ws-ticket/`
pub async fn ticket(viewer: Viewer, tokens: Data<Tokens>) -> Result<HttpResponse> {
    let ticket = tokens.ticket(viewer.id, viewer.issued_at())?;
    Ok(HttpResponse::Created().json(json!({ "ticket": ticket, "expires_in": TICKET.as_secs() })))
}

/// `POST logout/`: whoever holds a refresh token may end it; done twice it is done.
pub async fn log_out(body: Body, tokens: Data<Tokens>, events: Data<Events>) -> Result<HttpResponse> {
    let token = refresh_token(&body.into_fields()?)?;
    let claim = tokens.read(&token, TokenType::Refresh).map_err(ended_or_invalid)?;
    events.commit(move |unit| admission::spend(unit, &claim)).await?;
    Ok(HttpResponse::Ok().json(json!({ "message": "Logged out." })))
}

/// `POST logout/all/`
pub async fn log_out_everywhere(viewer: Viewer, events: Data<Events>) -> Result<HttpResponse> {
    let user = viewer.id;
    events.commit(move |unit| admission::end_all(unit, user)).await?;
    Ok(HttpResponse::Ok().json(json!({ "message": "Logged out everywhere." })))
}

/// `POST password/`: ends every session but for the tokens that it answers.
#[expect(clippy::too_many_arguments, reason = "it signs in, changes and signs in again")]
pub async fn change_password(
    request: HttpRequest,
    viewer: Viewer,
    body: Body,
    limit: Data<LoginLimit>,
    db: Data<Db>,
    passwords: Data<Passwords>,
    events: Data<Events>,
    tokens: Data<Tokens>,
) -> Result<HttpResponse> {
    const WRONG: &str = "Your old password was entered incorrectly. Please enter it again.";
    let change = PasswordChange::parse(&body.into_fields()?)?;
    let user = viewer.id;
    if let Some(email) = Email::parse(&viewer.email) {
        limit.check(&email, &request)?;
    }
    let old_hash = db.read(move |conn| Ok(queries::password_hash(conn, user)?)).await?;
    let (check, _) = passwords.check(change.old, old_hash.clone()).await?;
    let (Some(old_hash), false) = (old_hash, check == Check::Wrong) else {
        return Err(Error::field("old_password", WRONG));
    };
    let new_hash = passwords.hash(change.new).await?;
    let key = Key::Password(user, new_hash.clone());
    let is_changed =
        events.commit(move |unit| commands::change_password(unit, user, &old_hash, &new_hash)).await?;
    if !is_changed {
        // Somebody else changed it meanwhile: what was typed is the old one no more.
        return Err(Error::field("old_password", WRONG));
    }
    let pair = issue(&events, &tokens, key).await?;
    let mut answer = json!({ "message": "Password changed." });
    answer["access"] = json!(pair.access);
    answer["refresh"] = json!(pair.refresh);
    Ok(HttpResponse::Ok().json(answer))
}
