//! An [`EnvFile`] holds settings that the environment lacks, one `NAME=value` a line.
//!
//! Empty lines and lines that begin with `#` are skipped, and so is the word `export` before a
//! name. A value ends at the end of its line, or at a `#` after whitespace; within single or
//! double quotes it is taken as it is. Nothing is expanded: `$`, `\` and backticks stand for
//! themselves. Of several lines with one name the last counts.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Settings by name, as a file has them. They are not printed: some are secret.
#[derive(Default)]
pub(super) struct EnvFile(Vec<(String, String)>);

impl EnvFile {
    /// Reads a file; one that does not exist has no settings.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, or the number of a line that is not `NAME=value`. A line is not
    /// quoted: it may hold a secret.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Returns the value of a name.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        self.0.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.clone())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut settings = Vec::new();
        // Some editors begin a file with this mark.
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let setting = setting(line)
                .ok_or_else(|| format!("line {} is not NAME=value, or a quote is not closed", number + 1))?;
            settings.push(setting);
        }
        Ok(Self(settings))
    }
}

fn setting(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_name && !name.is_empty()).then_some(())?;
    Some((name.to_owned(), unquoted(value.trim())?.to_owned()))
}

/// Returns a value without its quotes and without the comment behind it.
fn unquoted(value: &str) -> Option<&str> {
    let Some(quote) = value.chars().next().filter(|first| matches!(first, '\'' | '"')) else {
        let comment = value.char_indices().find(|(place, letter)| {
            *letter == '#' && value[..*place].ends_with(|before: char| before.is_whitespace())
        });
        return Some(comment.map_or(value, |(place, _)| value[..place].trim_end()));
    };
    let (within, rest) = value[1..].split_once(quote)?;
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some(within)
}

#[cfg(test)]
mod tests {
    use super::EnvFile;

    #[test]
    fn values_are_taken_as_they_are() -> Result<(), String> {
        let file = EnvFile::parse(
            "\u{feff}A=1\n\n# B=2\n  export C = c c  \nD='$A \\n ${A} #' # comment\nE=\"$A'`x`\"\n\
             F=a#b #c\r\nG=\nH=p$ss\\w=\nA=last\nI= # only a comment",
        )?;
        for (name, value) in [
            ("A", Some("last")),
            ("B", None),
            ("C", Some("c c")),
            ("D", Some("$A \\n ${A} #")),
            ("E", Some("$A'`x`")),
            ("F", Some("a#b")),
            ("G", Some("")),
            ("H", Some("p$ss\\w=")),
        ] {
            assert_eq!(file.value(name).as_deref(), value, "{name}");
        }
        Ok(())
    }

    #[test]
    fn a_line_that_is_no_setting_is_an_error_with_its_number() {
        for line in ["secret", "=secret", "A B=secret", "A='secret", "A=\"secret", "A='secret' more"] {
            let why = EnvFile::parse(&format!("OK=1\n{line}")).err().unwrap_or_default();
            assert!(why.starts_with("line 2 ") && !why.contains("secret"), "{line}: {why}");
        }
    }
}
