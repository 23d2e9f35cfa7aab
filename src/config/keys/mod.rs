//! The vocabulary of a world's file: every kind of object, every key, what it takes, what holds
//! where it is not written, and a sentence on it.
//!
//! One table drives the reader, its messages and the JSON Schema. Keys and values are spelled as
//! the properties of Exchange's cmdlets; ours are `AsOf`, `RecipientsFile`, `IPAddress`, `EdgeSubscriptions` with
//! its keys, `ADPermissions`, `WrittenBackGroups`, `Members` and `Subscribers`, `EventSubscribers`,
//! `MemberSince`, `InboxRules`, `MovedAt`, `Licensed`, `Guest`, `Broken`, `Blocked`,
//! `HasMailLicense`, `SendAsPermissions`, `MailFlowRegion` of an organization, `LastEdgeSynchronization`,
//! `LastHybridConfiguration`, `Internet`, `Gateways`, `EntraConnect`, `Dns`,
//! `Certificates.Servers` and `Expect`.
//!
//! Not here: what a value means for routing (`onprem`, `exchange_online`, `surroundings`).
//!
//! Invariant: a kind stands in the table once, and its path is unique.
//!
//! Sources: Exchange PowerShell, "New-AcceptedDomain", "New-SendConnector",
//! "New-ReceiveConnector", "New-EdgeSubscription", "New-InboundConnector",
//! "New-OutboundConnector", "Set-UnifiedGroup", "Get-ExchangeCertificate".

mod exchange_online;
mod format;
mod kind;
mod onprem;
mod recipient;
mod remote;
mod rule;
mod settings;
mod surroundings;

pub(super) use format::{address_of_kind, count, smtp_address, timespan, timestamp, version};
pub(super) use kind::{Format, Key, Kind, Presence, Takes};
pub(super) use rule::CONTENT_CONDITIONS;
pub(super) use settings::SETTINGS;
pub(super) use surroundings::WORLD;
