//! Rules about the tenant: whom it takes for its own servers, what it refuses and relays, and by which
//! connector it reaches the premises.
//!
//! Sources: Exchange Online, "Configure mail flow using connectors", "Manage accepted domains in
//! Exchange Online".

pub(in crate::verify) mod attribution;
pub(in crate::verify) mod exposure;
pub(in crate::verify) mod inbound;
pub(in crate::verify) mod outbound;
pub(in crate::verify) mod refused;
pub(in crate::verify) mod relayed;
