//! What operators need of a running instance.
//!
//! - [`health`] is whether it is alive and should be sent requests.
//! - [`instance_registry`] shows in the database which instances live.
//! - [`retention`] deletes what is stored for a time only.
//! - [`metrics_server`] serves metrics and health on a port of its own.
//! - [`generation_watch`] notices that the database was restored.
//! - [`admin`] changes accounts and numbers from the command line.

pub mod admin;
pub mod generation_watch;
pub mod health;
pub mod instance_registry;
pub mod metrics_server;
pub mod retention;
