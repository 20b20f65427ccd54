//! The [`Viewer`] is the signed-in user who makes a request.

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError};

use super::model::Account;
use super::queries;
use super::token::{Claim, Fault, TokenType, Tokens};
use crate::db::Db;
use crate::error::{Error, Result, Unauthenticated};

/// The signed-in user who makes a request.
#[derive(Clone, Debug)]
pub struct Viewer {
    account: Rc<Account>,
    issued_at: i64,
}

impl Viewer {
    /// Returns when the request's token was made, in Unix time.
    pub const fn issued_at(&self) -> i64 {
        self.issued_at
    }
}

impl std::ops::Deref for Viewer {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.account
    }
}

/// Why an access token lets nobody in.
#[derive(Debug)]
pub enum Refusal {
    /// The token is no good.
    Token(Fault),
    /// Its user is gone.
    UserNotFound,
    /// Its user may not use the service.
    UserInactive,
    /// It could not be looked at.
    Failed(Error),
}

/// Returns the account that a token stands for, and what the token says.
///
/// The account's row, which every request needs, also has the second from which tokens are
/// good: that a token was ended costs no query more to see, and is seen at once everywhere.
///
/// # Errors
///
/// Why it stands for none.
pub async fn identify(
    tokens: &Tokens,
    db: &Db,
    token: &str,
    token_type: TokenType,
) -> std::result::Result<(Account, Claim), Refusal> {
    let claim = tokens.read(token, token_type).map_err(Refusal::Token)?;
    let user = claim.user;
    let account = db.read(move |conn| Ok(queries::account(conn, user)?)).await;
    match account.map_err(Refusal::Failed)? {
        None => Err(Refusal::UserNotFound),
        Some(account) if !account.is_active => Err(Refusal::UserInactive),
        Some(account) if claim.issued_at < account.tokens_valid_from => Err(Refusal::Token(Fault::Ended)),
        Some(account) => Ok((account, claim)),
    }
}

/// Lets a request through only with a good access token, before anything else of it
/// is looked at. Handlers behind it take a [`Viewer`].
///
/// # Errors
///
/// None of its own: a refusal is an answer.
pub async fn require<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> std::result::Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    match viewer(&request).await {
        Ok(viewer) => {
            request.extensions_mut().insert(viewer);
            next.call(request).await.map(ServiceResponse::map_into_left_body)
        }
        Err(error) => Ok(request.into_response(error.error_response()).map_into_right_body()),
    }
}

async fn viewer(request: &ServiceRequest) -> Result<Viewer> {
    let token = bearer(request).map_err(Error::Unauthenticated)?;
    let (Some(tokens), Some(db)) = (request.app_data::<Data<Tokens>>(), request.app_data::<Data<Db>>())
    else {
        return Err(Error::internal("the app has no tokens or no database"));
    };
    let identified = identify(tokens, db, token, TokenType::Access).await;
    let seen =
        |(account, claim): (Account, Claim)| Viewer { account: Rc::new(account), issued_at: claim.issued_at };
    identified.map(seen).map_err(|refusal| match refusal {
        Refusal::Failed(error) => error,
        Refusal::Token(Fault::NoUser) => unauthenticated(Fault::NoUser.text(), "token_not_valid"),
        Refusal::Token(fault) => Error::Unauthenticated(Unauthenticated {
            detail: "Given token not valid for any token type",
            code: Some("token_not_valid"),
            access_token: Some(fault.text()),
        }),
        Refusal::UserNotFound => unauthenticated("User not found", "user_not_found"),
        Refusal::UserInactive => unauthenticated("User is inactive", "user_inactive"),
    })
}

/// Returns the refusal of a refresh token.
pub(super) const fn ended_or_invalid(fault: Fault) -> Error {
    unauthenticated(fault.text(), "token_not_valid")
}

const fn unauthenticated(detail: &'static str, code: &'static str) -> Error {
    Error::Unauthenticated(Unauthenticated { detail, code: Some(code), access_token: None })
}

/// Returns the token of `Authorization: Bearer <token>`.
///
/// # Errors
///
/// What to answer if there is none.
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
        ready(viewer.ok_or_else(|| Error::internal("a route with a viewer is open")))
    }
}
