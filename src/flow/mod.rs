//! Hop after hop: what becomes of a message from submission to its end.
//!
//! Not here: the decisions themselves (`route`), which questions to ask of a world and what must hold
//! for their answers (`verify`).
//! A [`Question`] goes in, a [`Flow`] comes out: one [`Fork`] for every end, each with its hops.
//!
//! Invariant: every recipient of the question ends in at least one fork.
//! Invariant: every walk ends, because each hop adds a Received field and every server limits them.
//!
//! Bugs: where a message meets the same group again on its way, it goes on as it went before and no other
//! way, so the flood of copies that such a loop makes is not shown.
//!
//! Sources: Exchange hybrid, "Transport routing in Exchange hybrid deployments"; the rules are those
//! of `route`.

mod arrivals;
mod flag;
mod fork;
mod misroute;
mod origin;
mod path;
mod reach;
mod report_flow;
mod session;
mod walk;

pub use flag::{Flag, FlagKind};
pub use fork::{Cycle, Disposition, Flow, Fork, Hop, Question, Report, Submission};
pub use misroute::misroutes;
pub use origin::{NoOrigin, origin};
pub use walk::walk;
