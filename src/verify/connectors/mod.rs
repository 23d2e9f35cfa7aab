//! Rules about the connectors between the two organizations of a hybrid deployment, on either side.
//!
//! Not here: how the tenant recognises its premises (`tenant`), and the domains that connectors carry
//! (`domains`). `carrier` and `crossing` say which connector is the way over, for the other families too.
//!
//! Sources: Exchange Server, "Send connectors", "Receive connectors"; Exchange hybrid, "Transport
//! routing in Exchange hybrid deployments".

pub(in crate::verify) mod carrier;
pub(in crate::verify) mod chain;
pub(in crate::verify) mod crossing;
pub(in crate::verify) mod hybrid_connectors;
pub(in crate::verify) mod named_certificates;
pub(in crate::verify) mod presented;
pub(in crate::verify) mod reception;
pub(in crate::verify) mod smart_host;
pub(in crate::verify) mod unused;
pub(in crate::verify) mod unused_receive;
pub(in crate::verify) mod validation;
