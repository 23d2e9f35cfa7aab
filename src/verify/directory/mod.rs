//! Rules about what the directories hold: recipients, their addresses and targets, groups and their
//! members, and what synchronization writes of them.
//!
//! Sources: Exchange Server, "Recipients", "Recipient resolution", "Configure Microsoft 365 Groups with
//! on-premises Exchange hybrid".

pub(in crate::verify) mod addresses;
pub(in crate::verify) mod ambiguous;
pub(in crate::verify) mod groups;
pub(in crate::verify) mod members;
pub(in crate::verify) mod moderation;
pub(in crate::verify) mod reach;
pub(in crate::verify) mod send_as;
pub(in crate::verify) mod targetless;
pub(in crate::verify) mod targets;
pub(in crate::verify) mod unknown;
pub(in crate::verify) mod unknown_members;
pub(in crate::verify) mod writeback;
pub(in crate::verify) mod written_back;
