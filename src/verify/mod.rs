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

mod agreement;
mod ambiguous;
mod carrier;
mod check;
mod classes;
mod context;
mod directory;
mod draft;
mod edge;
mod edit;
mod finding;
mod graph;
mod group_domain;
mod hybrid;
mod hybrid_connectors;
mod inbound;
mod intent;
mod marks;
mod outcomes;
mod pairs;
mod portrait;
mod powershell;
mod questions;
mod relation;
mod relay;
mod relayed;
mod row;
mod stage;
mod targets;
mod wildcard;

pub use agreement::{Agreement, Comparison, Ending, Untestable};
pub use check::check;
pub use finding::{Edit, Finding, Fix, Report, Side, Summary};
pub use questions::flows;
pub use row::{Row, SizeBucket};
pub use stage::Stage;
