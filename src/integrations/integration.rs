//! The [`Integration`] is the backend that makes a request.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::auth;
use crate::error::{Error, Result, Unauthenticated};
use crate::secret;
use crate::settings::ServiceKey;

/// The backend that makes a request, by its name.
#[derive(Clone, Debug)]
pub struct Integration(Arc<str>);

impl Integration {
    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

/// The integrations that may announce, by the hashes of their keys.
pub struct ServiceKeys(Vec<([u8; 32], Integration)>);

impl ServiceKeys {
    /// Hashes the keys.
    pub fn new(keys: &[ServiceKey]) -> Self {
        let hashed = keys.iter().map(|service| {
            let integration = Integration(service.name.as_str().into());
            (hash(service.key.expose_secret()), integration)
        });
        Self(hashed.collect())
    }

    /// Returns the integration that has this key. Every hash is compared to its end, and all
    /// are of one length, so that the time reveals nothing of a key.
    fn find(&self, key: &str) -> Option<&Integration> {
        let given = hash(key);
        self.0.iter().fold(
            None,
            |found, (known, integration)| {
                if secret::same(known, &given) { Some(integration) } else { found }
            },
        )
    }
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Requires a valid service key before anything else of a request is read. Handlers behind
/// it take an [`Integration`].
///
/// # Errors
///
/// None of its own: a refusal is a response.
pub async fn require<B: MessageBody>(
    keys: &ServiceKeys,
    request: ServiceRequest,
    next: Next<B>,
) -> std::result::Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    match integration(keys, &request) {
        Ok(integration) => {
            request.extensions_mut().insert(integration);
            next.call(request).await.map(ServiceResponse::map_into_left_body)
        }
        Err(error) => Ok(request.into_response(error.error_response()).map_into_right_body()),
    }
}

fn integration(keys: &ServiceKeys, request: &ServiceRequest) -> Result<Integration> {
    let key = auth::bearer(request).map_err(Error::Unauthenticated)?;
    keys.find(key).cloned().ok_or(Error::Unauthenticated(Unauthenticated {
        detail: "Given token not valid for any token type",
        code: Some("token_not_valid"),
        access_token: None,
    }))
}

impl FromRequest for Integration {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let integration = request.extensions().get::<Self>().cloned();
        ready(integration.ok_or_else(|| Error::internal("a route that takes an integration requires no key")))
    }
}
