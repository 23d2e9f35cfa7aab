//! How answers look: for people as text, for programs as JSON.
//!
//! Not here: the answers (`flow`, `verify`), and where they are printed (`main`).
//! Findings, flows, rows, diagnostics and explanations go in; texts come out.
//!
//! Invariant: JSON fields are added, never renamed, within one `format_version`.
//! Invariant: both forms say the same; where text shortens a loop or leaves a repetition out, it says
//! how much.

mod course;
mod place;
mod printable;
mod surroundings;
mod topic;
mod words;

pub mod json;
pub mod text;

pub use surroundings::{Running, Surroundings};
pub use topic::{Topic, topic};
