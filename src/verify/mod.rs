//! All flows: which questions a world poses, what must hold for their answers, and what is broken.
//!
//! Not here: the answers themselves (`flow`), and how findings look (`report`).
//! A topology with its zones goes in; rows of the flow table and findings come out.
//!
//! Files beside this one are what rules share; rules stand in folders by what they look at, and
//! `classes` says which senders and recipients are alike. `check` has the registry of rules.
//!
//! Invariant: one root cause gives one finding. Earlier rules mask the later symptoms of the same
//! flows.
//!
//! Sources: Exchange Server, "Configure Microsoft 365 Groups with on-premises Exchange hybrid";
//! Exchange hybrid, "Transport routing in Exchange hybrid deployments".

mod agreement;
mod cause;
mod check;
mod classes;
mod connectors;
mod context;
mod directory;
mod domains;
mod draft;
mod edit;
mod finding;
mod hybrid;
mod intent;
mod outcomes;
mod people;
mod place;
mod powershell;
mod questions;
mod row;
mod servers;
mod stage;
mod tenant;
mod transport;

pub use agreement::{Agreement, Comparison, Ending, Untestable};
pub use check::check;
pub use finding::{Edit, Finding, Fix, Report, Side, Summary};
pub use place::deciding_place;
pub use questions::flows;
pub use row::{Row, SizeBucket};
pub use stage::Stage;
