//! Every URL of the service, on one page. The [monitor](crate::operations::metrics_server) has its own.

use actix_web::dev::{HttpServiceFactory, ServiceRequest};
use actix_web::http::{Method, header};
use actix_web::middleware::{Condition, DefaultHeaders, Next, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Responder, Route};
use serde_json::json;

use super::state::{Provides, State};
use super::{demo, openapi};
use crate::accounts::http as accounts;
use crate::auth::{self, http as sessions};
use crate::error::{Error, Kind, Result};
use crate::friends::http as friends;
use crate::integrations::{self, http as events};
use crate::messages::http as messages;
use crate::notifications::{http as inbox, socket};
use crate::operations::health;

/// Who may use a route: anybody, a user with an access token, or an integration with its
/// service key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Open,
    Closed,
    Service,
}

use Access::{Closed, Open, Service};

/// Adds every route, and the parts of the state that handlers take.
pub fn configure(service: &mut ServiceConfig, state: &State) {
    state.register(service);
    let at = |path, name, access, methods| at(state, path, name, access, methods);
    if state.serves_demo {
        service.service(at("/demo", "Demo", Open, get(demo::redirect))).service(at(
            "/demo/{path:.*}",
            "Demo",
            Open,
            get(demo::file),
        ));
    }
    service
        .service(at("/", "Health", Open, get(health::root)))
        .service(at("/healthz", "Alive", Open, get(health::alive)))
        .service(at("/readyz", "Ready", Open, get(health::ready)))
        .service(at("/ws/notifications/", "Notifications", Open, get(socket::open)))
        //
        .service(at("/api/schema/", "Schema", Open, get(openapi::document)))
        .service(at("/api/docs", "Docs", Open, get(openapi::page::redirect)))
        .service(at("/api/docs/{path:.*}", "Docs", Open, get(openapi::page::file)))
        //
        .service(at("/api/auth/signup/", "Signup", Open, post(accounts::sign_up)))
        .service(at("/api/auth/login/", "Login", Open, post(sessions::log_in)))
        .service(at("/api/auth/token/refresh/", "Token Refresh", Open, post(sessions::refresh)))
        .service(at("/api/auth/logout/", "Logout", Open, post(sessions::log_out)))
        .service(at("/api/auth/logout/all/", "Logout All", Closed, post(sessions::log_out_everywhere)))
        .service(at("/api/auth/password/", "Password", Closed, post(sessions::change_password)))
        .service(at("/api/auth/ws-ticket/", "Ticket", Closed, post(sessions::ticket)))
        .service(at("/api/auth/users/{username:[^/]+}/", "User", Open, get(accounts::public_user)))
        .service(at("/api/auth/me/", "Me", Closed, get(accounts::me)))
        .service(at("/api/auth/profile/", "Profile", Closed, patch(accounts::change_profile)))
        .service(at(
            "/api/auth/profile/{id:[0-9]+}/",
            "Profile",
            Closed,
            put(accounts::change_numbered_profile),
        ))
        .service(at("/api/auth/search/", "Search", Closed, get(accounts::search)))
        .default_service(web::to(unknown));
    configure_features(service, state);
}

fn configure_features(service: &mut ServiceConfig, state: &State) {
    let at = |path, name, access, methods| at(state, path, name, access, methods);
    service
        .service(at("/api/friends/", "Friends", Closed, get(friends::friends)))
        .service(at("/api/friends/requests/", "Requests", Closed, get(friends::pending)))
        .service(at("/api/friends/suggestions/", "Suggestions", Closed, get(friends::suggestions)))
        .service(at("/api/friends/request/{user:[0-9]+}/", "Request", Closed, post(friends::request)))
        .service(at("/api/friends/accept/{request:[0-9]+}/", "Accept", Closed, post(friends::accept)))
        .service(at("/api/friends/decline/{request:[0-9]+}/", "Decline", Closed, post(friends::decline)))
        .service(at("/api/friends/cancel/{user:[0-9]+}/", "Cancel", Closed, delete(friends::cancel)))
        .service(at("/api/friends/remove/{user:[0-9]+}/", "Remove", Closed, delete(friends::remove)))
        //
        .service(at(
            "/api/messages/",
            "Messages",
            Closed,
            get_and_head(messages::all).on(Method::POST, messages::send),
        ))
        .service(at("/api/messages/conversations/", "Conversations", Closed, get(messages::conversations)))
        .service(at(
            "/api/messages/conversation/{user:[0-9]+}/",
            "Conversation",
            Closed,
            get_and_head(messages::conversation),
        ))
        .service(at(
            "/api/messages/conversation/{user:[0-9]+}/read/",
            "Read",
            Closed,
            post(messages::read_conversation),
        ))
        .service(at("/api/messages/read_all/", "Read All", Closed, post(messages::read_all)))
        .service(at("/api/messages/{id:[0-9]+}/read/", "Read", Closed, patch(messages::read_one)))
        //
        .service(at("/api/notifications/", "Inbox", Closed, get(inbox::list)))
        .service(at("/api/notifications/read/", "Inbox Read", Closed, post(inbox::mark_read)))
        //
        .service(at("/api/events/", "Events", Service, post(events::announce)));
}

/// The methods of a URL and their handlers.
#[derive(Default)]
struct Methods {
    allowed: Vec<Method>,
    routes: Vec<Route>,
}

impl Methods {
    fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
        State: Provides<Args>,
    {
        self.allowed.push(method.clone());
        self.routes.push(web::method(method).to(handler));
        self
    }

    /// Returns the value of `Allow`, in the contract's order.
    fn allow(&self) -> String {
        let order = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD];
        let names = order.iter().filter(|method| self.allowed.contains(method)).map(Method::as_str);
        names.chain(["OPTIONS"]).collect::<Vec<_>>().join(", ")
    }
}

macro_rules! methods {
    ($($name:ident $method:ident;)*) => {
        $(fn $name<F, Args>(handler: F) -> Methods
        where
            F: Handler<Args>,
            Args: FromRequest + 'static,
            F::Output: Responder + 'static,
            State: Provides<Args>,
        {
            Methods::default().on(Method::$method, handler)
        })*
    };
}

methods! {
    get GET;
    post POST;
    put PUT;
    patch PATCH;
    delete DELETE;
}

fn get_and_head<F, Args>(handler: F) -> Methods
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
    State: Provides<Args>,
{
    get(handler.clone()).on(Method::HEAD, handler)
}

/// Returns the service of a URL, with and without its last slash. The token is verified
/// first, then the method, then the body.
fn at(
    state: &State,
    path: &'static str,
    name: &'static str,
    access: Access,
    methods: Methods,
) -> impl HttpServiceFactory + use<> {
    let (authenticator, keys) = (state.authenticator.clone(), state.service_keys.clone());
    let require_token = move |request: ServiceRequest, next: Next<_>| {
        let authenticator = authenticator.clone();
        async move { auth::require(&authenticator, request, next).await }
    };
    let require_key = move |request: ServiceRequest, next: Next<_>| {
        let keys = keys.clone();
        async move { integrations::require(&keys, request, next).await }
    };
    let allow = methods.allow();
    let paths = match path.strip_suffix('/') {
        None | Some("") => vec![path],
        Some(short) => vec![path, short],
    };
    let resource = methods.routes.into_iter().fold(web::resource(paths), actix_web::Resource::route);
    resource
        .route(web::method(Method::OPTIONS).to(move || describe(name)))
        .default_service(web::to(wrong_method))
        .wrap(Condition::new(access == Closed, from_fn(require_token)))
        .wrap(Condition::new(access == Service, from_fn(require_key)))
        .wrap(DefaultHeaders::new().add((header::ALLOW, allow)))
}

/// Describes a URL, for an OPTIONS that is not a preflight.
async fn describe(name: &'static str) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "name": name,
        "description": "",
        "renders": ["application/json"],
        "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
    }))
}

async fn wrong_method(request: HttpRequest) -> Result<HttpResponse> {
    let text = format!("Method \"{}\" not allowed.", request.method());
    Err(Error::Malformed(Kind::MethodNotAllowed, text.into()))
}

async fn unknown() -> Result<HttpResponse> {
    Err(Error::unknown_path())
}
