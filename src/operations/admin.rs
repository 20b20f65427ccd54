//! What an operator does from the command line, while instances run: to an account, and to the
//! numbers of events after a restore.

use tokio::runtime::Handle;

use crate::auth;
use crate::channel_layer::ChannelLayer;
use crate::db::{self, Db};
use crate::error::BoxError;
use crate::events::Events;
use crate::settings::Settings;
use crate::telemetry::Metrics;

/// Deactivates an account, or reactivates it. All its tokens are revoked at once; the
/// instances close its sockets as soon as they receive the revocation, or within
/// [`Settings::position_check`].
///
/// Must be called on a Tokio runtime.
///
/// # Errors
///
/// If there is no such user, or the database cannot be reached.
pub async fn set_active(settings: &Settings, username: &str, is_active: bool) -> Result<(), BoxError> {
    let runtime = Handle::current();
    let metrics = Metrics::default();
    let db = Db::new(&settings.database, runtime.clone())?;
    let installation = db::installation(&db, &settings.redis_prefix).await?;
    let layer = ChannelLayer::start(settings.redis_url.as_ref(), &installation, metrics.clone())?;
    let events = Events::new(db, layer, runtime, metrics);
    let username = username.to_owned();
    Ok(events.commit(move |unit| auth::set_active(unit, &username, is_active)).await?)
}

/// Lifts the numbers of all events far above every earlier one, so that each client of before
/// resyncs. For a restore that the service cannot recognise. Returns the new
/// [lift](crate::db::Lift).
///
/// Must be called on a Tokio runtime.
///
/// # Errors
///
/// If the database cannot be reached.
pub async fn lift_numbers(settings: &Settings) -> Result<i64, BoxError> {
    let db = Db::new(&settings.database, Handle::current())?;
    Ok(db.raise_lift().await?)
}
