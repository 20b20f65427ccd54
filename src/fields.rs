//! [`Fields`] are what a request's body says, by name, whether it came as JSON, as
//! `application/x-www-form-urlencoded` or as `multipart/form-data`. [`RawFields`] are the
//! same of JSON alone, each value in the words in which it came.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::{Bytes, BytesMut, Data};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::timeout;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::error::{Error, Kind, Result};
use crate::settings::Requests;

/// How long a body may take to arrive. A few kilobytes take a second on a bad line; who
/// sends a byte a minute must not hold a connection.
const BODY_LIMIT: Duration = Duration::from_secs(20);

/// What a request's body says, by name.
#[derive(Debug, Default)]
pub struct Fields(Map<String, Value>);

/// A request's body, read and not yet looked into.
#[derive(Debug)]
pub struct Body(Value);

impl Body {
    /// Reads a body whose bytes are all there, by its `Content-Type`. No bytes are no
    /// fields, of whatever type.
    ///
    /// # Errors
    ///
    /// 415 for a type that no route reads, 400 for what is not of its type.
    pub fn parse(content_type: Option<&HeaderValue>, bytes: Bytes) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self(Value::Object(Map::new())));
        }
        match (essence(content_type).as_str(), content_type) {
            ("application/json", _) => from_json(&bytes),
            ("application/x-www-form-urlencoded", _) => Ok(from_form(&bytes)),
            ("multipart/form-data", Some(content_type)) => from_multipart(content_type, bytes),
            _ => Err(unsupported(content_type)),
        }
        .map(Self)
    }

    /// Takes the body for fields.
    ///
    /// # Errors
    ///
    /// A sentence that says what it is instead, in the words of the contract.
    pub fn fields(self) -> std::result::Result<Fields, String> {
        let is = match self.0 {
            Value::Object(fields) => return Ok(Fields(fields)),
            Value::Null => "NoneType",
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "float",
            Value::Number(_) => "int",
            Value::String(_) => "str",
            Value::Array(_) => "list",
        };
        Err(format!("Invalid data. Expected a dictionary, but got {is}."))
    }

    /// Takes the body for fields, for routes that answer errors by field.
    ///
    /// # Errors
    ///
    /// 400 under `non_field_errors`.
    pub fn into_fields(self) -> Result<Fields> {
        self.fields().map_err(|why| Error::field("non_field_errors", why))
    }
}

impl Fields {
    /// Returns the value of a field, if it is there.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

/// What a request's body of JSON says, by name, each value as its text: numbers and the
/// order of keys are as they were. Of several values of one name the last counts.
#[derive(Debug, Default)]
pub struct RawFields(HashMap<String, Box<RawValue>>);

impl RawFields {
    /// Reads a body of JSON, by its content type.
    ///
    /// # Errors
    ///
    /// 400 if it is no object, 415 if it is not JSON by its type.
    pub fn parse(content_type: Option<&HeaderValue>, bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        if essence(content_type) != "application/json" {
            return Err(unsupported(content_type));
        }
        match serde_json::from_slice(bytes) {
            Ok(fields) => Ok(Self(fields)),
            // Either it is no JSON, or it is no object.
            Err(error) => Err(match Body(from_json(bytes)?).into_fields() {
                Ok(_) => no_json(&error),
                Err(error) => error,
            }),
        }
    }

    /// Returns the text of a field, if it is there: one whole JSON value, of which
    /// nothing has been looked into, without outer white space.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.get())
    }
}

/// A whole number, as such or in digits, which is all that a form can say.
pub struct Digits;

impl ToSchema for Digits {}

impl PartialSchema for Digits {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::Integer, Type::String]);
        ObjectBuilder::new().schema_type(types).pattern(Some("^[0-9]+$")).examples([7]).into()
    }
}

/// A whole number from 0 to the largest that 64 bits with a sign hold, as such or in digits.
pub struct WholeNumber;

impl WholeNumber {
    /// Reads digits, and nothing but digits.
    pub fn from_digits(text: &str) -> Option<i64> {
        // The library takes a sign too.
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    }
}

impl ToSchema for WholeNumber {}

impl PartialSchema for WholeNumber {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::Integer, Type::String]);
        ObjectBuilder::new()
            .schema_type(types)
            .minimum(Some(0))
            .maximum(Some(i64::MAX as isize))
            .pattern(Some("^[0-9]{1,19}$"))
            .examples([7])
            .into()
    }
}

/// What a request's query says, by name. Of several values of one name the last
/// counts, and names that a route does not know are passed over.
#[derive(Debug)]
pub struct Parameters(HashMap<String, String>);

impl Parameters {
    /// Reads a query. Any text is one.
    pub fn parse(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Returns the value of a parameter, if it is there.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl FromRequest for Parameters {
    type Error = Infallible;
    type Future = Ready<std::result::Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::parse(request.query_string())))
    }
}

impl FromRequest for Body {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        async move {
            let bytes = whole(&request, payload).await?;
            Self::parse(request.headers().get(header::CONTENT_TYPE), bytes)
        }
        .boxed_local()
    }
}

impl FromRequest for RawFields {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        async move {
            let bytes = whole(&request, payload).await?;
            Self::parse(request.headers().get(header::CONTENT_TYPE), &bytes)
        }
        .boxed_local()
    }
}

/// Returns a content type without its parameters, in small letters.
fn essence(content_type: Option<&HeaderValue>) -> String {
    text(content_type).split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn text(value: Option<&HeaderValue>) -> &str {
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn unsupported(content_type: Option<&HeaderValue>) -> Error {
    let given = text(content_type);
    Error::Unfit(Kind::UnsupportedMedia, format!("Unsupported media type \"{given}\" in request.").into())
}

/// Reads a whole body, within the bounds of size and time.
async fn whole(request: &HttpRequest, payload: Payload) -> Result<Bytes> {
    let bound = request.app_data::<Data<Requests>>().map(|bounds| bounds.max_body_bytes);
    let bound = bound.ok_or_else(|| Error::internal("the app has no bounds of requests"))?;
    match timeout(BODY_LIMIT, read(payload, bound)).await {
        Ok(bytes) => bytes,
        Err(_) => Err(Error::Unfit(Kind::TooSlow, "Request body came too slowly.".into())),
    }
}

async fn read(mut payload: Payload, bound: usize) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| unreadable(&error))?;
        if bytes.len() + chunk.len() > bound {
            let text = format!("Request body is over {bound} bytes.");
            return Err(Error::Unfit(Kind::TooLarge, text.into()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn from_json(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| no_json(&error))
}

fn no_json(error: &dyn std::fmt::Display) -> Error {
    Error::Unfit(Kind::Invalid, format!("JSON parse error - {error}").into())
}

/// The last of several values of one name counts.
fn from_form(bytes: &[u8]) -> Value {
    let pairs = url::form_urlencoded::parse(bytes).into_owned();
    Value::Object(pairs.map(|(name, text)| (name, Value::String(text))).collect())
}

/// All bytes are there, so that there is nothing to wait for.
fn from_multipart(content_type: &HeaderValue, bytes: Bytes) -> Result<Value> {
    let parsed = parts(content_type, bytes).now_or_never();
    parsed.unwrap_or_else(|| Err(multipart_error(&"incomplete")))
}

/// Files are passed over: no route takes one.
async fn parts(content_type: &HeaderValue, bytes: Bytes) -> Result<Value> {
    let bound = bytes.len();
    let whole = stream::iter([Ok::<_, actix_web::error::PayloadError>(bytes)]);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, content_type.clone());
    let mut parts = Multipart::new(&headers, whole);
    let mut fields = Map::new();
    while let Some(mut part) = parts.try_next().await.map_err(|error| multipart_error(&error))? {
        let is_file = part.content_disposition().is_some_and(|about| about.get_filename().is_some());
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes(bound).await.map_err(|error| multipart_error(&error))?;
        let bytes = bytes.map_err(|error| multipart_error(&error))?;
        if !is_file {
            fields.insert(name, Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(Value::Object(fields))
}

fn multipart_error(error: &dyn std::fmt::Display) -> Error {
    Error::Unfit(Kind::Invalid, format!("Multipart form parse error - {error}").into())
}

fn unreadable(error: &dyn std::fmt::Display) -> Error {
    Error::Unfit(Kind::Invalid, format!("Request body cannot be read: {error}").into())
}
