//! What every part of the page is made of.

use crate::report::markup::{self, element};

/// A section with its heading.
pub(super) fn section(id: &str, title: &str, inside: &str) -> String {
    let heading_id = format!("{id}-title");
    let heading = element("h2", &[("id", &heading_id)], &markup::text(title));
    let attributes = [("id", id), ("aria-labelledby", heading_id.as_str())];
    element("section", &attributes, &format!("{heading}\n{inside}"))
}

/// A table; cells are markup, headings are texts.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let heads = heads
        .iter()
        .map(|head| element("th", &[("scope", "col")], &markup::text(head)));
    let head = element(
        "thead",
        &[],
        &element("tr", &[], &heads.collect::<String>()),
    );
    let rows = rows.iter().map(|cells| {
        let cells = cells.iter().map(|cell| element("td", &[], cell));
        element("tr", &[], &cells.collect::<String>()) + "\n"
    });
    let body = element("tbody", &[], &rows.collect::<String>());
    scrolled(&element("table", &[], &format!("{head}\n{body}")))
}

/// What may be wider than the page: it can be scrolled, with the keyboard too.
pub(super) fn scrolled(inside: &str) -> String {
    let attributes = [("class", "scroll"), ("tabindex", "0")];
    element("div", &attributes, inside)
}
