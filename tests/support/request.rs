//! A [`Call`] is a request in the making, and an [`Answer`] what came back.

use std::future::IntoFuture;
use std::pin::Pin;

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde_json::Value;

use super::Person;

/// A request; it is sent when it is awaited.
pub struct Call(RequestBuilder);

impl Call {
    pub const fn new(request: RequestBuilder) -> Self {
        Self(request)
    }

    /// Makes the request somebody's.
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

    /// Gives the request a body of a stated type.
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", content_type).untyped(body)
    }

    /// Gives the request a body without a type.
    pub fn untyped(self, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.body(body.into()))
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            let response = self.0.send().await.expect("an answer");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await.expect("the answer's body");
            Answer { status, headers, text }
        })
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Returns a header's text; several of one name are joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> =
            self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Returns the body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let about = self.header("content-type");
        assert_eq!(about.as_deref(), Some("application/json"), "{} {}", self.status, self.text);
        serde_json::from_str(&self.text).expect("a body of JSON")
    }

    /// Checks the status and returns the body.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// Checks status and body.
    #[track_caller]
    pub fn says(&self, status: u16, body: Value) {
        assert_eq!((self.status, self.json()), (status, body));
    }

    /// Checks that it is the refusal of a rule: the text under `error`, and under
    /// `detail` for clients that read that.
    #[track_caller]
    pub fn refuses(&self, status: u16, text: &str) {
        self.says(status, serde_json::json!({ "error": text, "detail": text }));
    }

    /// Checks that it is an error of no route's own.
    #[track_caller]
    pub fn details(&self, status: u16, text: &str) {
        self.says(status, serde_json::json!({ "detail": text }));
    }
}
