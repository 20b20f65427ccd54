//! The description of the whole service, from the descriptions of its handlers.

use utoipa::openapi::OpenApi;
use utoipa::{Modify, OpenApi as _};

use super::modifiers::{BodyTypes, OperationIds, SecuritySchemes};
use super::shared_responses::SharedResponses;
use crate::request::response::{Detail, FieldErrors, Rejection, UnauthorizedBody};

/// What belongs to no single operation.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Numeneon",
        description = "The live side of a social app: accounts, friends, direct messages, posts, stories, and \
                       a live feed of each user's events.\n\nThe last slash of a path may be \
                       omitted. Every path allows OPTIONS.",
    ),
    components(schemas(Detail, FieldErrors, UnauthorizedBody, Rejection)),
    // The default of every operation, so that one that states no security requires a token.
    security(("bearer" = [])),
    tags(
        (name = "auth", description = "Signing up and in, the viewer's own account, and finding people."),
        (name = "friends", description = "Friends, friend requests and suggestions."),
        (name = "messages", description = "Messages, conversations, and marking messages as read."),
        (name = "posts", description = "The feed, posts, replies, walls, likes and shares."),
        (name = "stories", description = "Stories of friends and one's own, views and reactions."),
        (name = "notifications", description = "The viewer's inbox, live and stored."),
        (name = "events", description = "Announcements of integrations."),
        (name = "health", description = "The state of the process."),
        (name = "openapi", description = "This description."),
    ),
)]
struct Service;

/// Returns the description of the service with these operations, in their order.
pub fn of(operations: impl Iterator<Item = OpenApi>) -> OpenApi {
    let mut description = operations.fold(Service::openapi(), OpenApi::merge_from);
    // `OperationIds` after `SharedResponses`: it removes the bodies that the latter adds to HEAD.
    let modifiers: [&dyn Modify; 4] = [&SecuritySchemes, &BodyTypes, &SharedResponses, &OperationIds];
    for modifier in modifiers {
        modifier.modify(&mut description);
    }
    description
}
