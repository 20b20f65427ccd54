//! What is added to the description besides [responses](super::shared_responses): the
//! security schemes, the types of bodies, and the ids of operations.

use utoipa::Modify;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr};

use crate::api::operation::{self, Authentication, BEARER_SCHEME, SERVICE_SCHEME};

/// Adds how access tokens and service keys are sent.
pub struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut OpenApi) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        bearer.description = Some("An access token, from signing in or refreshing.".to_owned());
        let mut service = Http::new(HttpAuthScheme::Bearer);
        service.description = Some("One of the operator's `SERVICE_KEYS`.".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(BEARER_SCHEME, SecurityScheme::Http(bearer));
        components.add_security_scheme(SERVICE_SCHEME, SecurityScheme::Http(service));
    }
}

/// Adds the two form types to each JSON body. The bodies of integrations are JSON only.
pub struct BodyTypes;

impl Modify for BodyTypes {
    fn modify(&self, document: &mut OpenApi) {
        for (_, operation) in operations(document) {
            if Authentication::of(operation) == Authentication::ServiceKey {
                continue;
            }
            let Some(RefOr::T(body)) = operation.request_body.as_mut() else { continue };
            if let Some(fields) = body.content.get("application/json").cloned() {
                for form in ["application/x-www-form-urlencoded", "multipart/form-data"] {
                    body.content.insert(form.to_owned(), fields.clone());
                }
            }
        }
    }
}

/// Gives each operation a unique id, of its tag and its handler. HEAD, which shares the
/// handler of GET, returns no body; a PUT may share that of PATCH.
pub struct OperationIds;

impl Modify for OperationIds {
    fn modify(&self, document: &mut OpenApi) {
        for (_, operation) in operations(document) {
            let tag = operation.tags.iter().flatten().next().cloned();
            let name = operation.operation_id.take();
            operation.operation_id = tag.zip(name).map(|(tag, name)| format!("{tag}_{name}"));
        }
        for item in document.paths.paths.values_mut() {
            if let (Some(put), Some(patch)) = (&mut item.put, &item.patch)
                && put.operation_id == patch.operation_id
            {
                put.operation_id = put.operation_id.take().map(|name| format!("{name}_put"));
            }
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

/// Returns every operation with its path.
pub fn operations(document: &mut OpenApi) -> impl Iterator<Item = (&str, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        operation::operations(item).map(move |(_, operation)| (path.as_str(), operation))
    })
}
