//! Numeneon.
