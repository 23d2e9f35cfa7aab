//! Rules about domains: what is accepted where, what DNS says, and who may relay.
//!
//! Sources: Exchange Server, "Accepted domains in Exchange Server", "Configure Microsoft 365 Groups with
//! on-premises Exchange hybrid".

pub(in crate::verify) mod autodiscover;
pub(in crate::verify) mod every_domain;
pub(in crate::verify) mod group_domain;
mod group_mx;
pub(in crate::verify) mod mx;
pub(in crate::verify) mod one_sided;
pub(in crate::verify) mod relay;
pub(in crate::verify) mod shared_domain;
pub(in crate::verify) mod wildcard;
