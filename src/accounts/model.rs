//! What an account is made of, and what its profile may become. No I/O.

use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::{FieldErrors, Result};
use crate::fields::Fields;
use crate::ids::UserId;
use crate::timestamp::Timestamp;

/// A user as they see themselves: what the contract calls the short user.
#[derive(Clone, Debug, Serialize, Queryable, Selectable, ToSchema)]
#[diesel(table_name = crate::schema::users)]
pub struct Account {
    /// Names the user.
    pub id: UserId,
    /// Unique, case-sensitive.
    pub username: String,
    /// Shown to its owner only.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Whether the account may be used.
    #[serde(skip)]
    pub is_active: bool,
    /// When the account was made.
    #[serde(skip)]
    pub date_joined: Timestamp,
    /// Tokens made before this second, in Unix time, are no good any more.
    #[serde(skip)]
    pub tokens_valid_from: i64,
}

/// What someone shows of themselves.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = crate::schema::profiles)]
pub(super) struct Profile {
    pub(super) id: i64,
    pub(super) bio: String,
    pub(super) avatar: Option<String>,
    pub(super) location: String,
    pub(super) website: String,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// The most that each text may hold, in characters.
const BIO: usize = 500;
const LOCATION: usize = 100;
const LINK: usize = 500;

/// What is to become of a profile; what is not named stays as it is.
#[derive(Debug, Default, AsChangeset, ToSchema)]
#[diesel(table_name = crate::schema::profiles)]
pub struct ProfileChange {
    /// About oneself; null clears it, as it does the others.
    #[schema(max_length = 500)]
    pub bio: Option<String>,
    /// A link to a picture.
    #[allow(clippy::option_option, reason = "unchanged, cleared, or set")]
    #[schema(value_type = Option<String>, max_length = 500, pattern = "^(https?://.+)?$")]
    pub avatar: Option<Option<String>>,
    /// Where one lives.
    #[schema(max_length = 100)]
    pub location: Option<String>,
    /// A link to one's own page.
    #[schema(max_length = 500, pattern = "^(https?://.+)?$")]
    pub website: Option<String>,
}

impl ProfileChange {
    /// Reads a change; null clears a field, and other names are passed over.
    ///
    /// # Errors
    ///
    /// 400 by field.
    pub fn parse(fields: &Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let mut read = |name, characters, check: fn(&str) -> bool| {
            let text = match fields.value(name)? {
                Value::Null => String::new(),
                Value::String(text) => text.trim().to_owned(),
                _ => {
                    errors.add(name, "Not a valid string.");
                    return None;
                }
            };
            if text.contains('\0') {
                errors.add(name, "Null characters are not allowed.");
            } else if text.chars().count() > characters {
                errors.add(name, format!("Ensure this field has no more than {characters} characters."));
            } else if !check(&text) {
                errors.add(name, "Enter a valid URL.");
            } else {
                return Some(text);
            }
            None
        };
        let change = Self {
            bio: read("bio", BIO, |_| true),
            avatar: read("avatar", LINK, is_link).map(|link| Some(link).filter(|it| !it.is_empty())),
            location: read("location", LOCATION, |_| true),
            website: read("website", LINK, is_link),
        };
        errors.or(change)
    }
}

/// An empty text, or an absolute link that a browser may follow without harm. The parser
/// passes over control characters, as browsers do; others that read the link may not.
fn is_link(text: &str) -> bool {
    let has_odd = text.contains(|letter: char| letter.is_control() || letter.is_whitespace());
    text.is_empty()
        || !has_odd
            && url::Url::parse(text)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::is_link;

    #[test]
    fn a_link_is_http_or_https() {
        assert!(is_link("https://example.com/a.png"));
        assert!(is_link(""));
        for text in [
            "javascript:alert(1)",
            "data:text/html,x",
            "example.com",
            "http://",
            "//example.com",
            "\u{19}https://a.b",
            "https://a.b/\t",
            "http://a b",
        ] {
            assert!(!is_link(text), "{text}");
        }
    }
}
