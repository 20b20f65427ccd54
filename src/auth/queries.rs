//! Reading the rows that authentication needs.

use diesel::prelude::*;

use super::model::Account;
use crate::db::schema::users;
use crate::db::{AnyConnection, Query};
use crate::ids::UserId;

/// Returns the account of a user, if there is one.
///
/// # Errors
///
/// Those of the database, here and below.
pub fn account(conn: &mut AnyConnection, user: UserId) -> Query<Option<Account>> {
    users::table.find(user).select(account_columns()).first(conn).optional()
}

fn account_columns() -> <Account as Selectable<diesel::pg::Pg>>::SelectExpression {
    <Account as Selectable<diesel::pg::Pg>>::construct_selection()
}

/// The stored side of a password: what signing in verifies against.
#[derive(Debug, Queryable)]
pub struct StoredCredential {
    /// The user whose password it is.
    pub user: UserId,
    /// The hash of the password.
    pub password_hash: String,
    /// Whether the user may authenticate.
    pub is_active: bool,
}

/// Returns the stored credential of the user with this email, if there is one.
pub fn stored_credential(conn: &mut AnyConnection, email_key: &str) -> Query<Option<StoredCredential>> {
    users::table
        .filter(users::email_key.eq(email_key))
        .select((users::id, users::password_hash, users::is_active))
        .first(conn)
        .optional()
}

/// Returns the hash of a user's password, if there is such a user.
pub fn password_hash(conn: &mut AnyConnection, user: UserId) -> Query<Option<String>> {
    users::table.find(user).select(users::password_hash).first(conn).optional()
}
