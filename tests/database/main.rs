//! Both databases: schema, migrations, transactions, timeouts and outages.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod connections;
mod conversations;
mod crash;
mod generations;
mod replaced_files;
mod timeouts;
mod migrations;
mod outages;
mod plan_recorder;
mod plans;
mod poolers;
#[path = "../support/private_servers.rs"]
mod private_servers;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/proxy.rs"]
mod proxy;
mod restores;
mod retention;
mod schema;
mod scratch;
#[path = "../support/mod.rs"]
mod support;
mod transactions;
