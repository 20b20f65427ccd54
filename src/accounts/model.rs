//! A new account and its profile, as they come in a body. No I/O.

use diesel::prelude::*;
use utoipa::ToSchema;

use super::username::{INVISIBLE, Username, has_invisible};
use crate::auth::{Email, Password};
use crate::error::{Error, FieldErrors, Result};
use crate::request::fields::Fields;
use crate::request::link::MAX_LINK_CHARS;
use crate::timestamp::Timestamp;

/// The longest texts, in characters.
const MAX_NAME_CHARS: usize = 150;
const MAX_BIO_CHARS: usize = 500;
const MAX_LOCATION_CHARS: usize = 100;

/// The fields of a sign-up.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `SignUp::parse` reads by name")]
pub(super) struct SignUpForm {
    /// Brought to NFKC, and unique without regard to case.
    #[schema(min_length = 1, max_length = 150, pattern = r"^[\w.@+-]+$", example = "ada")]
    username: String,
    /// Unique, whatever the case of its letters.
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    /// At least 6 characters and at most 1,024 bytes; common ones are refused.
    #[schema(format = Password, min_length = 6, max_length = 1024, example = "correct horse")]
    password: String,
    /// Becomes first and last name, split at the first space.
    #[schema(max_length = 301, example = "Ada Ample")]
    display_name: Option<String>,
}

/// A new account, valid but for what only the database knows.
#[derive(Debug)]
pub struct SignUp {
    /// Unique without regard to case.
    pub username: Username,
    /// Unique without regard to case.
    pub email: Email,
    /// To be hashed.
    pub password: Password,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

impl SignUp {
    /// Reads a sign-up.
    ///
    /// # Errors
    ///
    /// [`Error::rule`] with the first thing that is wrong.
    pub fn parse(fields: &Fields) -> Result<Self> {
        let [username, email, password] = ["username", "email", "password"].map(|name| fields.text(name));
        if !(username.is_filled() && email.is_filled() && password.is_filled()) {
            return Err(missing_fields());
        }
        let username = username.parse(|text| Username::parse(&text));
        let username = username.optional_or_rule()?.ok_or_else(missing_fields)?;
        let email = email.parse(|text| Email::parse(&text).ok_or("Enter a valid email address."));
        let email = email.optional_or_rule()?.ok_or_else(missing_fields)?;
        let password = Password::new(password).optional_or_rule()?.ok_or_else(missing_fields)?;
        let names = fields.text("display_name").check(|text| !has_invisible(text), INVISIBLE);
        let names = names.parse(split_names).optional_or_rule()?;
        let (first_name, last_name) = names.unwrap_or_default();
        Ok(Self { username, email, password, first_name, last_name })
    }

    /// Returns the text that a search looks in: username and names in lowercase, one a line.
    pub fn search_key(&self) -> String {
        format!("{}\n{}\n{}", self.username.as_str(), self.first_name, self.last_name).to_lowercase()
    }
}

fn missing_fields() -> Error {
    Error::rule("Missing required fields.")
}

/// Splits a display name at its first space into first and last name.
fn split_names(display_name: String) -> std::result::Result<(String, String), String> {
    let (first, last) = display_name.split_once(' ').unwrap_or((&display_name, ""));
    let (first, last) = (first.trim_end().to_owned(), last.trim_start().to_owned());
    if [&first, &last].iter().any(|name| name.chars().count() > MAX_NAME_CHARS) {
        return Err(format!("Ensure this field has no more than {MAX_NAME_CHARS} characters."));
    }
    Ok((first, last))
}

/// The row of a profile.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = crate::db::schema::profiles)]
pub(super) struct Profile {
    pub(super) id: i64,
    pub(super) bio: String,
    pub(super) avatar: Option<String>,
    pub(super) location: String,
    pub(super) website: String,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// A change of a profile; what is not named stays as it is.
#[derive(Debug, Default, AsChangeset, ToSchema)]
#[diesel(table_name = crate::db::schema::profiles)]
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
    /// Reads a change; null clears a field, and unknown names are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`] with every field that is wrong.
    pub fn parse(fields: &Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let text = |name, max| fields.text(name).null_as(String::new()).max_chars(max);
        let link = |name| text(name, MAX_LINK_CHARS).link();
        let avatar = link("avatar").read_optional(&mut errors);
        let change = Self {
            bio: text("bio", MAX_BIO_CHARS).read_optional(&mut errors),
            avatar: avatar.map(|link| Some(link).filter(|link| !link.is_empty())),
            location: text("location", MAX_LOCATION_CHARS).read_optional(&mut errors),
            website: link("website").read_optional(&mut errors),
        };
        errors.or(change)
    }
}
