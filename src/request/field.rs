//! A [`Field`] is one value of a body or a query while it is being read: present, absent,
//! null, or invalid with a sentence for the client. No I/O.
//!
//! Each step leaves a field that is invalid already as it is, so a chain of steps reports
//! the first thing that is wrong:
//!
//! ```text
//! fields.text("content").required().not_blank().max_chars(10_000).read(&mut errors)
//! ```

use super::link::is_link;
use crate::error::{Error, FieldErrors, Text};

/// One value while it is being read.
#[must_use = "a field that is not read reports nothing"]
#[derive(Debug)]
pub struct Field<T> {
    name: &'static str,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Absent,
    Null,
    Present(T),
    Invalid(Text),
}

impl<T> Field<T> {
    pub(super) const fn absent(name: &'static str) -> Self {
        Self { name, state: State::Absent }
    }

    pub(super) const fn null(name: &'static str) -> Self {
        Self { name, state: State::Null }
    }

    pub(super) const fn present(name: &'static str, value: T) -> Self {
        Self { name, state: State::Present(value) }
    }

    pub(super) const fn invalid(name: &'static str, text: &'static str) -> Self {
        Self { name, state: State::Invalid(Text::Borrowed(text)) }
    }

    /// Requires the field to be there and not null.
    pub fn required(self) -> Self {
        match self.state {
            State::Absent => Self::invalid(self.name, "This field is required."),
            _ => self.not_null(),
        }
    }

    /// Requires the field not to be null; it may be absent.
    pub fn not_null(self) -> Self {
        match self.state {
            State::Null => Self::invalid(self.name, "This field may not be null."),
            _ => self,
        }
    }

    /// Takes null for a value.
    pub fn null_as(self, value: T) -> Self {
        match self.state {
            State::Null => Self::present(self.name, value),
            _ => self,
        }
    }

    /// Requires something of the value; `text` says what to the client.
    pub fn check(self, is_valid: impl FnOnce(&T) -> bool, text: impl Into<Text>) -> Self {
        match &self.state {
            State::Present(value) if !is_valid(value) => {
                Self { name: self.name, state: State::Invalid(text.into()) }
            }
            _ => self,
        }
    }

    /// Parses the value into another; an error is the sentence for the client.
    pub fn parse<U, E: Into<Text>>(self, parse: impl FnOnce(T) -> Result<U, E>) -> Field<U> {
        let state = match self.state {
            State::Absent => State::Absent,
            State::Null => State::Null,
            State::Present(value) => match parse(value) {
                Ok(value) => State::Present(value),
                Err(text) => State::Invalid(text.into()),
            },
            State::Invalid(text) => State::Invalid(text),
        };
        Field { name: self.name, state }
    }

    /// Returns the value if there is one. What is wrong is added to the errors.
    pub fn read_optional(self, errors: &mut FieldErrors) -> Option<T> {
        match self.state {
            State::Present(value) => Some(value),
            State::Absent | State::Null => None,
            State::Invalid(text) => {
                errors.add(self.name, text);
                None
            }
        }
    }

    /// Returns the value, or `default` if there is none. What is wrong is added to the
    /// errors.
    pub fn read_or(self, default: T, errors: &mut FieldErrors) -> T {
        self.read_optional(errors).unwrap_or(default)
    }

    /// Returns the value if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`] with what is wrong, for routes that report one field.
    pub fn optional(self) -> Result<Option<T>, Error> {
        match self.state {
            State::Present(value) => Ok(Some(value)),
            State::Absent | State::Null => Ok(None),
            State::Invalid(text) => Err(Error::field(self.name, text)),
        }
    }

    /// Returns the value if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::rule`] with one sentence that names the field, for routes whose errors are
    /// not by field.
    pub fn optional_or_rule(self) -> Result<Option<T>, Error> {
        match self.state {
            State::Present(value) => Ok(Some(value)),
            State::Absent | State::Null => Ok(None),
            State::Invalid(text) => Err(Error::rule(format!("{}: {text}", self.name))),
        }
    }

    /// Returns the value if there is one that is valid.
    pub fn valid(self) -> Option<T> {
        match self.state {
            State::Present(value) => Some(value),
            State::Absent | State::Null | State::Invalid(_) => None,
        }
    }
}

impl<T: Default> Field<T> {
    /// Returns the value, or the type's default if there is none. What is wrong is added
    /// to the errors.
    pub fn read(self, errors: &mut FieldErrors) -> T {
        self.read_or(T::default(), errors)
    }
}

/// Steps for texts, which have no outer whitespace.
impl Field<String> {
    /// Returns whether there is a value, valid or not, that is not blank.
    pub fn is_filled(&self) -> bool {
        match &self.state {
            State::Present(text) => !text.is_empty(),
            State::Invalid(_) => true,
            State::Absent | State::Null => false,
        }
    }

    /// Requires at least one character.
    pub fn not_blank(self) -> Self {
        self.check(|text| !text.is_empty(), "This field may not be blank.")
    }

    /// Requires at least this many characters.
    pub fn min_chars(self, min: usize) -> Self {
        self.check(
            |text| text.chars().count() >= min,
            format!("Ensure this field has at least {min} characters."),
        )
    }

    /// Allows at most this many characters.
    pub fn max_chars(self, max: usize) -> Self {
        self.check(
            |text| text.chars().count() <= max,
            format!("Ensure this field has no more than {max} characters."),
        )
    }

    /// Requires a link to a web page, or no text.
    pub fn link(self) -> Self {
        self.check(|text| is_link(text), "Enter a valid URL.")
    }

    /// Allows at most this many bytes in UTF-8.
    pub fn max_bytes(self, max: usize) -> Self {
        self.check(|text| text.len() <= max, format!("Ensure this field has no more than {max} bytes."))
    }
}
