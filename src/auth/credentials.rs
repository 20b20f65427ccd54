//! What a client proves its identity with, as it comes in a body: an email and a
//! password, or a refresh token. No I/O.

use email_address::{EmailAddress, Options};
use utoipa::ToSchema;

use super::common_passwords::is_common;
use crate::error::{FieldErrors, Result};
use crate::request::field::Field;
use crate::request::fields::Fields;

/// The longest email address, in characters.
const MAX_EMAIL_CHARS: usize = 254;

/// The shortest new password, in characters.
const MIN_PASSWORD_CHARS: usize = 6;

/// The longest password, in bytes: it bounds what hashing has to read.
const MAX_PASSWORD_BYTES: usize = 1_024;

/// The fields of a sign-in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `SignIn::parse` reads by name")]
pub(super) struct SignInForm {
    /// Taken without regard to case.
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    #[schema(format = Password, min_length = 1, max_length = 1024, example = "correct horse")]
    password: String,
}

/// The fields of a change of password.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `PasswordChange::parse` reads by name")]
pub(super) struct PasswordChangeForm {
    #[schema(format = Password, min_length = 1, max_length = 1024, example = "correct horse")]
    old_password: String,
    #[schema(format = Password, min_length = 6, max_length = 1024, example = "another correct horse")]
    new_password: String,
}

/// The field of a refresh and of a logout.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `refresh_token` reads by name")]
pub(super) struct RefreshForm {
    refresh: String,
}

/// An email address, kept as given but for its domain in lowercase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Parses an address, ignoring outer whitespace.
    pub fn parse(text: &str) -> Option<Self> {
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        // The lowercase form is what is stored, so it must be an address too: some letters
        // have none that is.
        let (local, domain) = text.trim().rsplit_once('@')?;
        let email = format!("{local}@{}", domain.to_lowercase());
        EmailAddress::parse_with_options(&email, options).ok()?;
        (email.chars().count() <= MAX_EMAIL_CHARS).then_some(Self(email))
    }

    /// Returns the address as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form by which addresses are compared: all of it in lowercase.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// A password as typed, without outer whitespace. `Debug` does not print it.
#[derive(Default)]
pub struct Password(String);

impl Password {
    /// Reads a new password, which has 6 characters to 1,024 bytes and is not a common one.
    pub fn new(field: Field<String>) -> Field<Self> {
        let valid = field
            .min_chars(MIN_PASSWORD_CHARS)
            .max_bytes(MAX_PASSWORD_BYTES)
            .check(|text| !is_common(text), "This password is too common.");
        valid.parse(|text| Ok::<_, String>(Self(text)))
    }

    /// Reads a password to be verified. It may be older than the rules for new ones; only
    /// what hashing has to read is bounded.
    fn existing(field: Field<String>) -> Field<Self> {
        field.max_bytes(MAX_PASSWORD_BYTES).parse(|text| Ok::<_, String>(Self(text)))
    }

    /// Returns the text, for hashing.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A change of password.
#[derive(Debug)]
pub struct PasswordChange {
    /// The present password, as typed.
    pub old: Password,
    /// The password to be set.
    pub new: Password,
}

impl PasswordChange {
    /// Reads a change of password.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`](crate::error::Error::Fields) with every field that is wrong.
    pub fn parse(fields: &Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let old = Password::existing(fields.text("old_password").required().not_blank()).read(&mut errors);
        let new = Password::new(fields.text("new_password").required().not_blank()).read(&mut errors);
        errors.or(Self { old, new })
    }
}

/// An attempt to sign in.
#[derive(Debug)]
pub struct SignIn {
    /// The email of the account.
    pub email: Email,
    /// The password, as typed.
    pub password: Password,
}

impl SignIn {
    /// Reads an attempt.
    ///
    /// Returns nothing where a field is absent, blank, of a wrong type, or not an email
    /// address: the contract has one sentence for all of these.
    pub fn parse(fields: &Fields) -> Option<Self> {
        let email = Email::parse(&fields.text("email").valid()?)?;
        let password = Password::existing(fields.text("password").not_blank()).valid()?;
        Some(Self { email, password })
    }
}

/// Reads the refresh token of a refresh and of a logout.
///
/// # Errors
///
/// [`Error::Fields`](crate::error::Error::Fields) if there is none.
pub fn refresh_token(fields: &Fields) -> Result<String> {
    let token = fields.text_or_number("refresh").required().not_blank().optional()?;
    Ok(token.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::Email;

    #[test]
    fn the_domain_of_an_email_is_kept_in_lowercase() {
        let email = Email::parse(" Ada@EXAMPLE.com ").map(|email| email.as_str().to_owned());
        assert_eq!(email.as_deref(), Some("Ada@example.com"));
    }

    #[test]
    fn a_text_that_is_not_an_email_address_is_invalid() {
        for text in ["", "ada", "ada@", "@example.com", "ada@example", "a b@example.com", "Ada <a@b.com>"] {
            assert_eq!(Email::parse(text), None, "{text}");
        }
        assert_eq!(Email::parse(&format!("{}@example.com", "a".repeat(254))), None);
    }
}
