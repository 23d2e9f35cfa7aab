//! Exchange hybrid mail flow: carried, simulated and proved with one routing engine.

pub mod diag;
pub mod dns;
pub mod mail;
pub mod model;
