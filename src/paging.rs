//! Paging: `?limit=` and `?before=` ask for a part of a list, newest first, and a
//! `Link` header says where the next part is.

use std::ops::RangeInclusive;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::IntoParams;

use crate::error::{FieldErrors, Result};
use crate::fields::{Parameters, WholeNumber};

/// Items in one page.
pub const LIMITS: RangeInclusive<i64> = 1..=200;

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Part {
    /// Items at most; without it the route's own number, or all.
    #[param(minimum = 1, maximum = 200, nullable = false)]
    pub limit: Option<i64>,
    /// Only items before this number.
    #[param(minimum = 0, maximum = 9_223_372_036_854_775_807_isize, nullable = false)]
    pub before: Option<i64>,
}

impl Part {
    /// Reads what is asked for.
    ///
    /// # Errors
    ///
    /// 400 by field.
    pub fn parse(parameters: &Parameters) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let limit = parameters.value("limit").and_then(|text| match WholeNumber::from_digits(text) {
            Some(limit) if LIMITS.contains(&limit) => Some(limit),
            _ => {
                errors.add(
                    "limit",
                    format!("A whole number from {} to {} is required.", LIMITS.start(), LIMITS.end()),
                );
                None
            }
        });
        let before = parameters.value("before").and_then(|text| {
            let before = WholeNumber::from_digits(text);
            if before.is_none() {
                errors.add("before", "A whole number is required.");
            }
            before
        });
        errors.or(Self { limit, before })
    }
}

/// Answers a page; `next` is the number before which the next one begins.
pub fn answer(request: &HttpRequest, items: &impl Serialize, limit: i64, next: Option<i64>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        let link = format!("<{}?limit={limit}&before={next}>; rel=\"next\"", request.path());
        response.insert_header((header::LINK, link));
    }
    response.json(items)
}
