//! The [`Account`] is a user's row as authentication sees it; an [`AuthError`] is why a token
//! belongs to none. No I/O.

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::ended_sign_ins::EndedSignIns;
use super::tokens::TokenError;
use crate::error::Error;
use crate::ids::UserId;
use crate::timestamp::Timestamp;

/// A user as they see themselves: what the contract calls the short user.
#[derive(Clone, Debug, Serialize, Queryable, Selectable, ToSchema)]
#[diesel(table_name = crate::db::schema::users)]
pub struct Account {
    /// The user's id.
    pub id: UserId,
    /// Unique, case-sensitive.
    pub username: String,
    /// Shown to its owner only.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Whether the user may authenticate.
    #[serde(skip)]
    pub is_active: bool,
    /// When the account was created.
    #[serde(skip)]
    pub date_joined: Timestamp,
    /// Tokens issued before this second, in Unix time, are revoked.
    #[serde(skip)]
    pub tokens_valid_from: i64,
    /// The tokens of these sign-ins are revoked.
    #[serde(skip)]
    #[diesel(deserialize_as = String)]
    pub ended_sign_ins: EndedSignIns,
}

/// Why a token does not authenticate anybody.
#[derive(Debug)]
pub enum AuthError {
    /// The token is not valid.
    Token(TokenError),
    /// Its user does not exist.
    UserNotFound,
    /// Its user is inactive.
    UserInactive,
    /// It could not be verified.
    Failed(Error),
}
