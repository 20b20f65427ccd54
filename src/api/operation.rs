//! An **operation** is one method of one path, as the `#[utoipa::path]` of its handler
//! describes it. Here the description is read for what the router needs.
//!
//! What a description does not state is never a permission: an operation without
//! `security` requires an access token.

use actix_web::http::Method;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{RefOr, Schema, Type};

/// The security scheme of users' access tokens.
pub const BEARER_SCHEME: &str = "bearer";
/// The security scheme of integrations' service keys.
pub const SERVICE_SCHEME: &str = "service";

/// What a request must be authenticated with, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authentication {
    /// Nothing: anybody may send it.
    None,
    /// The service key of an integration.
    ServiceKey,
    /// The access token of a user.
    AccessToken,
}

impl Authentication {
    /// Returns what an operation requires.
    pub fn of(operation: &Operation) -> Self {
        let is_nothing = |it: &SecurityRequirement| *it == SecurityRequirement::default();
        let is_service_key =
            |it: &SecurityRequirement| *it == SecurityRequirement::new(SERVICE_SCHEME, [""; 0]);
        match operation.security.as_deref() {
            Some([only]) if is_nothing(only) => Self::None,
            Some([only]) if is_service_key(only) => Self::ServiceKey,
            _ => Self::AccessToken,
        }
    }
}

/// Returns the operations of a path with their methods.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, head, post, put, patch, delete, .. } = item;
    let all = [
        (Method::GET, get),
        (Method::HEAD, head),
        (Method::POST, post),
        (Method::PUT, put),
        (Method::PATCH, patch),
        (Method::DELETE, delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Returns the router's pattern of a described path: an integer parameter takes digits, any
/// other one segment of the path.
pub fn pattern(path: &str, operation: &Operation) -> String {
    path_parameters(operation).fold(path.to_owned(), |pattern, parameter| {
        let name = &parameter.name;
        let characters = characters(parameter);
        pattern.replace(&format!("{{{name}}}"), &format!("{{{name}:{characters}}}"))
    })
}

/// Returns the regular expression of what a parameter may be.
fn characters(parameter: &Parameter) -> String {
    if is_integer(parameter) {
        return "[0-9]+".to_owned();
    }
    let pattern = match &parameter.schema {
        Some(RefOr::T(Schema::Object(schema))) => schema.pattern.as_deref(),
        _ => None,
    };
    pattern.map_or("[^/]+", |pattern| pattern.trim_matches(['^', '$'])).to_owned()
}

/// Returns whether an operation has an id in its path.
pub fn has_id(operation: &Operation) -> bool {
    path_parameters(operation).any(is_integer)
}

fn path_parameters(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    let parameters = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    });
    parameters.filter(|parameter| parameter.parameter_in == ParameterIn::Path)
}

fn is_integer(parameter: &Parameter) -> bool {
    let Some(RefOr::T(Schema::Object(schema))) = &parameter.schema else { return false };
    schema.schema_type == SchemaType::Type(Type::Integer)
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::ObjectBuilder;
    use utoipa::openapi::path::{OperationBuilder, ParameterBuilder};

    use super::*;

    fn parameter(name: &str, place: ParameterIn, schema_type: Type) -> Parameter {
        let schema = ObjectBuilder::new().schema_type(schema_type);
        ParameterBuilder::new().name(name).parameter_in(place).schema(Some(schema)).build()
    }

    fn secured_by(requirements: Option<Vec<SecurityRequirement>>) -> Authentication {
        Authentication::of(&OperationBuilder::new().securities(requirements).build())
    }

    #[test]
    fn an_operation_that_states_nothing_requires_an_access_token() {
        let service_key = SecurityRequirement::new(SERVICE_SCHEME, [""; 0]);
        assert_eq!(secured_by(None), Authentication::AccessToken);
        assert_eq!(secured_by(Some(vec![])), Authentication::AccessToken);
        assert_eq!(secured_by(Some(vec![SecurityRequirement::default()])), Authentication::None);
        assert_eq!(secured_by(Some(vec![service_key.clone()])), Authentication::ServiceKey);
        let other = SecurityRequirement::new("other", [""; 0]);
        assert_eq!(secured_by(Some(vec![other])), Authentication::AccessToken);
        let either = vec![service_key, SecurityRequirement::default()];
        assert_eq!(secured_by(Some(either)), Authentication::AccessToken);
    }

    #[test]
    fn a_pattern_has_the_characters_of_each_parameter() {
        let operation = OperationBuilder::new()
            .parameter(parameter("user", ParameterIn::Path, Type::Integer))
            .parameter(parameter("name", ParameterIn::Path, Type::String))
            .parameter(parameter("limit", ParameterIn::Query, Type::Integer))
            .build();
        let pattern = pattern("/users/{user}/named/{name}/{limit}/", &operation);
        assert_eq!(pattern, "/users/{user:[0-9]+}/named/{name:[^/]+}/{limit}/");
    }

    #[test]
    fn an_integer_in_the_path_is_an_id() {
        let with = |place, schema_type| {
            has_id(&OperationBuilder::new().parameter(parameter("x", place, schema_type)).build())
        };
        assert!(with(ParameterIn::Path, Type::Integer));
        assert!(!with(ParameterIn::Path, Type::String) && !with(ParameterIn::Query, Type::Integer));
    }
}
