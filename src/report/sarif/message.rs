//! Texts and severities as SARIF has them.

use serde::Serialize;

use crate::diag::Severity;
use crate::report::printable::one_line;

/// The severity as SARIF spells it.
pub(super) const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Note => "note",
        Severity::Warning => "warning",
    }
}

/// A plain text message (SARIF §3.11): braces would be placeholders, and a bracket before a
/// parenthesis a link.
#[derive(Serialize)]
pub(super) struct Message {
    text: String,
}

impl Message {
    pub(super) fn new(text: &str) -> Self {
        let lines = text.lines().map(one_line);
        let text = lines.collect::<Vec<String>>().join("\n");
        let text = text.replace('{', "{{").replace('}', "}}");
        Self {
            text: text.replace("](", "\\]("),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_neither_placeholders_nor_links() {
        // What is spelled out has braces, which are doubled like all.
        let message = Message::new("{0} [here](http://x)\nb\u{202e}");
        assert_eq!(message.text, "{{0}} [here\\](http://x)\nb\\u{{202e}}");
    }
}
