//! What an operator does to an account from the command line, beside the instances that
//! run.

use tokio::runtime::Handle;

use crate::accounts::commands;
use crate::channel_layer::ChannelLayer;
use crate::db::Db;
use crate::error::Cause;
use crate::events::Events;
use crate::settings::Settings;
use crate::telemetry::Metrics;

/// Closes an account, or opens it again. All tokens that it was given are no good any more,
/// at once; the instances close its sockets as soon as they hear of it, or within
/// [`Settings::position_check`].
///
/// Must be called on a Tokio runtime.
///
/// # Errors
///
/// If there is no such user, or the database cannot be reached.
pub async fn set_active(settings: &Settings, username: &str, is_active: bool) -> Result<(), Cause> {
    let runtime = Handle::current();
    let metrics = Metrics::default();
    let layer = match &settings.redis_url {
        Some(url) => ChannelLayer::redis(url, metrics.clone())?,
        None => ChannelLayer::memory(metrics.clone()),
    };
    let events = Events::new(Db::new(&settings.database, runtime.clone())?, layer, runtime, metrics);
    let username = username.to_owned();
    Ok(events.commit(move |unit| commands::set_active(unit, &username, is_active)).await?)
}
