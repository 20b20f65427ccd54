//! A pooler between the service and PostgreSQL must give each connection one of the server's for as
//! long as it lasts.
//!
//! By transaction, as PgBouncer may be configured to do, timeouts that one connection sets hold for
//! another one, prepared statements are not where they were prepared, and the lock of a migration
//! is held by nobody in particular. Some versions of some poolers mend some of this, so it is refused.

use diesel::connection::SimpleConnection;
use uuid::Uuid;

use super::connection::AnyConnection;
use crate::error::BoxError;
use crate::settings::Database;

/// A setting of a session, which nobody else has.
const MARK: &str = "numeneon.session";

/// Fails if a pooler gives the server's connections out by transaction.
///
/// `one` sets a mark. Another connection begins a transaction, which takes the server's connection
/// that was free last, and must not find the mark there; meanwhile `one` must still find it.
///
/// # Errors
///
/// If so, or if the database cannot be reached.
pub(super) fn refuse_transaction_pooling(
    settings: &Database,
    one: &mut AnyConnection,
) -> Result<(), BoxError> {
    let mark = Uuid::new_v4();
    one.batch_execute(&format!("SET {MARK} = '{mark}'"))?;
    let mut other = AnyConnection::open(settings, 0)?;
    other.batch_execute("BEGIN")?;
    let is_shared =
        !finds(&mut other, &format!("IS DISTINCT FROM '{mark}'"))? || !finds(one, &format!("= '{mark}'"))?;
    if is_shared {
        return Err("DATABASE_URL: a pooler gives connections out by transaction, which does not work; \
                    set PgBouncer's pool_mode to session"
            .into());
    }
    Ok(())
}

/// Returns whether the mark meets the condition. It is one message of the protocol: a statement that
/// is prepared first would be two, to two connections of the server.
fn finds(conn: &mut AnyConnection, condition: &str) -> Result<bool, BoxError> {
    const RAISED: &str = "the mark of the session is another";
    let raise = format!(
        "DO $$ BEGIN IF (current_setting('{MARK}', true) {condition}) IS NOT TRUE THEN \
         RAISE EXCEPTION '{RAISED}'; END IF; END $$"
    );
    match conn.batch_execute(&raise) {
        Ok(()) => Ok(true),
        Err(error) if error.to_string().contains(RAISED) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
