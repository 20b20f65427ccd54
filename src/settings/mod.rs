//! [`Settings`] are everything that an operator configures, read once at start.
//!
//! They come from the environment and, for names that it lacks, from the file `.env` of the
//! working folder, and of no other. This module is the only reader of the environment. An invalid value
//! ends the start with one line that names the variable, an [`InvalidSetting`]. A secret is
//! never printed, not even by `Debug`.
//!
//! The [table](SETTINGS) has the name, unit, default and meaning of every setting; the
//! [groups] are what the parts of the service are built from.

mod access;
mod all;
mod database_url;
mod env_file;
mod groups;
mod invalid_setting;
mod network;
mod pattern;
mod place;
mod postgres_url;
mod rate;
mod secret_key;
mod service_keys;
mod source;
mod table;
mod telemetry;

pub use access::HostPattern;
pub use all::{Settings, local_address};
pub use database_url::DatabaseUrl;
pub use groups::{Access, Auth, Database, Inbox, Requests, Server, Shutdown, SignUps, Socket, Stories};
pub use invalid_setting::InvalidSetting;
pub use network::Network;
pub use pattern::Pattern;
pub use postgres_url::PostgresUrl;
pub use rate::{Rate, Rates};
pub use service_keys::ServiceKey;
pub use table::{SETTINGS, Setting, help};
pub use telemetry::{Telemetry, Traces};
