//! Idempotency: a request with a key is carried out once, however often it is sent.
//!
//! A client that gets no response cannot know whether its request was done. It repeats the request
//! under the same `Idempotency-Key` and gets the response of the first one. The key is stored in
//! the transaction of what the request does: both are committed, or neither. A request that was
//! rejected has stored nothing, and its key may be used again.
//!
//! [`IdempotencyKey`] is the header, [`RequestKey`] what is stored of it, and [`Once`] the outcome
//! of a request that may have been done before.

mod header;
mod once;
mod request_key;
mod statements;
mod store;

pub use header::{IdempotencyKey, IdempotencyKeyHeader};
pub use once::Once;
pub use request_key::{RequestKey, Requester};
pub use statements::NewKey;
pub use store::{PRUNE_BATCH, Stored, complete, insert, known, prune, stored};
