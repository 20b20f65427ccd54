//! What signing up and signing in ask for: names, an email, a password. No I/O.

use email_address::{EmailAddress, Options};
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::{Error, FieldErrors, Result};
use crate::fields::Fields;

/// What signing up asks for.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `SignUp::parse` reads by name")]
pub struct SignUpForm {
    /// Unique, case-sensitive.
    #[schema(min_length = 1, max_length = 150, pattern = r"^[\w.@+-]+$", example = "ada")]
    username: String,
    /// Unique, whatever the case of its letters.
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    /// At most 1,024 bytes.
    #[schema(format = Password, min_length = 6, max_length = 1024, example = "correct horse")]
    password: String,
    /// Becomes first and last name, split at the first space.
    #[schema(max_length = 301, example = "Ada Ample")]
    display_name: Option<String>,
}

/// What signing in asks for.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `SignIn::parse` reads by name")]
pub struct SignInForm {
    /// Taken without regard to case.
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    #[schema(format = Password, min_length = 1, max_length = 1024, example = "correct horse")]
    password: String,
}

/// A wish to have an account, checked but for what only the database knows.
#[derive(Debug)]
pub struct SignUp {
    /// What they are called here; unique.
    pub username: String,
    /// Unique too.
    pub email: Email,
    /// To be hashed.
    pub password: Password,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

/// An email address, kept as given but for its domain in small letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

/// A password as typed, without outer white space. It is never printed.
#[derive(Default)]
pub struct Password(String);

/// The most that each text may hold, in characters.
const USERNAME: usize = 150;
const EMAIL: usize = 254;
const NAME: usize = 150;

/// Passwords have at least this many characters and at most this many bytes: the
/// latter bounds what hashing has to read.
const PASSWORD_CHARACTERS: usize = 6;
const PASSWORD_BYTES: usize = 1_024;

impl SignUp {
    /// Reads a sign-up.
    ///
    /// # Errors
    ///
    /// 400 with the first thing that is wrong.
    pub fn parse(fields: &Fields) -> Result<Self> {
        let [username, email, password] = ["username", "email", "password"].map(|name| filled(fields, name));
        let (Some(username), Some(email), Some(password)) = (username, email, password) else {
            return Err(Error::rule("Missing required fields."));
        };
        let username = text("username", username)?;
        let allowed = |letter: char| letter.is_alphanumeric() || "@.+-_".contains(letter);
        if !username.chars().all(allowed) {
            return Err(Error::rule("username: Letters, digits and @/./+/-/_ only."));
        }
        at_most("username", &username, USERNAME)?;
        let email = Email::parse(&text("email", email)?)
            .ok_or_else(|| Error::rule("email: Enter a valid email address."))?;
        let password = Password::parse(text("password", password)?)
            .map_err(|why| Error::rule(format!("password: {why}")))?;
        let display_name = match fields.value("display_name") {
            None | Some(Value::Null) => String::new(),
            Some(value) => text("display_name", value)?,
        };
        let (first_name, last_name) = display_name.split_once(' ').unwrap_or((&display_name, ""));
        let (first_name, last_name) = (first_name.trim_end().to_owned(), last_name.trim_start().to_owned());
        at_most("display_name", &first_name, NAME)?;
        at_most("display_name", &last_name, NAME)?;
        Ok(Self { username, email, password, first_name, last_name })
    }

    /// Returns what a search looks in: username and names in small letters, one a
    /// line.
    pub fn search_key(&self) -> String {
        format!("{}\n{}\n{}", self.username, self.first_name, self.last_name).to_lowercase()
    }
}

/// Returns a field's value if it is there and not empty.
fn filled<'a>(fields: &'a Fields, name: &str) -> Option<&'a Value> {
    fields.value(name).filter(|value| match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        _ => true,
    })
}

/// Returns a text without outer white space.
fn text(name: &'static str, value: &Value) -> Result<String> {
    let Value::String(text) = value else {
        return Err(Error::rule(format!("{name}: Not a valid string.")));
    };
    if text.contains('\0') {
        return Err(Error::rule(format!("{name}: Null characters are not allowed.")));
    }
    Ok(text.trim().to_owned())
}

fn at_most(name: &'static str, text: &str, characters: usize) -> Result<()> {
    if text.chars().count() > characters {
        return Err(Error::rule(format!(
            "{name}: Ensure this field has no more than {characters} characters."
        )));
    }
    Ok(())
}

impl Email {
    /// Reads an address, outer white space aside.
    pub fn parse(text: &str) -> Option<Self> {
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        // What is kept must be an address too: some letters have no small form that is one.
        let (local, domain) = text.trim().rsplit_once('@')?;
        let email = format!("{local}@{}", domain.to_lowercase());
        EmailAddress::parse_with_options(&email, options).ok()?;
        (email.chars().count() <= EMAIL).then_some(Self(email))
    }

    /// Returns the address as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what makes two addresses the same: all of it in small letters.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl Password {
    /// Takes a text for a new password.
    ///
    /// # Errors
    ///
    /// A sentence, if it is too short or too long.
    fn parse(text: String) -> std::result::Result<Self, String> {
        if text.chars().count() < PASSWORD_CHARACTERS {
            return Err(format!("Ensure this field has at least {PASSWORD_CHARACTERS} characters."));
        }
        if text.len() > PASSWORD_BYTES {
            return Err(format!("Ensure this field has no more than {PASSWORD_BYTES} bytes."));
        }
        Ok(Self(text))
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

/// What a change of password asks for.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `PasswordChange::parse` reads by name")]
pub(super) struct PasswordChangeForm {
    #[schema(format = Password, min_length = 1, max_length = 1024, example = "correct horse")]
    old_password: String,
    #[schema(format = Password, min_length = 6, max_length = 1024, example = "another correct horse")]
    new_password: String,
}

/// A wish to have another password.
#[derive(Debug)]
pub struct PasswordChange {
    /// As typed.
    pub old: Password,
    /// To be hashed.
    pub new: Password,
}

impl PasswordChange {
    /// Reads a change.
    ///
    /// # Errors
    ///
    /// 400 with every field that is wrong.
    pub fn parse(fields: &Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let mut read = |name, take: fn(String) -> std::result::Result<Password, String>| {
            let text = match fields.value(name) {
                None => Err("This field is required.".to_owned()),
                Some(Value::Null) => Err("This field may not be null.".to_owned()),
                Some(Value::String(text)) if text.contains('\0') => {
                    Err("Null characters are not allowed.".to_owned())
                }
                Some(Value::String(text)) if text.trim().is_empty() => {
                    Err("This field may not be blank.".to_owned())
                }
                Some(Value::String(text)) => Ok(text.trim().to_owned()),
                Some(_) => Err("Not a valid string.".to_owned()),
            };
            text.and_then(take).map_err(|why| errors.add(name, why)).unwrap_or_default()
        };
        // The old one may be from before there were rules; it is bounded by what is hashed.
        let old = read("old_password", |text| {
            if text.len() > PASSWORD_BYTES { Password::parse(text) } else { Ok(Password(text)) }
        });
        let new = read("new_password", Password::parse);
        errors.or(Self { old, new })
    }
}

/// An attempt to sign in.
#[derive(Debug)]
pub struct SignIn {
    /// Whose account.
    pub email: Email,
    /// As typed.
    pub password: Password,
}

impl SignIn {
    /// Reads an attempt.
    ///
    /// Returns nothing where a field is absent, blank, of a wrong type, or can be no
    /// email address: it is told from a wrong password by its words only.
    pub fn parse(fields: &Fields) -> Option<Self> {
        let [email, password] = ["email", "password"].map(|name| match fields.value(name)? {
            Value::String(text) if !text.contains('\0') => Some(text.trim()),
            _ => None,
        });
        let password = password.filter(|text| !text.is_empty() && text.len() <= PASSWORD_BYTES)?;
        Some(Self { email: Email::parse(email?)?, password: Password(password.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::Email;

    #[test]
    fn the_domain_of_an_email_is_kept_in_small_letters() {
        let email = Email::parse(" Ada@EXAMPLE.com ").map(|email| email.as_str().to_owned());
        assert_eq!(email.as_deref(), Some("Ada@example.com"));
    }

    #[test]
    fn what_is_no_email_address_is_refused() {
        for text in ["", "ada", "ada@", "@example.com", "ada@example", "a b@example.com", "Ada <a@b.com>"] {
            assert_eq!(Email::parse(text), None, "{text}");
        }
        assert_eq!(Email::parse(&format!("{}@example.com", "a".repeat(254))), None);
    }
}
