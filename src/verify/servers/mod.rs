//! Rules about servers: their builds, and Edge servers with their subscriptions.
//!
//! Sources: Exchange Server, "Exchange Server build numbers and release dates", "Edge Subscriptions".

pub(in crate::verify) mod builds;
pub(in crate::verify) mod edge;
pub(in crate::verify) mod edge_servers;
