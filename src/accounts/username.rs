//! A [`Username`] is the name of a new account: normalised, without characters that cannot be
//! seen, and unique by its [key](Username::key). No I/O.
//!
//! Accounts that were moved from Django keep their names, whatever they are.

use std::collections::BTreeSet;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointSetData;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint};

use crate::error::Text;
use crate::settings::SignUps;

/// The longest username, in characters.
const MAX_USERNAME_CHARS: usize = 150;

/// The sentence for a text with characters that cannot be seen.
pub(super) const INVISIBLE: &str = "Invisible characters are not allowed.";

/// The name of a new account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Parses a name: 1 to 150 letters, digits and `@.+-_`, counted in their NFKC form, which
    /// makes one character of all its compatible variants, such as full-width letters.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, Text> {
        let name = nfkc(text);
        if name.chars().count() > MAX_USERNAME_CHARS {
            return Err(format!("Ensure this field has no more than {MAX_USERNAME_CHARS} characters.").into());
        }
        if has_invisible(text) || has_invisible(&name) {
            return Err(INVISIBLE.into());
        }
        if !name.chars().all(|letter| letter.is_alphanumeric() || "@.+-_".contains(letter)) {
            return Err("Letters, digits and @/./+/-/_ only.".into());
        }
        Ok(Self(name))
    }

    /// Returns the name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form by which names are compared.
    pub fn key(&self) -> String {
        key(&self.0)
    }
}

/// The names that nobody may take.
#[derive(Debug)]
pub struct ReservedUsernames(BTreeSet<String>);

impl ReservedUsernames {
    /// Returns the names of the settings.
    pub fn new(settings: &SignUps) -> Self {
        Self(settings.reserved_usernames.iter().map(|name| key(name)).collect())
    }

    /// Returns whether a name is one of them, in any case.
    pub(super) fn contain(&self, name: &Username) -> bool {
        self.0.contains(&name.key())
    }
}

/// Returns a name without regard to case, in NFKC. A letter's uppercase form is mapped back,
/// because letters of several forms, such as `ß` and `ς`, have one uppercase form.
fn key(name: &str) -> String {
    let name = nfkc(name);
    nfkc(&name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect::<String>())
}

fn nfkc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfkc().normalize(text).into_owned()
}

/// Returns whether a text has characters that are not shown (Default_Ignorable_Code_Point), or
/// that change the order of those around them (Bidi_Control).
pub(super) fn has_invisible(text: &str) -> bool {
    let (ignorable, bidi) =
        (CodePointSetData::new::<DefaultIgnorableCodePoint>(), CodePointSetData::new::<BidiControl>());
    text.chars().any(|letter| ignorable.contains(letter) || bidi.contains(letter))
}

#[cfg(test)]
mod tests {
    use super::{INVISIBLE, Username, key};

    #[test]
    fn a_name_is_brought_to_nfkc() {
        for (given, kept) in
            [("ａｄａ", "ada"), ("ﬁne", "fine"), ("Ädä", "Ädä"), ("A\u{308}da", "Äda"), ("²", "2")]
        {
            assert_eq!(Username::parse(given).as_ref().map(Username::as_str), Ok(kept));
        }
        assert_eq!(
            Username::parse(&"ﷺ".repeat(9)).err().as_deref(),
            Some("Ensure this field has no more than 150 characters.")
        );
    }

    #[test]
    fn characters_that_cannot_be_seen_are_refused() {
        for given in [
            "\u{3164}",
            "a\u{200b}b",
            "a\u{ad}b",
            "a\u{202e}b",
            "\u{115f}",
            "\u{ffa0}",
            "a\u{200f}",
            "a\u{2066}b",
        ] {
            assert_eq!(Username::parse(given).err().as_deref(), Some(INVISIBLE), "{given:?}");
        }
    }

    #[test]
    fn names_are_compared_without_regard_to_case() {
        for (one, other) in
            [("Ada", "ada"), ("STRASSE", "straße"), ("ΣΑΣ", "σας"), ("ÄDÄ", "ädä"), ("ＡＤＡ", "ada")]
        {
            assert_eq!(key(one), key(other));
        }
        assert_ne!(key("ada"), key("adä"));
    }
}
