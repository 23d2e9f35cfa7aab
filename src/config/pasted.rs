//! Values as PowerShell writes and prints them, where TOML is wanted: what they are in TOML.

use std::net::Ipv4Addr;

use crate::mail::ByteSize;

/// A list longer than this is not written out in a suggestion, in bytes.
const SHOWN_MAX: usize = 120;

/// What is wrong with the value behind an equals sign, and what to write; `None` where it does not look
/// like something from PowerShell.
pub(super) fn explain(value: &str) -> Option<(&'static str, String)> {
    let value = value.trim();
    let is_address = value.parse::<Ipv4Addr>().is_ok();
    // A bare number is one in TOML too.
    let is_size = value.parse::<ByteSize>().is_ok() && value.contains(char::is_alphabetic);
    if is_address || is_size {
        return Some(("text stands in quotes", format!("write `\"{value}\"`")));
    }
    if value.eq_ignore_ascii_case("$null") {
        let help = "leave the key out where there is no value";
        return Some(("`$null` is no value here", help.to_owned()));
    }
    if let Some(inner) = list(value) {
        return Some(("a list stands in square brackets", square(inner)));
    }
    let bare = value.strip_suffix([';', ','])?;
    let help = format!("remove the `{}`", &value[bare.len()..]);
    Some(("nothing stands behind a value but a comment", help))
}

/// What is in a list of PowerShell: `@("a", "b")`, `("a", "b")`, `"a", "b"`, or `{a, b}` as cmdlets print
/// it.
fn list(value: &str) -> Option<&str> {
    let between = |open: &str, close: char| value.strip_prefix(open)?.strip_suffix(close);
    let braces = || between("{", '}').filter(|inner| !inner.contains('=') && !inner.is_empty());
    let commas = || {
        let is_quoted = |part: &str| {
            let part = part.trim();
            part.len() > 1 && part.starts_with('"') && part.ends_with('"')
        };
        Some(value).filter(|value| value.contains(',') && value.split(',').all(is_quoted))
    };
    between("@(", ')')
        .or_else(|| between("(", ')'))
        .or_else(braces)
        .or_else(commas)
}

/// The list as it is written in TOML.
fn square(inner: &str) -> String {
    let inner = inner.trim();
    let cut = inner.strip_suffix("...").or(inner.strip_suffix('…'));
    let entries = cut.unwrap_or(inner).split(',');
    let entries = entries.map(|entry| entry.trim().trim_matches(['"', '\'']));
    let entries = entries.filter(|entry| !entry.is_empty());
    let entries: Vec<String> = entries.map(|entry| format!("\"{entry}\"")).collect();
    let list = format!("[{}]", entries.join(", "));
    if cut.is_some() {
        return "write `[\"a\", \"b\"]`; the cmdlet left some out: with `$FormatEnumerationLimit = -1` it prints all"
            .to_owned();
    }
    // Quotes and backslashes within would need to be escaped.
    let is_plain = !entries
        .iter()
        .any(|entry| entry[1..entry.len() - 1].contains(['"', '\\']));
    if is_plain && list.len() <= SHOWN_MAX {
        format!("write `{list}`")
    } else {
        "write `[\"a\", \"b\"]`".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_powershell_writes_is_told_in_toml() {
        for (value, help) in [
            ("@(\"a.b\", 'c.d')", "write `[\"a.b\", \"c.d\"]`"),
            ("(\"a.b\")", "write `[\"a.b\"]`"),
            ("{SMTP:contoso.com;1}", "write `[\"SMTP:contoso.com;1\"]`"),
            ("{a.b, c.d}", "write `[\"a.b\", \"c.d\"]`"),
            ("\"a.b\", \"c.d\"", "write `[\"a.b\", \"c.d\"]`"),
            ("@()", "write `[]`"),
            ("$null", "leave the key out where there is no value"),
            ("\"Contoso\";", "remove the `;`"),
            ("[\"a\"],", "remove the `,`"),
            ("192.0.2.10", "write `\"192.0.2.10\"`"),
            (
                "35 MB (36,700,160 bytes)",
                "write `\"35 MB (36,700,160 bytes)\"`",
            ),
        ] {
            let said = explain(value).map(|(_, help)| help);
            assert_eq!(said.as_deref(), Some(help), "{value}");
        }
        let (_, help) = explain("{a, b, c, d...}").expect("a list");
        assert!(help.contains("$FormatEnumerationLimit"), "{help}");
    }

    #[test]
    fn what_is_toml_is_left_alone() {
        for value in [
            "\"a\"",
            "true",
            "12",
            "{ Name = \"a\" }",
            "{}",
            "[\"a\", \"b\"",
            "\"a, b",
            "",
        ] {
            assert_eq!(explain(value), None, "{value}");
        }
    }
}
