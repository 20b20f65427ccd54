//! What many operations have in common is added to each by its kind: whether it is
//! closed, has parameters in its path, or takes a body. So no handler repeats it, and
//! none forgets it.
//!
//! 405 is not among it: an operation is a path with one of its methods.

use utoipa::Modify;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{AnyOfBuilder, SchemaType};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema,
    Type,
};

/// How tokens are sent.
pub struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut OpenApi) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        bearer.description = Some("An access token, from signing in or refreshing.".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let mut service = Http::new(HttpAuthScheme::Bearer);
        service.description = Some("One of the operator's `SERVICE_KEYS`.".to_owned());
        components.add_security_scheme("service", SecurityScheme::Http(service));
    }
}

/// A body may come in any of three types, and none at all is one without fields. Those of
/// services are JSON.
pub struct Bodies;

impl Modify for Bodies {
    fn modify(&self, document: &mut OpenApi) {
        for (_, operation) in operations(document).filter(|(path, _)| !is_for_services(path)) {
            let Some(RefOr::T(body)) = operation.request_body.as_mut() else { continue };
            if let Some(fields) = body.content.get("application/json").cloned() {
                for form in ["application/x-www-form-urlencoded", "multipart/form-data"] {
                    body.content.insert(form.to_owned(), fields.clone());
                }
            }
        }
    }
}

/// An answer that operations of a kind have.
struct Answer {
    status: &'static str,
    description: &'static str,
    body: &'static str,
    header: Option<(&'static str, Type, &'static str)>,
    of: fn(&str, &Operation) -> bool,
}

const RETRY_AFTER: Option<(&str, Type, &str)> =
    Some(("Retry-After", Type::Integer, "Seconds until the next try can succeed."));

const ANSWERS: [Answer; 10] = [
    Answer {
        status: "400",
        description: "The host is not one of the service's.",
        body: "Detail",
        header: None,
        of: |path, _| !is_probe(path),
    },
    Answer {
        status: "400",
        description: "The body cannot be read.",
        body: "Detail",
        header: None,
        of: takes_body,
    },
    Answer {
        status: "401",
        description: "The token is missing or no good.",
        body: "NoEntry",
        header: Some(("WWW-Authenticate", Type::String, "`Bearer realm=\"api\"`")),
        of: |path, operation| operation.security.is_none() || is_for_services(path),
    },
    Answer {
        status: "404",
        description: "An id in the path is no number.",
        body: "Detail",
        header: None,
        of: |_, operation| names_an_id(operation),
    },
    Answer {
        status: "406",
        description: "The client takes no JSON.",
        body: "Detail",
        header: None,
        of: |path, _| path.starts_with("/api/"),
    },
    Answer {
        status: "408",
        description: "The body came too slowly.",
        body: "Detail",
        header: None,
        of: takes_body,
    },
    Answer {
        status: "413",
        description: "The body is too large.",
        body: "Detail",
        header: None,
        of: takes_body,
    },
    Answer {
        status: "415",
        description: "The body is of a type that is not read.",
        body: "Detail",
        header: None,
        of: takes_body,
    },
    Answer {
        status: "500",
        description: "A fault of the server.",
        body: "Detail",
        header: None,
        of: |path, _| is_about_data(path),
    },
    Answer {
        status: "503",
        description: "The database cannot be asked now.",
        body: "Detail",
        header: RETRY_AFTER,
        of: |path, _| is_about_data(path),
    },
];

/// What operations answer by their kind.
pub struct Answers;

impl Modify for Answers {
    fn modify(&self, document: &mut OpenApi) {
        for (path, operation) in operations(document) {
            for answer in &ANSWERS {
                if !(answer.of)(&path, operation) {
                    continue;
                }
                let answers = &mut operation.responses.responses;
                let own = answers.remove(answer.status);
                answers.insert(answer.status.to_owned(), RefOr::T(answer.beside(own)));
            }
            if let Some(RefOr::T(too_many)) = operation.responses.responses.get_mut("429") {
                add_header(too_many, RETRY_AFTER);
            }
        }
    }
}

impl Answer {
    /// Returns the answer, or what an operation answers with the same status beside it.
    fn beside(&self, own: Option<RefOr<Response>>) -> Response {
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

fn add_header(response: &mut Response, header: Option<(&str, Type, &str)>) {
    if let Some((name, schema_type, description)) = header {
        let schema = ObjectBuilder::new().schema_type(schema_type);
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
        response.headers.insert(name.to_owned(), header.into());
    }
}

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

/// Each operation has a name of its own, of its tag and its handler. HEAD, which has the
/// handler of GET, has no body.
pub struct Names;

impl Modify for Names {
    fn modify(&self, document: &mut OpenApi) {
        for (_, operation) in operations(document) {
            let tag = operation.tags.iter().flatten().next().cloned();
            let name = operation.operation_id.take();
            operation.operation_id = tag.zip(name).map(|(tag, name)| format!("{tag}_{name}"));
        }
        for item in document.paths.paths.values_mut() {
            let Some(head) = &mut item.head else { continue };
            head.operation_id = head.operation_id.take().map(|name| format!("{name}_head"));
            for response in head.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    response.content.clear();
                }
            }
        }
    }
}

fn operations(document: &mut OpenApi) -> impl Iterator<Item = (String, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        let PathItem { get, head, post, put, patch, delete, .. } = item;
        let all = [get, head, post, put, patch, delete];
        all.into_iter().filter_map(|it| it.as_mut()).map(|operation| (path.clone(), operation))
    })
}

fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

fn is_for_services(path: &str) -> bool {
    path == "/api/events/"
}

/// Whether the path leads to the database.
fn is_about_data(path: &str) -> bool {
    path.starts_with("/ws/") || path.starts_with("/api/") && path != "/api/schema/"
}

fn takes_body(_: &str, operation: &Operation) -> bool {
    operation.request_body.is_some()
}

fn names_an_id(operation: &Operation) -> bool {
    let is_id = |parameter: &RefOr<Parameter>| {
        let RefOr::T(parameter) = parameter else { return false };
        let Some(RefOr::T(Schema::Object(schema))) = &parameter.schema else { return false };
        parameter.parameter_in == ParameterIn::Path && schema.schema_type == SchemaType::Type(Type::Integer)
    };
    operation.parameters.as_ref().is_some_and(|parameters| parameters.iter().any(is_id))
}
