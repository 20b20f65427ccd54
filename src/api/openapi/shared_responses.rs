//! Responses that operations have in common are added to each by its kind: whether it
//! requires authentication, has an id in its path, or takes a body. So no handler repeats
//! them, and none omits them.
//!
//! 405 is not among them: an operation is a path with one of its methods.

use utoipa::Modify;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema,
    Type,
};

use super::modifiers::operations;
use crate::api::middleware::is_health_check;
use crate::api::operation::{Authentication, has_id};

/// A header of a response: its name, type and description.
type Header = (&'static str, Type, &'static str);

/// A response that operations of one kind return.
struct SharedResponse {
    status: &'static str,
    description: &'static str,
    /// The schema of the body.
    body: &'static str,
    header: Option<Header>,
    /// Whether an operation, of this path, returns it.
    applies: fn(&str, &Operation) -> bool,
}

const RETRY_AFTER: Option<Header> =
    Some(("Retry-After", Type::Integer, "Seconds after which a retry can succeed."));

const SHARED_RESPONSES: [SharedResponse; 11] = [
    SharedResponse {
        status: "400",
        description: "The host is not one of the service's.",
        body: "Detail",
        header: None,
        applies: |path, _| !is_health_check(path),
    },
    SharedResponse {
        status: "400",
        description: "The body cannot be read.",
        body: "Detail",
        header: None,
        applies: takes_body,
    },
    SharedResponse {
        status: "401",
        description: "The credential is missing or invalid.",
        body: "NoEntry",
        header: Some(("WWW-Authenticate", Type::String, "`Bearer realm=\"api\"`")),
        applies: |_, operation| Authentication::of(operation) != Authentication::None,
    },
    SharedResponse {
        status: "404",
        description: "An id in the path is not a number.",
        body: "Detail",
        header: None,
        applies: |_, operation| has_id(operation),
    },
    SharedResponse {
        status: "406",
        description: "The client does not accept JSON.",
        body: "Detail",
        header: None,
        applies: |path, _| path.starts_with("/api/"),
    },
    SharedResponse {
        status: "408",
        description: "The body was not received in time.",
        body: "Detail",
        header: None,
        applies: takes_body,
    },
    SharedResponse {
        status: "413",
        description: "The body is too large.",
        body: "Detail",
        header: None,
        applies: takes_body,
    },
    SharedResponse {
        status: "415",
        description: "The body's media type is not supported.",
        body: "Detail",
        header: None,
        applies: takes_body,
    },
    SharedResponse {
        status: "429",
        description: "The user makes too many requests.",
        body: "Detail",
        header: RETRY_AFTER,
        applies: |_, operation| Authentication::of(operation) == Authentication::AccessToken,
    },
    SharedResponse {
        status: "500",
        description: "An internal error.",
        body: "Detail",
        header: None,
        applies: uses_database,
    },
    SharedResponse {
        status: "503",
        description: "The database is temporarily unavailable.",
        body: "Detail",
        header: RETRY_AFTER,
        applies: uses_database,
    },
];

/// Adds the responses that operations of a kind have in common.
pub struct SharedResponses;

impl Modify for SharedResponses {
    fn modify(&self, document: &mut OpenApi) {
        for (path, operation) in operations(document) {
            for shared in &SHARED_RESPONSES {
                if !(shared.applies)(path, operation) {
                    continue;
                }
                let responses = &mut operation.responses.responses;
                let own = responses.remove(shared.status);
                responses.insert(shared.status.to_owned(), RefOr::T(shared.merged_into(own)));
            }
            if let Some(RefOr::T(rate_limited)) = operation.responses.responses.get_mut("429") {
                add_header(rate_limited, RETRY_AFTER);
            }
        }
    }
}

impl SharedResponse {
    /// Returns the response together with the one that an operation describes for the same
    /// status, if it does.
    fn merged_into(&self, own: Option<RefOr<Response>>) -> Response {
        let schema = RefOr::Ref(Ref::from_schema_name(self.body));
        let mut response = match own {
            Some(RefOr::T(mut own)) => {
                own.description = format!("{} {}", own.description, self.description);
                for content in own.content.values_mut() {
                    if let RefOr::T(content) = content {
                        content.schema = content.schema.take().map(|theirs| either(theirs, schema.clone()));
                    }
                }
                own
            }
            _ => {
                let content = ContentBuilder::new().schema(Some(schema)).build();
                ResponseBuilder::new()
                    .description(self.description)
                    .content("application/json", content)
                    .build()
            }
        };
        add_header(&mut response, self.header.clone());
        response
    }
}

fn add_header(response: &mut Response, header: Option<Header>) {
    if let Some((name, schema_type, description)) = header {
        let schema = ObjectBuilder::new().schema_type(schema_type);
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
        response.headers.insert(name.to_owned(), header.into());
    }
}

/// Returns the schema of a body that has one of two schemas.
fn either(one: RefOr<Schema>, other: RefOr<Schema>) -> RefOr<Schema> {
    if one == other {
        return one;
    }
    match one {
        RefOr::T(Schema::AnyOf(mut any)) => {
            if !any.items.contains(&other) {
                any.items.push(other);
            }
            RefOr::T(Schema::AnyOf(any))
        }
        one => AnyOfBuilder::new().item(one).item(other).into(),
    }
}

fn takes_body(_: &str, operation: &Operation) -> bool {
    operation.request_body.is_some()
}

/// Returns whether an operation uses the database, as all do but those that describe the
/// process or the API.
fn uses_database(_: &str, operation: &Operation) -> bool {
    !operation.tags.iter().flatten().any(|tag| matches!(tag.as_str(), "health" | "openapi"))
}
