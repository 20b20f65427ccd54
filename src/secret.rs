//! Comparing secrets.

use subtle::ConstantTimeEq;

/// Returns whether two secrets are equal, in a time that depends on their lengths only: how
/// long a comparison that stops at the first difference takes would reveal its position.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}
