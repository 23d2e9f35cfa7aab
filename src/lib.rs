//! Exchange hybrid mail flow: carried, simulated and proved with one routing engine.

pub mod diag;
pub mod dns;
pub mod flow;
pub mod mail;
pub mod model;
pub mod route;
pub mod spool;
pub mod verify;
