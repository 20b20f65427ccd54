//! `/ws/notifications/`: [`Sockets`] accepts or refuses a handshake, and begins the session of
//! one that it accepted.

use std::fmt::Display;
use std::sync::Arc;

use actix_http::ws;
use actix_web::http::header::{
    CONTENT_LENGTH, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL, TRANSFER_ENCODING, UPGRADE,
};
use actix_web::rt::net::TcpStream;
use actix_web::web::{BytesMut, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use bytestring::ByteString;
use futures_util::future::LocalBoxFuture;

use super::close_reason::CloseReason;
use super::closing;
use super::feed::Feed;
use super::handshake::{Handshake, Refusal, SocketCredential};
use super::inbound::Inbound;
use super::roster::{AtCapacity, Registration, Roster};
use super::session::{self, Session};
use super::session_handle::OpeningToken;
use super::shared::Shared;
use crate::auth::{Account, AuthError, Authenticator, Claims, TokenError, TokenType};
use crate::channel_layer::{Capacity, ChannelLayer, Group};
use crate::error::{Error, Kind, Result};
use crate::events::{PROTOCOL, Seq};
use crate::ids::UserId;
use crate::limits::Limits;
use crate::request::client_address::ClientAddress;
use crate::request::response::Detail;
use crate::server::handover::Handover;
use crate::settings::Pattern;
use crate::telemetry::RequestId;

/// Opens sockets. A cheap handle.
#[derive(Clone)]
pub struct Sockets {
    /// Verifies tokens and tickets.
    pub authenticator: Arc<Authenticator>,
    /// Carries envelopes to sessions.
    pub layer: ChannelLayer,
    /// The limits of connects and frames.
    pub limits: Arc<Limits>,
    /// The sessions of this process.
    pub roster: Roster,
    /// The origins whose pages may open a socket; any if there are none.
    pub allowed_origins: Arc<[Pattern]>,
    /// What all sessions have in common.
    pub shared: Arc<Shared>,
}

/// Opens a socket. `docs/asyncapi.yaml` describes its frames, and `docs/protocol.md` explains them.
#[utoipa::path(
    get,
    path = "/ws/notifications/",
    tag = "notifications",
    security(()),
    params(
        ("token" = inline(Option<String>), Query, description = "An access token; the subprotocol `bearer.<access>` is preferred."),
        ("ticket" = inline(Option<String>), Query, description = "A ticket, instead of a token."),
        ("cursor" = inline(Option<u64>), Query, description = "The last `seq` that the client has."),
    ),
    responses(
        (status = 101, description = "The socket is open."),
        (status = 400, description = "The handshake or the cursor is malformed.", body = Detail),
        (status = 403, description = "The token, the ticket or the origin is invalid.", body = Detail),
        (status = 429, description = "Too many connects from this address, or sockets of this user.", body = Detail),
        (
            status = 426,
            description = "It is not a WebSocket handshake.",
            body = Detail,
            headers(("Upgrade" = String, description = "`websocket`")),
        ),
    ),
)]
pub async fn open(
    request: HttpRequest,
    payload: Payload,
    address: ClientAddress,
    sockets: Data<Sockets>,
) -> HttpResponse {
    let opened = sockets.open(&request, payload, address).await;
    opened.unwrap_or_else(|error| error_response(&error))
}

fn error_response(error: &Error) -> HttpResponse {
    let mut response = error.error_response();
    if matches!(error, Error::Malformed(Kind::UpgradeRequired, _)) {
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    response
}

/// A client whose handshake is accepted.
struct Accepted {
    account: Account,
    token: OpeningToken,
    registration: Registration,
    cursor: Option<Seq>,
    is_versioned: bool,
}

impl Sockets {
    async fn open(
        &self,
        request: &HttpRequest,
        payload: Payload,
        address: ClientAddress,
    ) -> Result<HttpResponse> {
        self.check_request(request)?;
        let handshake = Handshake::parse(request)?;
        match self.accept(&handshake, address).await {
            Ok(accepted) => self.start(request, payload, accepted),
            Err(refusal) => self.refuse(request, payload, &handshake, refusal),
        }
    }

    /// Checks everything that needs neither a credential nor a query.
    fn check_request(&self, request: &HttpRequest) -> Result<()> {
        let upgrade = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
        if !upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
            return Err(Error::Malformed(Kind::UpgradeRequired, "This path takes WebSockets only.".into()));
        }
        ws::verify_handshake(request.head()).map_err(|error| not_a_handshake(&error))?;
        // What follows a body would be further requests, and no frames.
        let has_length = request.headers().get(CONTENT_LENGTH).is_some_and(|length| length != "0");
        if has_length || request.headers().contains_key(TRANSFER_ENCODING) {
            return Err(not_a_handshake(&"it has a body"));
        }
        self.check_origin(request)?;
        if self.roster.is_closing() {
            return Err(Error::unavailable("the instance is stopping"));
        }
        Ok(())
    }

    fn check_origin(&self, request: &HttpRequest) -> Result<()> {
        let allowed = &self.allowed_origins;
        let origin = request.headers().get(ORIGIN).and_then(|value| value.to_str().ok());
        if allowed.is_empty() || origin.is_some_and(|origin| allowed.iter().any(|it| it.matches(origin))) {
            return Ok(());
        }
        Err(Error::Malformed(Kind::Forbidden, "origin not allowed".into()))
    }

    /// Authenticates a client and registers its session.
    async fn accept(
        &self,
        handshake: &Handshake,
        address: ClientAddress,
    ) -> std::result::Result<Accepted, Refusal> {
        self.limits.connect(address.network()).map_err(|error| {
            Refusal::new(CloseReason::RateLimited("too many connects; try again later"), error)
        })?;
        let refuse_credential = |error| handshake.refuse_credential(error);
        let (account, claims) = self.authenticate(handshake).await.map_err(refuse_credential)?;
        let token = self.opening_token(handshake, &claims);
        let registration = self.roster.register(account.id, token).map_err(|full| self.at_capacity(full))?;
        // Last, so that a ticket can be used again if there was no capacity for its socket.
        self.redeem(handshake, claims).await.map_err(refuse_credential)?;
        let Handshake { cursor, is_versioned, .. } = *handshake;
        Ok(Accepted { account, token, registration, cursor, is_versioned })
    }

    async fn authenticate(&self, handshake: &Handshake) -> std::result::Result<(Account, Claims), AuthError> {
        let (token, token_type) = match &handshake.credential {
            None => return Err(AuthError::Token(TokenError::Invalid)),
            Some(SocketCredential::Token(token)) => (token, TokenType::Access),
            Some(SocketCredential::Ticket(ticket)) => (ticket, TokenType::Ticket),
        };
        self.authenticator.authenticate(token, token_type).await
    }

    /// Returns what the session keeps of its token. Only clients that read close codes are closed
    /// when it has expired for long: they get a fresh token, and others would lose their socket.
    fn opening_token(&self, handshake: &Handshake, claims: &Claims) -> OpeningToken {
        let beyond = i64::try_from(self.shared.settings.beyond_token.as_secs()).unwrap_or(i64::MAX);
        let closed_at = handshake.is_versioned.then(|| claims.expires_at.saturating_add(beyond));
        OpeningToken { issued_at: claims.issued_at, sign_in: claims.sign_in(), closed_at }
    }

    /// Redeems a ticket. Of many handshakes with the same one, one succeeds.
    async fn redeem(&self, handshake: &Handshake, claims: Claims) -> std::result::Result<(), AuthError> {
        if !matches!(handshake.credential, Some(SocketCredential::Ticket(_))) {
            return Ok(());
        }
        self.authenticator.redeem(claims).await
    }

    fn at_capacity(&self, full: AtCapacity) -> Refusal {
        match full {
            AtCapacity::ForUser => {
                Refusal::new(CloseReason::RateLimited("too many sockets"), self.limits.too_many_sockets())
            }
            AtCapacity::ForInstance => Refusal::new(CloseReason::AtCapacity, self.limits.full()),
        }
    }

    /// Refuses a handshake. For a client that offers [`PROTOCOL`] the socket is opened only
    /// to be closed: a page in a browser cannot read why a handshake failed.
    fn refuse(
        &self,
        request: &HttpRequest,
        payload: Payload,
        handshake: &Handshake,
        refusal: Refusal,
    ) -> Result<HttpResponse> {
        let reason = match refusal.reason {
            Some(reason) if handshake.is_versioned => reason,
            _ => return Err(refusal.error),
        };
        let shared = self.shared.clone();
        upgrade(request, payload, true, |stream, _early| Box::pin(reject(stream, reason, shared, None)))
    }

    /// Upgrades the connection and starts the session when HTTP has ended on it.
    fn start(&self, request: &HttpRequest, payload: Payload, accepted: Accepted) -> Result<HttpResponse> {
        // The session is not part of the request any more, and keeps its id.
        let id = RequestId::current().unwrap_or_else(RequestId::random);
        let (layer, limits, shared) = (self.layer.clone(), self.limits.clone(), self.shared.clone());
        upgrade(request, payload, accepted.is_versioned, move |stream, early| {
            let beginning = Beginning { accepted, layer, limits, shared, stream, early };
            // Boxed, so that what it needs takes no memory for as long as the session lives.
            let begun = Box::pin(id.scope(beginning.begin()));
            Box::pin(async {
                if let Some((session, greeting)) = begun.await {
                    session.run(greeting).await;
                }
            })
        })
    }
}

/// What a session begins with.
struct Beginning {
    accepted: Accepted,
    layer: ChannelLayer,
    limits: Arc<Limits>,
    shared: Arc<Shared>,
    stream: TcpStream,
    early: BytesMut,
}

impl Beginning {
    /// Subscribes, then reads the position of the inbox; for the order see [`Feed::new`].
    /// Returns the session and its greeting.
    async fn begin(self) -> Option<(Box<Session>, ByteString)> {
        let Self { accepted, layer, limits, shared, stream, early } = self;
        let Accepted { account, token, registration, cursor, is_versioned } = accepted;
        let (user, settings) = (account.id, shared.settings);
        let capacity = Capacity { payloads: settings.queue_events, bytes: settings.queue_bytes };
        let subscription = layer.subscribe(Group::user(user), capacity).await;
        let position = match shared.positions.get(user).await {
            Ok(Some(position)) if position.permits(&token) => position,
            // A revocation that was published before the subscription was made was missed.
            Ok(_) => {
                drop((subscription, registration));
                reject(stream, CloseReason::Revoked, shared, Some(user)).await;
                return None;
            }
            Err(error) => {
                tracing::warn!(user.id = %user, cause = %error, "reading the inbox position failed; closing the socket");
                drop((subscription, registration));
                reject(stream, CloseReason::TryAgain, shared, Some(user)).await;
                return None;
            }
        };
        tracing::info!(user.id = %user, cursor, seq = position.last_seq, "socket opened");
        let feed = Feed::new(user, shared.clone(), subscription, position.last_seq, cursor, is_versioned);
        let inbound = Inbound::new(early, limits.frames());
        let session = Session { stream, inbound, feed, registration, shared, outbox: None };
        Some((Box::new(session), session::greeting(&account, &position)))
    }
}

/// Closes a socket that has no session.
async fn reject(stream: TcpStream, reason: CloseReason, shared: Arc<Shared>, user: Option<UserId>) {
    closing::record(&reason, user, &shared.metrics);
    closing::close(stream, None, reason, shared.settings.write_timeout).await;
}

/// Responds to a handshake with 101, after which `successor` gets the connection's stream.
/// `is_versioned` says that the client offers [`PROTOCOL`].
fn upgrade(
    request: &HttpRequest,
    payload: Payload,
    is_versioned: bool,
    successor: impl FnOnce(TcpStream, BytesMut) -> LocalBoxFuture<'static, ()> + 'static,
) -> Result<HttpResponse> {
    let mut response = ws::handshake(request.head()).map_err(|error| not_a_handshake(&error))?;
    let Some(handover) = request.conn_data::<Handover>() else {
        return Err(Error::internal("the connection cannot be handed over"));
    };
    if is_versioned {
        response.insert_header((SEC_WEBSOCKET_PROTOCOL, PROTOCOL));
    }
    let body = handover.request(payload.into_inner(), successor);
    let response = response.message_body(body).map_err(|error| Error::internal(error.to_string()))?;
    Ok(HttpResponse::from(response.map_into_boxed_body()))
}

fn not_a_handshake(error: &dyn Display) -> Error {
    Error::Malformed(Kind::Invalid, format!("No WebSocket handshake: {error}").into())
}
