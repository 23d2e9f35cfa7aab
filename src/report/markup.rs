//! XML and HTML as text: what stands between two tags cannot become one.

use super::printable::one_line;

/// A text on one line, as the content of an element or the value of an attribute.
pub(super) fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A text that keeps its lines.
pub(super) fn lines(written: &str) -> String {
    let lines: Vec<String> = written.lines().map(text).collect();
    lines.join("\n")
}

/// An element: its attributes are texts, what is inside is markup.
pub(super) fn element(name: &str, attributes: &[(&str, &str)], inside: &str) -> String {
    format!("<{name}{}>{inside}</{name}>", written(attributes))
}

/// An element of XML or SVG with nothing inside.
pub(super) fn empty(name: &str, attributes: &[(&str, &str)]) -> String {
    format!("<{name}{}/>", written(attributes))
}

fn written(attributes: &[(&str, &str)]) -> String {
    let attributes = attributes.iter();
    let attributes = attributes.map(|(name, value)| format!(" {name}=\"{}\"", text(value)));
    attributes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_texts() {
        let hostile = "</a><script>\"'&\n\u{202e}\0\u{ffff}";
        let element = element("a", &[("b", hostile)], &text(hostile));
        let plain = "&lt;/a&gt;&lt;script&gt;&quot;&#39;&amp;\\n\\u{202e}\\u{0}\\u{ffff}";
        assert_eq!(element, format!("<a b=\"{plain}\">{plain}</a>"));
    }

    #[test]
    fn scripts_keep_their_lines() {
        assert_eq!(lines("a < b\r\nc\u{0}"), "a &lt; b\nc\\u{0}");
        assert_eq!(empty("br", &[]), "<br/>");
    }
}
