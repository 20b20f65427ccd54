//! Every handler of the API, in one table; pages are added in [`configure`]. The URL of each is in its `#[utoipa::path]`;
//! the router and the description are both made from the table. The
//! [metrics server](crate::operations::metrics_server) has a router of its own.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Route};
use utoipa::openapi::OpenApi;

use super::demo;
use super::endpoint::{Endpoint, endpoints, route};
use super::openapi::{description, document as schema, page};
use super::operation::Authentication;
use super::state::State;
use super::url::Url;
use crate::accounts::http as accounts;
use crate::auth::http as auth;
use crate::error::{Error, Result};
use crate::friends::http as friends;
use crate::integrations::http as integrations;
use crate::messages::http as messages;
use crate::notifications::{http as notifications, socket};
use crate::operations::health;
use crate::posts::http as posts;
use crate::stories::http as stories;

/// Every handler that is described. The labels are part of the contract.
static ENDPOINTS: &[Endpoint] = endpoints! {
    "Health" => health::root;
    "Alive" => health::alive;
    "Ready" => health::ready;
    "Notifications" => socket::open;

    "Signup" => accounts::sign_up;
    "Login" => auth::log_in;
    "Token Refresh" => auth::refresh;
    "Logout" => auth::log_out;
    "Logout All" => auth::log_out_everywhere;
    "Sign-ins" => auth::sign_ins;
    "Sign-in" => auth::revoke_sign_in;
    "Password" => auth::change_password;
    "Ticket" => auth::ticket;
    "User" => accounts::public_user;
    "Me" => accounts::me;
    "Profile" => accounts::change_profile;
    "Profile" => accounts::change_numbered_profile;
    "Search" => accounts::search;

    "Friends" => friends::friends;
    "Requests" => friends::pending;
    "Suggestions" => friends::suggestions;
    "Request" => friends::request;
    "Accept" => friends::accept;
    "Decline" => friends::decline;
    "Cancel" => friends::cancel;
    "Remove" => friends::remove;

    "Messages" => messages::all, messages::send;
    "Conversations" => messages::conversations;
    "Conversation" => messages::conversation;
    "Read" => messages::read_conversation;
    "Read All" => messages::read_all;
    "Read" => messages::read_one;

    "Posts" => posts::list, posts::write;
    "Post" => posts::one, posts::change, posts::delete;
    "Replies" => posts::replies;
    "Like" => posts::like;
    "Share" => posts::share;

    "Stories" => stories::all, stories::publish;
    "My Stories" => stories::own;
    "User Stories" => stories::of_user;
    "Story" => stories::delete;
    "View" => stories::view;
    "React" => stories::react, stories::take_back;

    "Inbox" => notifications::list;
    "Inbox Read" => notifications::mark_read;

    "Events" => integrations::announce;

    "Schema" => schema::document;
};

/// Returns the description of the whole service.
pub fn description() -> OpenApi {
    description::of(ENDPOINTS.iter().map(|endpoint| (endpoint.describe)()))
}

/// Adds every route, and the parts of the state that handlers take.
pub fn configure(service: &mut ServiceConfig, state: &State) {
    state.register(service);
    for url in Url::of(ENDPOINTS).into_iter().filter(|url| state.serves_docs || !url.is_documentation()) {
        service.service(url.resource(state));
    }
    let mut at = |path, label, route: Route| {
        let mut url = Url::new(path, label);
        url.on(Method::GET, Authentication::None, route);
        service.service(url.resource(state));
    };
    // Pages are for browsers, not for programs: they are not described.
    if state.serves_docs {
        at("/api/docs", "Docs", route(Method::GET, page::redirect));
        at("/api/docs/{path:.*}", "Docs", route(Method::GET, page::file));
    }
    if state.serves_demo {
        at("/demo", "Demo", route(Method::GET, demo::redirect));
        at("/demo/{path:.*}", "Demo", route(Method::GET, demo::file));
    }
    service.default_service(web::to(unknown));
}

async fn unknown() -> Result<HttpResponse> {
    Err(Error::unknown_path())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::ENDPOINTS;
    use crate::api::operation::{Authentication, operations};

    #[test]
    fn the_endpoints_of_one_url_agree_on_label_and_authentication() {
        let mut stated = BTreeMap::new();
        for endpoint in ENDPOINTS {
            for (path, item) in &mut (endpoint.describe)().paths.paths {
                for (_, operation) in operations(item) {
                    let this = (endpoint.label, Authentication::of(operation));
                    let first = *stated.entry(path.clone()).or_insert(this);
                    assert_eq!(first, this, "{path}");
                }
            }
        }
    }

    #[test]
    fn schemas_of_one_name_are_equal() {
        let mut schemas = BTreeMap::new();
        for endpoint in ENDPOINTS {
            for (name, schema) in (endpoint.describe)().components.into_iter().flat_map(|it| it.schemas) {
                let first = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
                assert!(*first == schema, "two schemas are named {name}");
            }
        }
    }
}
