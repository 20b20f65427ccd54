//! The [`State`] is every part of the application that handlers work with.
//!
//! A handler takes a part by its type, as [`Data`], and extractors take theirs the same
//! way. [`Provides`] requires at compile time that the state has what a handler takes, so
//! that no route looks up a part that is missing.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Payload, ServiceConfig};

use super::openapi::document::Document;
use crate::accounts::ReservedUsernames;
use crate::auth::{Authenticator, Viewer};
use crate::db::Db;
use crate::events::{BatchCommitter, Events};
use crate::idempotency::IdempotencyKey;
use crate::integrations::{Announcements, Integration, ServiceKeys};
use crate::limits::Limits;
use crate::messages;
use crate::notifications::socket::Sockets;
use crate::operations::health::Health;
use crate::request::body::Body;
use crate::request::client_address::ClientAddress;
use crate::request::fields::{Parameters, RawFields};
use crate::settings::{Access, Requests, Stories};
use crate::telemetry::Metrics;

macro_rules! state {
    ($($(#[$doc:meta])* $part:ident: $type:ty,)*) => {
        /// Every part of the application that handlers work with. Cheap to clone.
        #[derive(Clone)]
        pub struct State {
            $($(#[$doc])* pub $part: Data<$type>,)*
            /// Whether the demo page is served.
            pub serves_demo: bool,
            /// Whether the description of the API is served.
            pub serves_docs: bool,
        }

        impl State {
            /// Registers every part under its type.
            pub(super) fn register(&self, service: &mut ServiceConfig) {
                $(service.app_data(self.$part.clone());)*
            }
        }

        $(impl Provides<Data<$type>> for State {})*
    };
}

state! {
    /// The hosts, origins and proxies that may access the service.
    access: Access,
    /// The bounds of one request.
    requests: Requests,
    /// How long stories live.
    stories: Stories,
    /// The database.
    db: Db,
    /// Commits units of work.
    events: Events,
    /// Sends messages.
    messages: BatchCommitter<messages::Send>,
    /// Commits announcements of integrations.
    announcements: Announcements,
    /// The usernames that nobody may take.
    reserved_usernames: ReservedUsernames,
    /// Rate limits.
    limits: Limits,
    /// Verifies credentials.
    authenticator: Authenticator,
    /// The keys of integrations.
    service_keys: ServiceKeys,
    /// Opens sockets.
    sockets: Sockets,
    /// The readiness of the process.
    health: Health,
    /// The counters and histograms of the process.
    metrics: Metrics,
    /// The description of the API.
    document: Document,
}

/// Asserts that the state has what `T` takes, an extractor or a tuple of extractors.
///
/// ```
/// # use numeneon::{api::state::{Provides, State}, db::Db};
/// # use actix_web::web::Data;
/// fn accept<T>() where State: Provides<T> {}
/// accept::<(Data<Db>,)>();
/// ```
///
/// A part that the state lacks does not compile:
///
/// ```compile_fail
/// # use numeneon::api::state::{Provides, State};
/// # use actix_web::web::Data;
/// fn accept<T>() where State: Provides<T> {}
/// accept::<(Data<String>,)>();
/// ```
pub trait Provides<T> {}

// The body and the client address take their bounds and the trusted proxies from the state.
impl Provides<Body> for State where Self: Provides<Data<Requests>> {}
impl Provides<RawFields> for State where Self: Provides<Data<Requests>> {}
impl Provides<ClientAddress> for State where Self: Provides<Data<Access>> {}
// The routes require a token or a key before a handler takes one of these.
impl Provides<Viewer> for State {}
impl Provides<Integration> for State {}
// These take nothing from the state.
impl Provides<HttpRequest> for State {}
impl Provides<IdempotencyKey> for State {}
impl Provides<Parameters> for State {}
impl<T> Provides<Path<T>> for State {}
impl Provides<Payload> for State {}

macro_rules! provides_tuples {
    ($(($($extractor:ident),*))*) => {
        $(impl<$($extractor),*> Provides<($($extractor,)*)> for State where $(Self: Provides<$extractor>),* {})*
    };
}

provides_tuples! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }
