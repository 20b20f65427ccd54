//! The description of the API: OpenAPI 3.1, generated from the code.
//!
//! Each handler describes in its `#[utoipa::path]` what it takes and the responses that only
//! it returns. The [`description`] puts these together and adds what operations have in
//! common: [`shared_responses`] by kind of operation, and what other [`modifiers`] add. It is
//! served as a [`document`] and shown by a [`page`].
//!
//! The frames of sockets are not part of it: `docs/asyncapi.yaml` describes them.

pub mod description;
pub mod document;
mod modifiers;
pub mod page;
mod shared_responses;
