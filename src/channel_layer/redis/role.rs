//! The role of a Redis server. What is published to a replica reaches only those who are
//! subscribed at that replica, and no error says so.

use redis::aio::ConnectionLike;
use redis::{RedisError, RedisResult, Value};

use crate::error::BoxError;

/// Checks that a server is a master.
///
/// Where an ACL or the server knows no `ROLE`, `INFO replication` is read instead; where that is
/// forbidden too, the server counts as a master.
///
/// # Errors
///
/// If it is a replica, or does not respond.
pub(super) async fn require_master(conn: &mut impl ConnectionLike) -> Result<(), BoxError> {
    let role = match redis::cmd("ROLE").query_async::<Value>(conn).await {
        Ok(Value::Array(parts)) => parts.first().and_then(text),
        Ok(_) => None,
        Err(error) if is_refusal(&error) => {
            of_info(redis::cmd("INFO").arg("replication").query_async(conn).await)?
        }
        Err(error) => return Err(error.into()),
    };
    match role.as_deref() {
        None | Some("master") => Ok(()),
        Some(other) => Err(format!("this Redis is not a master; its role is {other}").into()),
    }
}

/// Returns the role in the response to `INFO replication`; none if the server gives none.
fn of_info(info: RedisResult<String>) -> Result<Option<String>, BoxError> {
    match info {
        Ok(info) => {
            Ok(info.lines().find_map(|line| line.strip_prefix("role:")).map(|it| it.trim().to_owned()))
        }
        Err(error) if is_refusal(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether the server refused the command, and the connection is good.
fn is_refusal(error: &RedisError) -> bool {
    error.code().is_some() && !error.is_unrecoverable_error()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}
