//! The house keeps its order: no module uses one that stands below it, and no file
//! does what its name does not stand for. The reasons are in `docs/architecture.md`.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod duties;
mod order;
mod source;
