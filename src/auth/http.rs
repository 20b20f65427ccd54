//! `/api/auth/`: signing in and out, refreshing tokens, tickets, changing a password.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use super::authenticator::Authenticator;
use super::credentials::{
    PasswordChange, PasswordChangeForm, RefreshForm, SignIn, SignInForm, refresh_token,
};
use super::tokens::{TICKET_LIFETIME, TokenPair};
use super::viewer::Viewer;
use crate::error::{Error, Kind, Result};
use crate::request::body::Body;
use crate::request::client_address::ClientAddress;
use crate::request::response::{Detail, FieldErrors, Rejection, UnauthorizedBody};

/// Signs in and returns an access token and a refresh token.
///
/// An unknown email and a wrong password are refused alike, also in time.
#[utoipa::path(
    post,
    path = "/api/auth/login/",
    tag = "auth",
    security(()),
    request_body = SignInForm,
    responses(
        (status = 200, description = "Tokens.", body = TokenPair),
        (status = 401, description = "Wrong credentials.", body = Rejection),
        (status = 429, description = "Too many attempts for this email or from this address.", body = Detail),
    ),
)]
pub async fn log_in(
    address: ClientAddress,
    body: Body,
    authenticator: Data<Authenticator>,
) -> Result<HttpResponse> {
    let fields = body.fields().map_err(wrong_credentials)?;
    let sign_in = SignIn::parse(&fields).ok_or_else(|| wrong_credentials("Invalid credentials.".into()))?;
    let tokens = authenticator.sign_in(sign_in, address.network()).await?;
    Ok(HttpResponse::Ok().json(tokens))
}

fn wrong_credentials(text: String) -> Error {
    Error::Rejected(Kind::WrongCredentials, text.into())
}

/// Returns new tokens for a refresh token.
#[utoipa::path(
    post,
    path = "/api/auth/token/refresh/",
    tag = "auth",
    security(()),
    request_body = RefreshForm,
    responses(
        (status = 200, description = "Tokens.", body = TokenPair),
        (status = 400, description = "No token.", body = FieldErrors),
        (status = 401, description = "The token is not valid.", body = UnauthorizedBody),
    ),
)]
pub async fn refresh(body: Body, authenticator: Data<Authenticator>) -> Result<HttpResponse> {
    let token = refresh_token(&body.into_fields()?)?;
    let tokens = authenticator.refresh(&token).await?;
    Ok(HttpResponse::Ok().json(tokens))
}

/// The outcome of a request.
#[derive(Serialize, ToSchema)]
#[schema(as = Done)]
struct Outcome {
    message: &'static str,
}

/// Revokes a refresh token.
///
/// Whoever holds it may do so. Repeating it has no further effect.
#[utoipa::path(
    post,
    path = "/api/auth/logout/",
    tag = "auth",
    security(()),
    request_body = RefreshForm,
    responses(
        (status = 200, description = "It is refused from now on.", body = Outcome),
        (status = 400, description = "No token.", body = FieldErrors),
        (status = 401, description = "The token is not valid.", body = UnauthorizedBody),
    ),
)]
pub async fn log_out(body: Body, authenticator: Data<Authenticator>) -> Result<HttpResponse> {
    let token = refresh_token(&body.into_fields()?)?;
    authenticator.log_out(&token).await?;
    Ok(HttpResponse::Ok().json(Outcome { message: "Logged out." }))
}

/// Revokes every token that was issued to the viewer so far, and closes their sockets.
#[utoipa::path(
    post,
    path = "/api/auth/logout/all/",
    tag = "auth",
    responses((status = 200, description = "All are refused from now on.", body = Outcome)),
)]
pub async fn log_out_everywhere(viewer: Viewer, authenticator: Data<Authenticator>) -> Result<HttpResponse> {
    authenticator.log_out_everywhere(viewer.id).await?;
    Ok(HttpResponse::Ok().json(Outcome { message: "Logged out everywhere." }))
}

/// Tokens that were issued for the new password.
#[derive(Serialize, ToSchema)]
struct PasswordChanged {
    #[schema(example = "Password changed.")]
    message: &'static str,
    #[serde(flatten)]
    tokens: TokenPair,
}

/// Changes the viewer's password and revokes every token but those that it returns.
#[utoipa::path(
    post,
    path = "/api/auth/password/",
    tag = "auth",
    request_body = PasswordChangeForm,
    responses(
        (status = 200, description = "New tokens.", body = PasswordChanged),
        (status = 400, description = "What is wrong with each field.", body = FieldErrors),
        (status = 429, description = "Too many attempts with a wrong password.", body = Detail),
    ),
)]
pub async fn change_password(
    address: ClientAddress,
    viewer: Viewer,
    body: Body,
    authenticator: Data<Authenticator>,
) -> Result<HttpResponse> {
    let change = PasswordChange::parse(&body.into_fields()?)?;
    let tokens = authenticator.change_password(&viewer, change, address.network()).await?;
    Ok(HttpResponse::Ok().json(PasswordChanged { message: "Password changed.", tokens }))
}

/// A ticket, which opens one socket.
#[derive(Serialize, ToSchema)]
struct Ticket {
    ticket: String,
    /// Seconds until it expires.
    #[schema(example = 30)]
    expires_in: u64,
}

/// Issues a ticket, which opens one socket.
///
/// For clients that can name no subprotocol: one that is left in a log opens nothing.
#[utoipa::path(
    post,
    path = "/api/auth/ws-ticket/",
    tag = "auth",
    responses((status = 201, description = "The ticket.", body = Ticket)),
)]
pub async fn ticket(viewer: Viewer, authenticator: Data<Authenticator>) -> Result<HttpResponse> {
    let ticket = authenticator.ticket(viewer.id, viewer.issued_at())?;
    Ok(HttpResponse::Created().json(Ticket { ticket, expires_in: TICKET_LIFETIME.as_secs() }))
}
