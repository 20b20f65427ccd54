//! Paging: `?limit=` and `?before=` request one page of a list, from the newest items
//! backwards, and a `Link` header names the next page.

use std::ops::RangeInclusive;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use url::form_urlencoded;
use utoipa::IntoParams;

use super::fields::{Parameters, WholeNumber};
use crate::error::{FieldErrors, Result};

/// How many items one page may have.
pub const LIMITS: RangeInclusive<i64> = 1..=200;

/// The page of a list that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageRequest {
    /// Items at most; without it the route's own number, or all.
    #[param(minimum = 1, maximum = 200, nullable = false)]
    pub limit: Option<i64>,
    /// Only items before this number.
    #[param(minimum = 0, maximum = 9_223_372_036_854_775_807_isize, nullable = false)]
    pub before: Option<i64>,
}

impl PageRequest {
    /// Parses the parameters `limit` and `before`.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`](crate::error::Error::Fields) if one is not a number within its range.
    pub fn parse(parameters: &Parameters) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let limit = parameters.text("limit").parse(limit).read_optional(&mut errors);
        let before = parameters.whole_number("before").read_optional(&mut errors);
        errors.or(Self { limit, before })
    }
}

fn limit(digits: &str) -> std::result::Result<i64, String> {
    let limit = WholeNumber::from_digits(digits).filter(|limit| LIMITS.contains(limit));
    limit.ok_or_else(|| format!("A whole number from {} to {} is required.", LIMITS.start(), LIMITS.end()))
}

/// The header with the number of the viewer's inbox at which a list was read.
const INBOX_SEQ: &str = "x-inbox-seq";

/// Returns the response with a whole list, which was read when the viewer's inbox was at `seq`.
pub fn respond_whole(items: &impl Serialize, seq: i64) -> HttpResponse {
    HttpResponse::Ok().insert_header((INBOX_SEQ, seq)).json(items)
}

/// Returns the response with a page, which was read when the viewer's inbox was at `seq`, if events
/// change it. `next` is the number before which the next page begins, of as many items or, without a
/// limit, of as many as the route allows.
pub fn respond(
    request: &HttpRequest,
    items: &impl Serialize,
    seq: Option<i64>,
    limit: Option<i64>,
    next: Option<i64>,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(seq) = seq {
        response.insert_header((INBOX_SEQ, seq));
    }
    if let Some(next) = next {
        let query = query(request, limit, next);
        let link = format!("<{}?{query}>; rel=\"next\"", request.path());
        response.insert_header((header::LINK, link));
    }
    response.json(items)
}

/// Returns the query of the next page: that of this one, with another `before`.
fn query(request: &HttpRequest, limit: Option<i64>, next: i64) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
        if !matches!(&*name, "limit" | "before") {
            query.append_pair(&name, &value);
        }
    }
    if let Some(limit) = limit {
        query.append_pair("limit", &limit.to_string());
    }
    query.append_pair("before", &next.to_string());
    query.finish()
}
