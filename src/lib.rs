//! Exchange hybrid mail flow: carried, simulated and proved with one routing engine.
//!
//! Files become a world (`config` → [`model`] and [`dns`]). A question about one message is walked
//! through it ([`flow`]), and at every server the engine decides ([`route`]). The verifier asks every
//! question a world poses and says what is broken ([`verify`]).
//!
//! The modules in layer order; a module imports only from above, as `ARCHITECTURE.md` says:
//!
//! - [`mail`], [`diag`], [`x509`]: values
//! - [`model`], [`dns`]: what exists
//! - [`route`]: one hop
//! - [`flow`]: hop after hop
//! - [`verify`]: all flows
//! - [`config`]: files in
//! - [`report`], [`cli`]: answers out

pub mod cli;
pub mod clock;
pub mod config;
pub mod diag;
pub mod dns;
pub mod flow;
pub mod lab;
pub mod mail;
pub mod metrics;
pub mod model;
pub mod net;
pub mod relay;
pub mod report;
pub mod route;
pub mod smtp;
pub mod spool;
pub mod verify;
pub mod x509;
