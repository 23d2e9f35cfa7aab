//! Rules about what transport does to a message on its way: centralized transport, forwarding,
//! mail-flow rules, and limits.
//!
//! Sources: Exchange hybrid, "Transport routing in Exchange hybrid deployments"; Exchange Online, "Mail
//! flow rules (transport rules) in Exchange Online".

pub(in crate::verify) mod centralized;
pub(in crate::verify) mod forwarding;
pub(in crate::verify) mod hops;
pub(in crate::verify) mod limits;
pub(in crate::verify) mod mail_flow_rules;
mod passing;
pub(in crate::verify) mod sizes;
