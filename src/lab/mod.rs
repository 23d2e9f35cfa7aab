//! A world, live on loopback: every server a relay on its own address, DNS in two views, certificates
//! of its own authority, mailboxes to read over HTTP, users and strangers who write.
//!
//! Not here: what a server does (`relay`), and what a message should do (`flow`).
//! A world goes in; a [`Lab`] runs until it is stopped. [`agree`] sends every predicted flow and
//! compares.
//!
//! Invariant: nothing of a lab is reachable from outside this machine.
//! Invariant: what [`agree`] observes it reads from replies, delivered mail and notifications, never
//! from the servers' own steps. That they have nothing left to do only ends its wait.
//!
//! Bugs: a host that mailin-embedded plays listens until the process ends.
//!
//! Sources: product of this project; the rules are those of `route`.

mod addresses;
mod authority;
mod build;
mod control;
mod mailboxes;
mod names;
mod outside;

pub mod agree;

pub use build::{Lab, LabError, LabOptions, PASSWORD, RunningServer};
pub use mailboxes::{Mailboxes, Stored};
