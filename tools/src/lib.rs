//! Load and fault-injection tools for a running Numeneon.
//!
//! `numeneon-load` and `numeneon-announce` measure a deployment, `numeneon-lists` its lists in a
//! large database. `numeneon-faults`
//! injects faults into a cluster, one after the other, and counts what was lost.
//! A module uses only those that stand above it.

#![forbid(unsafe_code)]

pub mod frame;
pub mod http;
pub mod memory;
pub mod people;
pub mod socket;
pub mod token;

pub mod faults;
pub mod lists;
pub mod load;
