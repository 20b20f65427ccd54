//! Numeneon.
fn main(){}
