//! Settings and commands of the program, as operators use them.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod account_commands;
mod defaults;
mod documentation;
mod secret_key;
#[path = "../support/process.rs"]
mod process;
mod invalid_settings;
mod secrets;
#[path = "../support/mod.rs"]
mod support;
