//! Values in PowerShell: a name from a world is data, also in a line that an administrator pastes.

use std::fmt::{Display, Write as _};

/// A text between double quotes, in which nothing is expanded (PowerShell, "about_Quoting_Rules" and
/// "about_Special_Characters"; typographic quotes close a text as straight ones do).
pub(super) fn quoted(value: impl Display) -> String {
    let mut text = String::from("\"");
    for character in value.to_string().chars() {
        match character {
            '`' | '$' | '"' | '\u{201c}'..='\u{201e}' => {
                text.push('`');
                text.push(character);
            }
            // A line break would end a comment, and Escape the paste.
            _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') => {
                let _ = write!(text, "$([char]0x{:04X})", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text.push('"');
    text
}

/// A list of such texts.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(quoted).collect();
    items.join(",")
}

/// Adds a domain to a tenant: between its two cmdlets somebody publishes the record that proves whose the
/// domain is (Microsoft Graph PowerShell, "Confirm-MgDomain").
pub(super) fn new_domain(domain: impl Display) -> String {
    format!(
        "New-MgDomain -Id {domain}\nGet-MgDomainVerificationDnsRecord -DomainId {domain}   # publish the TXT record\nConfirm-MgDomain -DomainId {domain}"
    )
}

/// A text in a comment, which it does not leave.
pub(super) fn in_comment(value: impl Display) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    value.to_string().replace(breaks, "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        for (name, written) in [
            ("Outbound to Office 365", r#""Outbound to Office 365""#),
            (
                "a\"; Remove-Mailbox x; \"",
                "\"a`\"; Remove-Mailbox x; `\"\"",
            ),
            ("$(Remove-Item x) $env:x", "\"`$(Remove-Item x) `$env:x\""),
            ("`$(x)", "\"```$(x)\""),
            (
                "a\u{201d}; x; \u{201e}b\u{201c}",
                "\"a`\u{201d}; x; `\u{201e}b`\u{201c}\"",
            ),
            ("O'Neill \u{2019}s", "\"O'Neill \u{2019}s\""),
            ("a\nb\u{1b}", "\"a$([char]0x000A)b$([char]0x001B)\""),
        ] {
            assert_eq!(quoted(name), written);
        }
        assert_eq!(list(["a", "b$"]), "\"a\",\"b`$\"");
        assert_eq!(in_comment("a\nRemove-Item x"), "a?Remove-Item x");
    }
}
