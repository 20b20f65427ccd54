//! Comparing what is secret.

/// Returns whether two texts are the same, without stopping at the first difference:
/// how long that takes would tell where it is.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |difference, (left, right)| difference | (left ^ right)) == 0
}
