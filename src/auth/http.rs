//! `/api/auth/`: signing in and out, refreshing tokens, tickets, changing a password.

use actix_web::http::header::USER_AGENT;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::authenticator::Authenticator;
use super::credentials::{
    PasswordChange, PasswordChangeForm, RefreshForm, SignIn, SignInForm, refresh_token,
};
use super::sign_ins::{Device, SignInEntry};
use super::tokens::{TICKET_LIFETIME, TokenPair};
use super::viewer::Viewer;
use crate::error::{Error, Kind, Result};
use crate::ids::SignInId;
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
    request: HttpRequest,
    address: ClientAddress,
    body: Body,
    authenticator: Data<Authenticator>,
) -> Result<HttpResponse> {
    let fields = body.fields().map_err(wrong_credentials)?;
    let sign_in = SignIn::parse(&fields).ok_or_else(|| wrong_credentials("Invalid credentials.".into()))?;
    let tokens = authenticator.sign_in(sign_in, address.network(), &device(&request, address)).await?;
    Ok(HttpResponse::Ok().json(tokens))
}

/// Returns what a request for tokens came from.
fn device(request: &HttpRequest, address: ClientAddress) -> Device {
    let client = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    Device::new(address.ip(), client.unwrap_or_default())
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
pub async fn refresh(
    request: HttpRequest,
    address: ClientAddress,
    body: Body,
    authenticator: Data<Authenticator>,
) -> Result<HttpResponse> {
    let token = refresh_token(&body.into_fields()?)?;
    let tokens = authenticator.refresh(&token, &device(&request, address)).await?;
    Ok(HttpResponse::Ok().json(tokens))
}

/// The outcome of a request.
#[derive(Serialize, ToSchema)]
#[schema(as = Done)]
struct Outcome {
    message: &'static str,
}

/// Revokes the sign-in of a refresh token: all tokens that were issued for it, and its sockets.
///
/// Whoever holds the token may do so. Repeating it has no further effect.
#[utoipa::path(
    post,
    path = "/api/auth/logout/",
    tag = "auth",
    security(()),
    request_body = RefreshForm,
    responses(
        (status = 200, description = "Its tokens are refused from now on.", body = Outcome),
        (status = 400, description = "No token.", body = FieldErrors),
        (status = 401, description = "The token is not valid.", body = UnauthorizedBody),
    ),
)]
pub async fn log_out(body: Body, authenticator: Data<Authenticator>) -> Result<HttpResponse> {
    let token = refresh_token(&body.into_fields()?)?;
    authenticator.log_out(&token).await?;
    Ok(HttpResponse::Ok().json(Outcome { message: "Logged out." }))
}

/// One of the viewer's sign-ins.
#[derive(Serialize, ToSchema)]
#[schema(as = SignIn)]
struct OwnSignIn {
    #[serde(flatten)]
    entry: SignInEntry,
    /// Whether this request's token belongs to it.
    is_current: bool,
}

/// Returns the viewer's sign-ins that have not expired, the latest used first: 100 at most.
#[utoipa::path(
    get,
    path = "/api/auth/sign-ins/",
    tag = "auth",
    responses((status = 200, description = "The sign-ins.", body = Vec<OwnSignIn>)),
)]
pub async fn sign_ins(viewer: Viewer, authenticator: Data<Authenticator>) -> Result<HttpResponse> {
    let current = viewer.sign_in().to_string();
    let entries = authenticator.sign_ins(viewer.id).await?.into_iter();
    let own = entries.map(|entry| OwnSignIn { is_current: entry.id() == current, entry });
    Ok(HttpResponse::Ok().json(own.collect::<Vec<_>>()))
}

/// Revokes one of the viewer's sign-ins: all tokens that were issued for it, and its sockets.
#[utoipa::path(
    delete,
    path = "/api/auth/sign-ins/{id}/",
    tag = "auth",
    params(("id" = String, Path, description = "The sign-in's id.")),
    responses(
        (status = 200, description = "Its tokens are refused from now on.", body = Outcome),
        (status = 404, description = "The viewer has no such sign-in.", body = Rejection),
    ),
)]
pub async fn revoke_sign_in(
    viewer: Viewer,
    id: Path<String>,
    authenticator: Data<Authenticator>,
) -> Result<HttpResponse> {
    let id = SignInId::parse(&id).ok_or_else(|| Error::not_found("Sign-in not found"))?;
    authenticator.revoke_sign_in(viewer.id, id).await?;
    Ok(HttpResponse::Ok().json(Outcome { message: "Signed out." }))
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
    request: HttpRequest,
    address: ClientAddress,
    viewer: Viewer,
    body: Body,
    authenticator: Data<Authenticator>,
) -> Result<HttpResponse> {
    let change = PasswordChange::parse(&body.into_fields()?)?;
    let device = device(&request, address);
    let tokens = authenticator.change_password(&viewer, change, address.network(), &device).await?;
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
    let ticket = authenticator.ticket(viewer.id, viewer.sign_in(), viewer.issued_at())?;
    Ok(HttpResponse::Created().json(Ticket { ticket, expires_in: TICKET_LIFETIME.as_secs() }))
}
