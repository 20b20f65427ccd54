//! The description is what the service says of itself: OpenAPI 3.1, made from the code.
//!
//! Each handler states what it takes and what only it answers, in its
//! `#[utoipa::path]`; the [answers of many](common) are added here. That every route is
//! in it, and nothing else, is for `tests/api/description.rs` to see. Sockets speak in
//! frames: those are in `docs/asyncapi.yaml`, and told in `docs/protocol.md`.

mod common;
pub mod page;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::Bytes;
use utoipa::OpenApi;

use self::common::{Answers, Bodies, Names, Security};
use crate::error::{Error, Result};
use crate::request::response::{Detail, FieldErrors, Rejection, UnauthorizedBody};

/// All that is described, in the order of [`crate::api::routes`].
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Numeneon",
        description = "The live side of a social app: accounts, friends, direct messages, and \
                       an instant feed of all that happens to a person.\n\nA missing last slash \
                       is forgiven. OPTIONS is answered on every path.",
    ),
    paths(
        crate::operations::health::root,
        crate::operations::health::alive,
        crate::operations::health::ready,
        crate::notifications::socket::open,
        crate::accounts::http::sign_up,
        crate::auth::http::log_in,
        crate::auth::http::refresh,
        crate::auth::http::log_out,
        crate::auth::http::log_out_everywhere,
        crate::auth::http::change_password,
        crate::auth::http::ticket,
        crate::accounts::http::public_user,
        crate::accounts::http::me,
        crate::accounts::http::change_profile,
        crate::accounts::http::change_numbered_profile,
        crate::accounts::http::search,
        crate::friends::http::friends,
        crate::friends::http::pending,
        crate::friends::http::suggestions,
        crate::friends::http::request,
        crate::friends::http::accept,
        crate::friends::http::decline,
        crate::friends::http::cancel,
        crate::friends::http::remove,
        crate::messages::http::all,
        crate::messages::http::send,
        crate::messages::http::conversations,
        crate::messages::http::conversation,
        crate::messages::http::read_conversation,
        crate::messages::http::read_all,
        crate::messages::http::read_one,
        crate::notifications::http::list,
        crate::notifications::http::mark_read,
        crate::integrations::http::announce,
        document,
    ),
    components(schemas(Detail, FieldErrors, UnauthorizedBody, Rejection)),
    // What a handler says nothing about needs a token: forgetting it opens nothing.
    security(("bearer" = [])),
    modifiers(&Security, &Bodies, &Answers, &Names),
    tags(
        (name = "auth", description = "Signing up and in, the viewer's own account, and finding others."),
        (name = "friends", description = "Friends, requests and suggestions."),
        (name = "messages", description = "Messages, conversations, and what was read."),
        (name = "notifications", description = "What happened to the viewer."),
        (name = "events", description = "What other services announce."),
        (name = "health", description = "The process itself."),
        (name = "openapi", description = "This description."),
    ),
)]
struct Description;

/// Written once: it is the same for as long as the process lives.
static DOCUMENT: LazyLock<serde_json::Result<Bytes>> =
    LazyLock::new(|| serde_json::to_vec(&Description::openapi()).map(Bytes::from));

/// Answers this description.
#[utoipa::path(
    get,
    path = "/api/schema/",
    tag = "openapi",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value)),
)]
pub async fn document() -> Result<HttpResponse> {
    let document = DOCUMENT.as_ref().map_err(|error| Error::internal(error.to_string()))?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(document.clone()))
}
