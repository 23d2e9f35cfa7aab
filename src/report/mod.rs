//! How answers look: for people as text, page or drawing, for programs in the format they read.
//!
//! Not here: the answers (`flow`, `verify`), and where they are printed (`main`).
//! Findings, flows, rows, diagnostics and explanations go in; texts come out.
//!
//! Invariant: JSON fields are added, never renamed, within one `format_version`.
//! Invariant: no name of a world breaks the format it is written in.
//! Invariant: all forms say the same; where text shortens a loop or leaves a repetition out, it says
//! how much.

mod course;
mod expectation;
mod graph;
mod markup;
mod place;
mod printable;
mod surroundings;
mod topic;
mod words;

pub mod csv;
pub mod dot;
pub mod html;
pub mod json;
pub mod junit;
pub mod sarif;
pub mod svg;
pub mod text;

pub use surroundings::{Running, Surroundings};
pub use topic::{Topic, every_code, topic};
