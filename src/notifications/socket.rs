//! `/ws/notifications/`: who may open a socket, and the way into a session.

use std::fmt::Display;
use std::sync::Arc;

use actix_http::ws;
use actix_web::http::header::{HeaderValue, ORIGIN, UPGRADE};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use bytestring::ByteString;

use super::close_reason::CloseReason;
use super::feed::Feed;
use super::handshake::{Handshake, PROTOCOL, SocketCredential};
use super::inbound::Inbound;
use super::queries;
use super::roster::{NoRoom, Place, Roster};
use super::session::{self, Session};
use crate::auth::{Account, AuthError, Authenticator, Claims, TokenError, TokenType};
use crate::channel_layer::{Capacity, ChannelLayer, Group};
use crate::db::Db;
use crate::error::{Error, Kind, Result};
use crate::events::Seq;
use crate::limits::Limits;
use crate::request::client_address::ClientAddress;
use crate::request::response::Detail;
use crate::server::connection::UpgradeFlag;
use crate::settings::{Pattern, Socket};
use crate::telemetry::{Metrics, RequestId};

/// Opens sockets. A cheap handle.
#[derive(Clone)]
pub struct Sockets {
    /// Verifies tokens and tickets.
    pub authenticator: Arc<Authenticator>,
    /// Has the inboxes.
    pub db: Db,
    /// Carries envelopes to sessions.
    pub layer: ChannelLayer,
    /// How much anybody may take.
    pub limits: Arc<Limits>,
    /// The sessions of this process.
    pub roster: Roster,
    /// The bounds of a socket.
    pub settings: Socket,
    /// The origins whose pages may open a socket; any if there are none.
    pub allowed_origins: Arc<[Pattern]>,
    /// What the service counts.
    pub metrics: Metrics,
}

/// Opens a socket; `docs/asyncapi.yaml` describes its frames, and `docs/protocol.md` tells of them.
#[utoipa::path(
    get,
    path = "/ws/notifications/",
    tag = "notifications",
    security(()),
    params(
        ("token" = inline(Option<String>), Query, description = "An access token; better is the subprotocol `bearer.<access>`."),
        ("ticket" = inline(Option<String>), Query, description = "A ticket, instead of a token."),
        ("cursor" = inline(Option<u64>), Query, description = "The last `seq` that the client has."),
    ),
    responses(
        (status = 101, description = "The socket is open."),
        (status = 400, description = "The handshake or the cursor is none.", body = Detail),
        (status = 403, description = "The token or the origin is no good.", body = Detail),
        (status = 429, description = "Too many connects from this address, or sockets of this person.", body = Detail),
        (
            status = 426,
            description = "It is no handshake.",
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
    match sockets.open(&request, payload, address).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = error.error_response();
            if matches!(error, Error::Malformed(Kind::UpgradeRequired, _)) {
                response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            }
            response
        }
    }
}

impl Sockets {
    async fn open(
        &self,
        request: &HttpRequest,
        payload: Payload,
        address: ClientAddress,
    ) -> Result<HttpResponse> {
        let upgrades = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
        if !upgrades.is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
            return Err(Error::Malformed(Kind::UpgradeRequired, "This path takes WebSockets only.".into()));
        }
        ws::verify_handshake(request.head()).map_err(|error| no_handshake(&error))?;
        self.check_origin(request)?;
        if self.roster.is_closing() {
            return Err(Error::unavailable("the instance is stopping"));
        }
        let handshake = Handshake::parse(request)?;
        if let Err(refusal) = self.limits.connect(address.network()) {
            let end = CloseReason::RateLimited("too many connects; try again later");
            return self.refuse(request, payload, &handshake, end, refusal);
        }
        let (account, claim) = match self.identify(&handshake).await {
            Ok(identified) => identified,
            Err(refusal) => return self.refuse_key(request, payload, &handshake, refusal),
        };
        let place = match self.roster.enter(account.id, claim.issued_at) {
            Ok(place) => place,
            Err(no_room) => {
                let (end, refusal) = match no_room {
                    NoRoom::ForPerson => {
                        (CloseReason::RateLimited("too many sockets"), self.limits.too_many_sockets())
                    }
                    NoRoom::ForAnybody => (CloseReason::AtCapacity, self.limits.full()),
                };
                return self.refuse(request, payload, &handshake, end, refusal);
            }
        };
        // Last, so that a ticket whose handshake found no room is good for another try.
        if let Err(refusal) = self.spend(&handshake, &claim).await {
            return self.refuse_key(request, payload, &handshake, refusal);
        }
        let (response, socket, inbound) = upgrade(request, payload)?;
        let beginning =
            self.clone().begin(account, claim.issued_at, place, handshake.cursor, socket, inbound);
        // The session that begins is no part of the request any more.
        let id = RequestId::current().unwrap_or_else(RequestId::random);
        let beginning = Box::pin(id.scope(beginning));
        let life = async {
            if let Some((session, greeting)) = beginning.await {
                session.run(greeting).await;
            }
        };
        actix_web::rt::spawn(life);
        Ok(response)
    }

    fn check_origin(&self, request: &HttpRequest) -> Result<()> {
        let allowed = &self.allowed_origins;
        let origin = request.headers().get(ORIGIN).and_then(|value| value.to_str().ok());
        if allowed.is_empty() || origin.is_some_and(|origin| allowed.iter().any(|it| it.matches(origin))) {
            return Ok(());
        }
        Err(Error::Malformed(Kind::Forbidden, "origin not allowed".into()))
    }

    async fn identify(&self, handshake: &Handshake) -> std::result::Result<(Account, Claims), AuthError> {
        let (token, token_type) = match &handshake.key {
            None => return Err(AuthError::Token(TokenError::Invalid)),
            Some(SocketCredential::Token(token)) => (token, TokenType::Access),
            Some(SocketCredential::Ticket(ticket)) => (ticket, TokenType::Ticket),
        };
        self.authenticator.authenticate(token, token_type).await
    }

    /// Uses a ticket up. One of many who bring the same one gets in.
    async fn spend(&self, handshake: &Handshake, claim: &Claims) -> std::result::Result<(), AuthError> {
        if !matches!(handshake.key, Some(SocketCredential::Ticket(_))) {
            return Ok(());
        }
        self.authenticator.redeem(claim.clone()).await
    }

    fn refuse_key(
        &self,
        request: &HttpRequest,
        payload: Payload,
        handshake: &Handshake,
        refusal: AuthError,
    ) -> Result<HttpResponse> {
        if let AuthError::Failed(error) = refusal {
            return Err(error);
        }
        let why = handshake.words(&refusal);
        let refusal = Error::Malformed(Kind::Forbidden, why.into());
        self.refuse(request, payload, handshake, CloseReason::Unauthenticated(why), refusal)
    }

    /// Refuses a handshake. For a client that offers [`PROTOCOL`] the socket is opened
    /// only to be closed: a page cannot read why a handshake failed.
    fn refuse(
        &self,
        request: &HttpRequest,
        payload: Payload,
        handshake: &Handshake,
        end: CloseReason,
        refusal: Error,
    ) -> Result<HttpResponse> {
        if !handshake.versioned {
            return Err(refusal);
        }
        let (response, socket, _inbound) = upgrade(request, payload)?;
        let metrics = self.metrics.clone();
        actix_web::rt::spawn(async move { session::close(socket, end, None, &metrics).await });
        Ok(response)
    }

    /// Subscribes, and asks where the inbox stands. In this order: see [`Feed::new`].
    ///
    /// What it needs for that is gone when the session lives: its future is boxed.
    async fn begin(
        self,
        account: Account,
        issued_at: i64,
        place: Place,
        cursor: Option<Seq>,
        socket: actix_ws::Session,
        inbound: actix_ws::MessageStream,
    ) -> Option<(Box<Session>, ByteString)> {
        let (user, settings, metrics) = (account.id, self.settings, self.metrics);
        let capacity = Capacity { payloads: settings.queue_events, bytes: settings.queue_bytes };
        let subscription = self.layer.subscribe(Group::user(user), capacity).await;
        let standing = self.db.read_in_background(move |conn| Ok(queries::standings(conn, &[user])?)).await;
        let last_seq = match standing.map(|standings| standings.first().copied()) {
            // What ended the session before it was subscribed was not heard of.
            Ok(standing) if !standing.is_some_and(|standing| standing.admits(issued_at)) => {
                session::close(socket, CloseReason::Revoked, Some(user), &metrics).await;
                return None;
            }
            Ok(standing) => standing.map_or(0, |standing| standing.last_seq),
            Err(error) => {
                tracing::warn!(user.id = %user, cause = %error, "no position to begin a session at");
                session::close(socket, CloseReason::TryAgain, Some(user), &metrics).await;
                return None;
            }
        };
        tracing::info!(user.id = %user, cursor, seq = last_seq, "socket opened");
        let feed = Feed::new(user, self.db, metrics.clone(), subscription, last_seq, cursor);
        let inbound = Inbound::new(inbound, self.limits.frames(), metrics.clone());
        let session = Session { socket, inbound, feed, place, settings, metrics };
        Some((Box::new(session), session::greeting(&account, last_seq)))
    }
}

fn upgrade(
    request: &HttpRequest,
    payload: Payload,
) -> Result<(HttpResponse, actix_ws::Session, actix_ws::MessageStream)> {
    let upgraded = actix_ws::handle_with_protocols(request, payload, &[PROTOCOL]);
    let upgraded = upgraded.map_err(|error| no_handshake(&error))?;
    if let Some(upgraded) = request.conn_data::<UpgradeFlag>() {
        upgraded.set();
    }
    Ok(upgraded)
}

fn no_handshake(error: &dyn Display) -> Error {
    Error::Malformed(Kind::Invalid, format!("No WebSocket handshake: {error}").into())
}
