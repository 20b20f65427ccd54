//! Reading the rows that authentication needs.

use diesel::prelude::*;

use super::model::Account;
use crate::db::schema::users;
use crate::db::{AnyConnection, Query, among};
use crate::ids::UserId;

/// Returns the accounts of those of these users that exist.
///
/// # Errors
///
/// Those of the database, here and below.
pub fn accounts(conn: &mut AnyConnection, ids: &[UserId]) -> Query<Vec<(UserId, Account)>> {
    let known = among(conn, users::id, ids.iter().map(|id| id.number()));
    let found: Vec<Account> = users::table.filter(known).select(account_columns()).load(conn)?;
    Ok(found.into_iter().map(|account| (account.id, account)).collect())
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
