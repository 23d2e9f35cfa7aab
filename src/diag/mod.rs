//! What is said about an input: places, diagnostics, and the table of every code.
//!
//! A diagnostic is about what somebody wrote, never about a message: what routing decides is a
//! value with its steps. Rendering is in `report`.

mod codes;
mod diagnostic;
mod place;
mod severity;
mod suggestion;

pub use codes::{Code, codes, lookup, rules};
pub use diagnostic::Diagnostic;
pub use place::{Location, Source};
pub use severity::Severity;
pub use suggestion::did_you_mean;
