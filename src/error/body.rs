//! A body is what a client reads of an [`Error`](super::Error), in the contract's form.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Text, Unauthenticated};

/// Why a request was not done, in a sentence.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "detail": "Not found." }))]
pub struct Detail<'a> {
    /// A sentence for people.
    pub detail: &'a str,
}

/// The rule of the service that refuses a request: one sentence under two names.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "error": "Not authorized", "detail": "Not authorized" }))]
pub struct Refused<'a> {
    /// A sentence for people.
    pub error: &'a str,
    /// The same sentence.
    pub detail: &'a str,
}

/// What is wrong with each field, by its name.
#[derive(Debug, Default, PartialEq, Eq, ToSchema)]
#[schema(value_type = std::collections::BTreeMap<String, Vec<String>>, example = json!({ "content": ["This field may not be blank."] }))]
pub struct FieldErrors(pub(super) Vec<(&'static str, Text)>);

/// Why a token lets nobody in.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "detail": "Authentication credentials were not provided." }))]
pub struct NoEntry {
    /// A sentence for people.
    detail: &'static str,
    /// The cause as a word for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<&'static str>,
    /// What is wrong with the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    messages: Option<Vec<TokenFault>>,
}

/// What is wrong with a token.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "token_class": "AccessToken", "token_type": "access", "message": "Token is expired" }))]
struct TokenFault {
    token_class: &'static str,
    token_type: &'static str,
    message: &'static str,
}

impl From<&Unauthenticated> for NoEntry {
    fn from(why: &Unauthenticated) -> Self {
        let fault = |message| TokenFault { token_class: "AccessToken", token_type: "access", message };
        Self { detail: why.detail, code: why.code, messages: why.access_token.map(|text| vec![fault(text)]) }
    }
}
