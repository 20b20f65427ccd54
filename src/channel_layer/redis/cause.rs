//! The cause of a failure as an operator reads it: in the words of the server, if they are its.

use redis::RedisError;

use crate::error::BoxError;

/// Returns the cause of a failure: of many commands that were sent together, the first that the
/// server refused.
pub(super) fn cause(error: RedisError) -> BoxError {
    let refused = error.clone().into_server_errors();
    match refused.as_deref().and_then(<[_]>::first) {
        Some((_, first)) => format!("{}: {}", first.code(), first.details().unwrap_or_default()).into(),
        None => error.into(),
    }
}
