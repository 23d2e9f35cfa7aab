//! One hop: what a server accepts, where each recipient goes next and why, and what a failure means.
//! The one engine behind the relay, the lab and the verifier.
//!
//! Not here: how messages move (`relay`), what DNS answers (`dns`), and what happens at the next
//! server (`flow`).
//!
//! Three doors, all pure: [`accept()`] with its second moment [`admit()`], [`categorize()`], [`outcome()`].
//! Each gives its decision together with [`Step`]s: what won, what lost, and why each lost.
//!
//! Invariant: every recipient of an item ends in at least one copy, failure or suppression, and
//! every copy has exactly one recipient.
//! Invariant: the order of the world's objects decides nothing.
//!
//! The recipients of one message are expanded together, so somebody who is addressed and a member as
//! well has one copy. Copies that servers make of each other's copies are theirs alone: a mailbox
//! takes the first one only, which is for those to know who see both (`flow`, `relay`).
//!
//! Bugs: the history of an expansion does not travel, so groups that contain each other and have two
//! expansion servers go round until a hop count ends it.
//!
//! Sources: Exchange Server, "Mail routing in Exchange Server", "Recipient resolution", "Mail flow rules
//! in Exchange Server", "Connector selection in external message routing", "Receive connectors", "Header
//! firewall".

mod accept;
mod attribute;
mod categorize;
mod centralized;
mod expand;
mod firewall;
mod foreign;
mod forwarding;
mod imcea;
mod item;
mod lookup;
mod loops;
mod outcome;
mod permissions;
mod report;
mod resolve;
mod restrict;
mod rules;
mod scope;
mod select;
mod sender;
mod sites;
mod step;
mod tls;
mod transaction;

pub use accept::{
    accept, admit, certified, endpoint, is_own, is_size_limited, may_begin, peer, recognises,
};
pub use categorize::categorize;
pub use forwarding::{Held, forwarding_is_held};
pub use imcea::is_encapsulated;
pub use item::{
    Admission, Arrival, Categorized, ClientCertificate, Connection, Copy, Failure, LoopKind,
    Looped, MailItem, NextHop, Peer, Presented, Properties, Refusal, Suppressed, TlsDemand, Trace,
    Transfer, Verdict, Vouched,
};
pub use outcome::{
    DELAY_NOTIFICATION, DELAYED, Happened, Outcome, outcome, policies_at, retry_after,
};
pub use report::{default_domain, report, reporter, reports_to};
pub use select::{NoWinner, Selection, covers, select};
pub use sender::may_send_as;
pub use step::{Event, Reason, Rejected, Step, Subject};
pub use tls::{chosen, judge, presented, proves, served, vouched, why_missing};
pub use transaction::transactions;
