//! The rules of the source tree: what may import what, what a file may do, how long it may
//! be, and in which words. `docs/architecture.md` gives the reasons.
//!
//! A rule that guards a path or a name fails when there is no such path or name.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod duties;
mod features;
mod imports;
mod language;
mod logs;
mod paths;
mod sizes;
mod source;
