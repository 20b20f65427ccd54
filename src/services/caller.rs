//! The [`Caller`] is the service that makes a request.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::accounts;
use crate::error::{Error, Result, Unauthenticated};
use crate::secret;
use crate::settings::ServiceKey;

/// The service that makes a request, by its name.
#[derive(Clone, Debug)]
pub struct Caller(pub(super) Arc<str>);

/// The services that may call. Of their keys only the hashes are held.
pub struct Callers(Vec<([u8; 32], Caller)>);

impl Callers {
    /// Knows the services of these keys.
    pub fn new(keys: &[ServiceKey]) -> Self {
        let known = keys.iter().map(|service| {
            let caller = Caller(service.name.as_str().into());
            (hash(service.key.expose_secret()), caller)
        });
        Self(known.collect())
    }

    /// Returns the service that has this key. Every key is compared to its end, and all
    /// hashes are of one length: the time tells neither which one was nearly right nor
    /// how long it is.
    fn find(&self, key: &str) -> Option<&Caller> {
        let given = hash(key);
        self.0.iter().fold(
            None,
            |found, (known, caller)| {
                if secret::same(known, &given) { Some(caller) } else { found }
            },
        )
    }
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Lets a request through only with the key of a service, before anything else of it is
/// looked at. Handlers behind it take a [`Caller`].
///
/// # Errors
///
/// None of its own: a refusal is an answer.
pub async fn require<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> std::result::Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    match caller(&request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await.map(ServiceResponse::map_into_left_body)
        }
        Err(error) => Ok(request.into_response(error.error_response()).map_into_right_body()),
    }
}

fn caller(request: &ServiceRequest) -> Result<Caller> {
    let key = accounts::bearer(request).map_err(Error::Unauthenticated)?;
    let callers = request.app_data::<Data<Callers>>();
    let callers = callers.ok_or_else(|| Error::internal("the app knows no services"))?;
    callers.find(key).cloned().ok_or(Error::Unauthenticated(Unauthenticated {
        detail: "Given token not valid for any token type",
        code: Some("token_not_valid"),
        access_token: None,
    }))
}

impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        ready(caller.ok_or_else(|| Error::internal("a route with a caller is open")))
    }
}
