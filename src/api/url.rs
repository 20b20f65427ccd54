//! A **URL** is a path with its methods, as the router serves it: with and without its last
//! slash, with `Allow` in every response, and with OPTIONS.
//!
//! A request is authenticated first, and waits while too many of its user run; then its method is
//! checked, then its body.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::{Condition, DefaultHeaders, Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError, Route, web};
use serde_json::json;

use super::endpoint::Endpoint;
use super::operation::{self, Authentication, operations};
use super::state::State;
use crate::auth::{self, Viewer};
use crate::error::{Error, Kind, Result};
use crate::integrations;
use crate::limits::Limits;

/// A path with its methods.
pub struct Url {
    pattern: String,
    /// The name that OPTIONS returns.
    label: &'static str,
    authentication: Authentication,
    methods: Vec<Method>,
    routes: Vec<Route>,
}

impl Url {
    /// Returns a URL without methods, which requires no authentication.
    pub fn new(pattern: impl Into<String>, label: &'static str) -> Self {
        let (pattern, authentication) = (pattern.into(), Authentication::None);
        Self { pattern, label, authentication, methods: Vec::new(), routes: Vec::new() }
    }

    /// Adds a method. Where methods of one URL require different authentication, all of
    /// them require the strongest.
    pub fn on(&mut self, method: Method, authentication: Authentication, route: Route) {
        self.authentication = self.authentication.max(authentication);
        self.methods.push(method);
        self.routes.push(route);
    }

    /// Returns the URLs of endpoints, in their order.
    pub fn of(endpoints: &[Endpoint]) -> Vec<Self> {
        let mut urls = Vec::<Self>::new();
        for endpoint in endpoints {
            for (path, item) in &mut (endpoint.describe)().paths.paths {
                for (method, operation) in operations(item) {
                    let pattern = operation::pattern(path, operation);
                    let url = match urls.iter().position(|url| url.pattern == pattern) {
                        Some(place) => &mut urls[place],
                        None => urls.push_mut(Self::new(pattern, endpoint.label)),
                    };
                    let route = (endpoint.route)(method.clone());
                    url.on(method, Authentication::of(operation), route);
                }
            }
        }
        urls
    }

    /// Returns whether the URL describes the service to programmers, who may not be its users.
    pub fn is_documentation(&self) -> bool {
        self.pattern == "/api/schema/"
    }

    /// Returns what the router serves.
    pub fn resource(self, state: &State) -> impl HttpServiceFactory + use<> {
        let (authenticator, keys) = (state.authenticator.clone(), state.service_keys.clone());
        let require_token = move |request: ServiceRequest, next: Next<_>| {
            let authenticator = authenticator.clone();
            async move { auth::require(&authenticator, request, next).await }
        };
        let limits = state.limits.clone();
        let require_slot = move |request: ServiceRequest, next: Next<_>| {
            let limits = limits.clone();
            async move { run_in_slot(&limits, request, next).await }
        };
        let require_key = move |request: ServiceRequest, next: Next<_>| {
            let keys = keys.clone();
            async move { integrations::require(&keys, request, next).await }
        };
        let (allow, label, authentication) = (self.allow(), self.label, self.authentication);
        let resource = self.routes.into_iter().fold(web::resource(paths(&self.pattern)), Resource::route);
        resource
            .route(web::method(Method::OPTIONS).to(move || describe(label)))
            .default_service(web::to(wrong_method))
            .wrap(Condition::new(authentication == Authentication::AccessToken, from_fn(require_slot)))
            .wrap(Condition::new(authentication == Authentication::AccessToken, from_fn(require_token)))
            .wrap(Condition::new(authentication == Authentication::ServiceKey, from_fn(require_key)))
            .wrap(DefaultHeaders::new().add((header::ALLOW, allow)))
    }

    /// Returns the value of `Allow`, in the contract's order.
    fn allow(&self) -> String {
        let order = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD];
        let names = order.iter().filter(|method| self.methods.contains(method)).map(Method::as_str);
        names.chain(["OPTIONS"]).collect::<Vec<_>>().join(", ")
    }
}

/// Runs a user's request when few others of the same user run.
async fn run_in_slot<B: MessageBody>(
    limits: &Limits,
    mut request: ServiceRequest,
    next: Next<B>,
) -> std::result::Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    let viewer = request.extract::<Viewer>().await?;
    match limits.request(viewer.id).await {
        Ok(slot) => {
            let response = next.call(request).await;
            drop(slot);
            response.map(ServiceResponse::map_into_left_body)
        }
        Err(error) => Ok(request.into_response(error.error_response()).map_into_right_body()),
    }
}

/// Returns a pattern with and without its last slash.
fn paths(pattern: &str) -> Vec<&str> {
    match pattern.strip_suffix('/') {
        None | Some("") => vec![pattern],
        Some(short) => vec![pattern, short],
    }
}

/// Describes a URL, for an OPTIONS that is not a preflight.
async fn describe(label: &'static str) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "name": label,
        "description": "",
        "renders": ["application/json"],
        "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
    }))
}

async fn wrong_method(request: HttpRequest) -> Result<HttpResponse> {
    let text = format!("Method \"{}\" not allowed.", request.method());
    Err(Error::Malformed(Kind::MethodNotAllowed, text.into()))
}
