//! What measures and torments a running Numeneon.
//!
//! Two programs stand on this crate: `numeneon-load` sizes a deployment, and
//! `numeneon-faults` kills its parts one after the other and counts what was
//! lost. The modules are listed in the order in which they depend on each other.

#![forbid(unsafe_code)]

pub mod frame;
pub mod http;
pub mod memory;
pub mod people;
pub mod socket;
pub mod token;

pub mod faults;
pub mod load;
