//! The passwords that guessers try first: some 18,000 from published lists of leaked ones, as
//! Django ships them (BSD licence), in lowercase and sorted by their bytes.

const LIST: &str = include_str!("common_passwords.txt");

/// Returns whether a password is on the list, whatever the case of its letters. Takes a dozen
/// comparisons.
pub(super) fn is_common(password: &str) -> bool {
    let password = password.to_lowercase();
    let (mut low, mut high) = (0, LIST.len());
    // Each step cuts between lines, so that `low` and `high` are beginnings of lines.
    while low < high {
        let middle = low + (high - low) / 2;
        let start = LIST.as_bytes()[low..middle].iter().rposition(|byte| *byte == b'\n');
        let start = start.map_or(low, |newline| low + newline + 1);
        let line = LIST[start..].split('\n').next().unwrap_or_default();
        match line.cmp(&password) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = start + line.len() + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{LIST, is_common};

    #[test]
    fn the_list_is_sorted_and_each_of_its_passwords_is_found() {
        assert!(LIST.lines().is_sorted() && LIST.ends_with('\n'));
        assert!(LIST.lines().all(is_common));
    }

    #[test]
    fn other_passwords_are_not_found() {
        for password in
            ["", "a", "correct horse", "password\n", "\npassword", "zzzzzzzzzzzz", "яяяяяяяяя", "12345"]
        {
            assert!(!is_common(password), "{password}");
        }
        assert!(is_common("PassWord") && is_common("ПАРОЛЬ"));
    }
}
