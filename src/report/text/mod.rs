//! Answers for people: aligned, coloured where the palette says so, one part on one line.
//!
//! Not here: what is said (`verify`, `flow`, `diag`); nothing is found out while it is written down.
//! Each function gives a whole text that ends with a line feed.
//!
//! Bugs: lines of `check` and `test` are as long as what they say, and a terminal breaks them, because
//! commands in them are to be copied whole.

mod agreement;
mod check;
mod diagnostic;
mod explain;
mod flows;
mod fold;
mod lab;
mod palette;
mod path;
mod table;
mod trace;

pub use agreement::agreement;
pub(super) use check::finding;

pub use check::check;
pub use diagnostic::diagnostics;
pub use explain::explain;
pub use flows::flows;
pub use fold::folded;
pub use lab::lab;
pub use palette::Palette;
pub use trace::trace;
