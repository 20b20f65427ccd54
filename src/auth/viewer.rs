//! The [`Viewer`] is the authenticated user who makes a request.

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError};

use super::authenticator::Authenticator;
use super::model::{Account, AuthError};
use super::tokens::{TokenError, TokenType};
use crate::error::{Error, Result, Unauthenticated};
use crate::events::Person;
use crate::ids::SignInId;

/// The authenticated user who makes a request.
#[derive(Clone, Debug)]
pub struct Viewer {
    account: Rc<Account>,
    issued_at: i64,
    sign_in: SignInId,
}

impl Viewer {
    /// Returns when the request's token was issued, in Unix time.
    pub const fn issued_at(&self) -> i64 {
        self.issued_at
    }

    /// Returns the sign-in that the request's token belongs to.
    pub const fn sign_in(&self) -> SignInId {
        self.sign_in
    }

    /// Returns the viewer as others see them in lists and events.
    pub fn person(&self) -> Person {
        Person {
            id: self.id,
            username: self.username.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
        }
    }
}

impl std::ops::Deref for Viewer {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.account
    }
}

/// Requires a valid access token before anything else of a request is read. Handlers
/// behind it take a [`Viewer`].
///
/// # Errors
///
/// Only those of `next`; a missing or invalid token is a response.
pub async fn require<B: MessageBody>(
    authenticator: &Authenticator,
    request: ServiceRequest,
    next: Next<B>,
) -> std::result::Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    match viewer(authenticator, &request).await {
        Ok(viewer) => {
            request.extensions_mut().insert(viewer);
            next.call(request).await.map(ServiceResponse::map_into_left_body)
        }
        Err(error) => Ok(request.into_response(error.error_response()).map_into_right_body()),
    }
}

async fn viewer(authenticator: &Authenticator, request: &ServiceRequest) -> Result<Viewer> {
    let token = bearer(request).map_err(Error::Unauthenticated)?;
    match authenticator.authenticate(token, TokenType::Access).await {
        Ok((account, claims)) => {
            let (issued_at, sign_in) = (claims.issued_at, claims.sign_in());
            Ok(Viewer { account: Rc::new(account), issued_at, sign_in })
        }
        Err(AuthError::Failed(error)) => Err(error),
        Err(AuthError::Token(TokenError::NoUser)) => Err(TokenError::NoUser.into()),
        Err(AuthError::Token(error)) => Err(Error::Unauthenticated(Unauthenticated {
            detail: "Given token not valid for any token type",
            code: Some("token_not_valid"),
            access_token: Some(error.text()),
        })),
        Err(AuthError::UserNotFound) => Err(unauthenticated("User not found", "user_not_found")),
        Err(AuthError::UserInactive) => Err(unauthenticated("User is inactive", "user_inactive")),
    }
}

const fn unauthenticated(detail: &'static str, code: &'static str) -> Error {
    Error::Unauthenticated(Unauthenticated { detail, code: Some(code), access_token: None })
}

/// Returns the token of `Authorization: Bearer <token>`.
///
/// # Errors
///
/// What to respond if there is none.
pub fn bearer(request: &ServiceRequest) -> std::result::Result<&str, Unauthenticated> {
    const MISSING: Unauthenticated = Unauthenticated {
        detail: "Authentication credentials were not provided.",
        code: None,
        access_token: None,
    };
    let header = request.headers().get(AUTHORIZATION).ok_or(MISSING)?;
    let mut words = header.to_str().unwrap_or_default().split_ascii_whitespace();
    if words.next() != Some("Bearer") {
        return Err(MISSING);
    }
    match (words.next(), words.next()) {
        (Some(token), None) => Ok(token),
        _ => Err(Unauthenticated {
            detail: "Authorization header must contain two space-delimited values",
            code: Some("bad_authorization_header"),
            access_token: None,
        }),
    }
}

impl FromRequest for Viewer {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let viewer = request.extensions().get::<Self>().cloned();
        ready(viewer.ok_or_else(|| Error::internal("a route that takes a viewer requires no token")))
    }
}
