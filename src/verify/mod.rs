//! All flows: which questions a world poses, what must hold for their answers, and what is broken.
//!
//! Not here: the answers themselves (`flow`), and how findings look (`report`).
//! A topology with its zones goes in; rows of the flow table and findings come out.
//!
//! Invariant: one root cause gives one finding. Earlier rules mask the later symptoms of the same
//! flows.
//!
//! Sources: Exchange Server, "Configure Microsoft 365 Groups with on-premises Exchange hybrid";
//! Exchange hybrid, "Transport routing in Exchange hybrid deployments".

mod addresses;
mod agreement;
mod ambiguous;
mod attribution;
mod autodiscover;
mod builds;
mod carrier;
mod cause;
mod census;
mod centralized;
mod chain;
mod check;
mod class_names;
mod classes;
mod context;
mod crossing;
mod crowd;
mod directory;
mod domains;
mod draft;
mod edge;
mod edge_servers;
mod edit;
mod every_domain;
mod exposure;
mod finding;
mod forwarding;
mod graph;
mod group_domain;
mod held;
mod hops;
mod hybrid;
mod hybrid_connectors;
mod inbound;
mod intent;
mod limits;
mod looks;
mod mail_flow_rules;
mod marks;
mod members;
mod moderation;
mod mx;
mod one_sided;
mod outbound;
mod outcomes;
mod pairs;
mod passing;
mod people;
mod place;
mod portrait;
mod powershell;
mod presented;
mod questions;
mod reach;
mod reception;
mod refused;
mod relation;
mod relay;
mod relayed;
mod row;
mod send_as;
mod shared_domain;
mod sizes;
mod smart_host;
mod stage;
mod targetless;
mod targets;
mod unknown;
mod unused;
mod unused_receive;
mod validation;
mod wildcard;
mod word;
mod writeback;
mod written;
mod written_back;

pub use agreement::{Agreement, Comparison, Ending, Untestable};
pub use check::check;
pub use finding::{Edit, Finding, Fix, Report, Side, Summary};
pub use place::deciding_place;
pub use questions::flows;
pub use row::{Row, SizeBucket};
pub use stage::Stage;
