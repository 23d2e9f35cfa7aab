//! Names as values: zones in memory, and whom a domain's mail goes to. Asks nobody.
//!
//! Not here: a resolver that sends packets (`net`), and the lab's name server (`lab`).
//! Master-file text goes in; [`Zones`] answer queries, and [`targets()`] orders the hosts of a domain.
//!
//! Invariant: in a described zone an absent name does not exist; a name in no described zone is
//! unknown, never absent.
//!
//! Bugs: wildcard owners match one or more labels as RFC 4592 says, but a wildcard CNAME is not
//! followed through another wildcard.
//!
//! Sources: RFC 1034, RFC 1035 §5, RFC 2308, RFC 4592, RFC 5321 §5.1, RFC 7505.

mod master_file;
mod protection;
mod targets;
mod zones;

pub use master_file::parse_zone;
pub use protection::{is_protection_host, protection_host, secured_key};
pub use targets::{Exchange, Names, NoHost, Target, Targets, addresses_of, targets, targets_in};
pub use zones::{
    Answer, Failure, Fault, FaultKind, Owner, Record, RecordData, RecordType, View, Zone, Zones,
};
