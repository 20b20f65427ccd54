//! A [`Request`] is an HTTP request that has not been sent yet, and a [`Response`] the whole
//! response to one.

use std::future::IntoFuture;
use std::pin::Pin;

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde_json::Value;

use super::Person;
use super::redaction::redact_panics;

/// A request; it is sent when it is awaited.
pub struct Request(RequestBuilder);

impl Request {
    pub fn new(request: RequestBuilder) -> Self {
        redact_panics();
        Self(request)
    }

    /// Authenticates the request as a person's.
    pub fn by(self, person: &Person) -> Self {
        self.bearer(&person.access)
    }

    pub fn bearer(self, token: &str) -> Self {
        Self(self.0.bearer_auth(token))
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    pub fn form<T: Serialize + ?Sized>(self, fields: &T) -> Self {
        Self(self.0.form(fields))
    }

    pub fn multipart(self, fields: &[(&str, &str)]) -> Self {
        let mut form = reqwest::multipart::Form::new();
        for (name, value) in fields {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        Self(self.0.multipart(form))
    }

    /// Adds a body and its `Content-Type`.
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", content_type).untyped(body)
    }

    /// Adds a body without a `Content-Type`.
    pub fn untyped(self, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.body(body.into()))
    }
}

impl IntoFuture for Request {
    type Output = Response;
    type IntoFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            let response = self.0.send().await.expect("a response");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await.expect("the response's body");
            Response { status, headers, text }
        })
    }
}

/// A response with its whole body.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Response {
    /// Returns a header's value; several of one name are joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> =
            self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Returns the path in `Link: <…>; rel="next"`.
    #[track_caller]
    pub fn next_page(&self) -> Option<String> {
        let link = self.header("link")?;
        let (target, relation) = link.split_once(">; ").expect("a link");
        assert_eq!(relation, "rel=\"next\"");
        let target = target.strip_prefix('<').expect("a link");
        let path = target.find("/api/").map(|at| &target[at..]).expect("a link to the API");
        Some(path.to_owned())
    }

    /// Returns the body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let content_type = self.header("content-type");
        assert_eq!(content_type.as_deref(), Some("application/json"), "{} {}", self.status, self.text);
        serde_json::from_str(&self.text).expect("a body of JSON")
    }

    /// Checks the status and returns the body.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// Checks the status and the body.
    #[track_caller]
    pub fn is_json(&self, status: u16, body: Value) {
        assert_eq!((self.status, self.json()), (status, body));
    }

    /// Checks that a rule of the domain rejected the request: the text under `error`, and
    /// under `detail` for clients that read that.
    #[track_caller]
    pub fn is_error(&self, status: u16, text: &str) {
        self.is_json(status, serde_json::json!({ "error": text, "detail": text }));
    }

    /// Checks that it is one of the errors that all routes share: the text under `detail`.
    #[track_caller]
    pub fn has_detail(&self, status: u16, text: &str) {
        self.is_json(status, serde_json::json!({ "detail": text }));
    }
}
