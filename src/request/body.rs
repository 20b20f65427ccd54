//! A [`Body`] is the body of a request, read whole within the bounds of size and time.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::fields::{Fields, Parameters, RawFields};
use super::part::part;
use crate::error::{Error, Kind, Result};
use crate::settings::Requests;

/// How long a body may take to arrive. A few kilobytes take a second on a bad line; a
/// client that sends a byte a minute must not hold a connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// A request's body, parsed by its media type.
#[derive(Debug)]
pub struct Body(Value);

impl Body {
    /// Parses a whole body by its `Content-Type`. An empty one has no fields, whatever
    /// its type.
    ///
    /// # Errors
    ///
    /// [`Kind::UnsupportedMedia`] for a type that no route reads, [`Kind::Invalid`] for
    /// a body that is not of its type.
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

    /// Returns the body's fields.
    ///
    /// # Errors
    ///
    /// A sentence of the contract that names the type of a body which is not an object.
    pub fn fields(self) -> std::result::Result<Fields, String> {
        let type_name = match self.0 {
            Value::Object(fields) => return Ok(fields.into()),
            Value::Null => "NoneType",
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "float",
            Value::Number(_) => "int",
            Value::String(_) => "str",
            Value::Array(_) => "list",
        };
        Err(format!("Invalid data. Expected a dictionary, but got {type_name}."))
    }

    /// Returns the body's fields, for routes whose errors are by field.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`] with `non_field_errors` for a body that is not an object.
    pub fn into_fields(self) -> Result<Fields> {
        self.fields().map_err(|why| Error::field("non_field_errors", why))
    }
}

impl RawFields {
    /// Parses a JSON body by its content type. An empty one has no fields.
    ///
    /// # Errors
    ///
    /// [`Kind::UnsupportedMedia`] for a type other than JSON; [`Kind::Invalid`] or
    /// [`Error::Fields`] for a body that is not an object.
    pub fn parse(content_type: Option<&HeaderValue>, bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        if essence(content_type) != "application/json" {
            return Err(unsupported(content_type));
        }
        match serde_json::from_slice::<std::collections::HashMap<_, _>>(bytes) {
            Ok(fields) => Ok(fields.into()),
            // Either it is not JSON, or it is not an object.
            Err(error) => Err(match Body(from_json(bytes)?).into_fields() {
                Ok(_) => invalid_json(&error),
                Err(error) => error,
            }),
        }
    }
}

impl FromRequest for Body {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        extract(request, payload, Self::parse)
    }
}

impl FromRequest for RawFields {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        extract(request, payload, |content_type, bytes| Self::parse(content_type, &bytes))
    }
}

/// Reads a whole body and parses it by its content type.
fn extract<T: 'static>(
    request: &HttpRequest,
    payload: &mut Payload,
    parse: fn(Option<&HeaderValue>, Bytes) -> Result<T>,
) -> LocalBoxFuture<'static, Result<T>> {
    let (request, payload) = (request.clone(), payload.take());
    async move {
        let bytes = read_bounded(&request, payload).await?;
        parse(request.headers().get(header::CONTENT_TYPE), bytes)
    }
    .boxed_local()
}

impl FromRequest for Parameters {
    type Error = Infallible;
    type Future = Ready<std::result::Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::parse(request.query_string())))
    }
}

/// Returns a content type without its parameters, in lowercase.
fn essence(content_type: Option<&HeaderValue>) -> String {
    text(content_type).split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn text(value: Option<&HeaderValue>) -> &str {
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn unsupported(content_type: Option<&HeaderValue>) -> Error {
    let given = text(content_type);
    Error::Malformed(Kind::UnsupportedMedia, format!("Unsupported media type \"{given}\" in request.").into())
}

/// Reads a whole body, within the bounds of size and time.
async fn read_bounded(request: &HttpRequest, payload: Payload) -> Result<Bytes> {
    let max_bytes = part::<Requests>(request)?.max_body_bytes;
    match timeout(BODY_TIMEOUT, read(payload, max_bytes)).await {
        Ok(bytes) => bytes,
        Err(_) => Err(Error::Malformed(Kind::Timeout, "Request body came too slowly.".into())),
    }
}

async fn read(mut payload: Payload, max_bytes: usize) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| unreadable(&error))?;
        if bytes.len() + chunk.len() > max_bytes {
            let text = format!("Request body is over {max_bytes} bytes.");
            return Err(Error::Malformed(Kind::TooLarge, text.into()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn from_json(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| invalid_json(&error))
}

fn invalid_json(error: &dyn std::fmt::Display) -> Error {
    Error::Malformed(Kind::Invalid, format!("JSON parse error - {error}").into())
}

/// Of several values of one name the last counts.
fn from_form(bytes: &[u8]) -> Value {
    let pairs = url::form_urlencoded::parse(bytes).into_owned();
    Value::Object(pairs.map(|(name, text)| (name, Value::String(text))).collect())
}

/// Parses a body whose bytes are all there, so that the future never waits.
fn from_multipart(content_type: &HeaderValue, bytes: Bytes) -> Result<Value> {
    let parsed = parts(content_type, bytes).now_or_never();
    parsed.unwrap_or_else(|| Err(multipart_error(&"incomplete")))
}

/// Files are ignored: no route takes one.
async fn parts(content_type: &HeaderValue, bytes: Bytes) -> Result<Value> {
    let max_bytes = bytes.len();
    let whole = stream::iter([Ok::<_, actix_web::error::PayloadError>(bytes)]);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, content_type.clone());
    let mut parts = Multipart::new(&headers, whole);
    let mut fields = Map::new();
    while let Some(mut part) = parts.try_next().await.map_err(|error| multipart_error(&error))? {
        let is_file = part.content_disposition().is_some_and(|header| header.get_filename().is_some());
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes(max_bytes).await.map_err(|error| multipart_error(&error))?;
        let bytes = bytes.map_err(|error| multipart_error(&error))?;
        if !is_file {
            fields.insert(name, Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(Value::Object(fields))
}

fn multipart_error(error: &dyn std::fmt::Display) -> Error {
    Error::Malformed(Kind::Invalid, format!("Multipart form parse error - {error}").into())
}

fn unreadable(error: &dyn std::fmt::Display) -> Error {
    Error::Malformed(Kind::Invalid, format!("Request body cannot be read: {error}").into())
}
