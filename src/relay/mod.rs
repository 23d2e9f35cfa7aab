//! One running server: takes messages, keeps them, decides with `route`, sends them on.
//!
//! Not here: the decisions (`route`), the protocol (`smtp`), what survives a crash (`spool`), and the
//! worlds of many servers (`lab`).
//! A [`Config`] goes in; a [`Relay`] runs until it is stopped.
//!
//! Invariant: a message is answered for with 250 when it is in the spool, or when the hub behind a
//! front end has answered for it.
//! Invariant: what was answered for is delivered, reported to its sender, or still in the spool.
//! Invariant: a relay that is stopped, and not killed, has acknowledged what it took, and has heard what
//! became of what it sent, as far as eight seconds suffice.
//! Invariant: a mailbox has a message once, however often it comes within a week and however often the
//! relay is killed meanwhile.
//! Invariant: outside a lab a peer is a server of the organization by its certificate only, never by its
//! address.
//! Invariant: every message that leaves carries what `route` said, and nothing else of the
//! organization's headers.
//!
//! Sources: Exchange Server, "Mail flow and the transport pipeline", "Queues"; RFC 5321.

mod address_book;
mod bounce;
mod categorizer;
mod deliver;
mod door;
mod duplicates;
mod ending;
mod gauges;
mod health;
mod lock;
mod maildir;
mod message;
mod progress;
mod queue;
mod receive;
mod record;
mod replies;
mod send;
mod sessions;
mod shared;
mod start;
mod tally;
mod tracked;
mod tracking;
mod trouble;

pub use address_book::AddressBook;
pub use door::serve_metrics;
pub use gauges::SyncMeter;
pub use health::Health;
pub use shared::{Config, Pace, Recognition, Users};
pub use start::{Relay, RelayError};
pub use tracked::Tracked;
pub use tracking::Flagged;
