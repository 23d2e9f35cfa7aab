//! Drawings that need no other program: a message on its way, and a world with its mail.
//!
//! Not here: what is drawn (`flow`, `verify`). Coordinates are whole pixels at the usual size of
//! text; widths of texts are estimated, generously, because nothing here knows a font.
//!
//! Invariant: what is drawn in colour is said in words or by a sign as well.
//! Invariant: a drawing asks for nothing from elsewhere: no font, no script, no picture.

mod arrows;
mod canvas;
mod places;
mod trace;
mod world;

use super::words;
use crate::flow::Flow;
use crate::model::Topology;

pub(super) use canvas::STYLE;
pub(super) use world::world;

/// One message with every fork, as a file of its own.
#[must_use]
pub fn trace(topology: &Topology, flow: &Flow) -> String {
    let title = words::heading(&flow.question);
    trace::trace(topology, flow).file(&title)
}

/// The same as a part of a page.
pub(super) fn trace_figure(topology: &Topology, flow: &Flow) -> String {
    let title = words::heading(&flow.question);
    trace::trace(topology, flow).figure(&title)
}
