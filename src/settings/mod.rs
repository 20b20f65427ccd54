//! [`Settings`] are everything that an operator configures, read once at start.
//!
//! They come from the environment and, for names that it lacks, from a `.env` file in the
//! working directory. This module is the only reader of the environment. An invalid value
//! ends the start with one line that names the variable, an [`InvalidSetting`]. A secret is
//! never printed, not even by `Debug`.
//!
//! The [table](SETTINGS) has the name, unit, default and meaning of every setting; the
//! [groups] are what the parts of the service are built from.

mod all;
mod database_url;
mod groups;
mod invalid_setting;
mod pattern;
mod postgres_url;
mod rate;
mod secret_key;
mod service_keys;
mod source;
mod table;
mod telemetry;

pub use all::{Settings, local_address};
pub use database_url::DatabaseUrl;
pub use groups::{Access, Auth, Database, Inbox, Requests, Server, Shutdown, Socket};
pub use invalid_setting::InvalidSetting;
pub use pattern::Pattern;
pub use postgres_url::PostgresUrl;
pub use rate::{Rate, Rates};
pub use service_keys::ServiceKey;
pub use table::{SETTINGS, Setting, help};
pub use telemetry::{Telemetry, Traces};
