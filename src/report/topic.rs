//! What can be explained: the rules, and the replies.

use crate::diag::{self, Code, Diagnostic};
use crate::mail::{self, EnhancedStatus, Explanation};

/// What an explanation is about.
#[derive(Clone, Debug)]
pub enum Topic {
    /// A rule of `check`, or a mistake in a world.
    Rule(&'static Code),
    /// Every such code.
    Codes(Vec<&'static Code>),
    /// The meanings of a reply; more than one where the status is used for several things.
    Replies(Vec<&'static Explanation>),
}

/// Everything that `check` and the reading of files can say.
#[must_use]
pub fn every_code() -> Topic {
    Topic::Codes(diag::codes().collect())
}

/// Finds what a code stands for: the code of a rule, an enhanced status, a reply code with or without
/// one, or a whole reply as it was pasted from an NDR or a queue.
///
/// # Errors
/// When it is none of these, with what may have been meant.
pub fn topic(written: &str) -> Result<Topic, Box<Diagnostic>> {
    let written = written.trim();
    let written = bracketed(written).unwrap_or(written);
    if let Some(row) = diag::lookup(&written.to_lowercase()) {
        return Ok(Topic::Rule(row));
    }
    let replies = replies(written);
    if replies.is_empty() {
        Err(unknown(written))
    } else {
        Ok(Topic::Replies(replies))
    }
}

/// The code in the first line of a finding or a mistake as it is printed: `error[open-relay]: …`.
fn bracketed(written: &str) -> Option<&str> {
    let (severity, rest) = written.split_once('[')?;
    let is_severity = ["error", "warning", "note"].contains(&severity);
    let (code, _) = rest.split_once(']').filter(|_| is_severity)?;
    Some(code)
}

/// The explanations of the first enhanced status in a reply, else of its reply code.
fn replies(written: &str) -> Vec<&'static Explanation> {
    // Replies of several lines have a hyphen after the code, NDRs a number sign before the status.
    let words = written.split([' ', '-', '#', '<', '>', ';', ',']);
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let enhanced = words
        .iter()
        .find_map(|word| word.parse::<EnhancedStatus>().ok());
    if let Some(enhanced) = enhanced {
        return mail::explain(enhanced).collect();
    }
    let Some(code) = words.first().filter(|word| is_reply_code(word)) else {
        return Vec::new();
    };
    let said_with = |row: &&Explanation| row.reply.split(' ').next() == Some(code);
    mail::explanations().iter().filter(said_with).collect()
}

/// Whether a word is a reply code (RFC 5321 §4.2).
fn is_reply_code(word: &str) -> bool {
    word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit())
}

fn unknown(written: &str) -> Box<Diagnostic> {
    let message = format!("`{written}` is neither a rule nor a reply that is known here");
    let statuses: Vec<String> = mail::explanations()
        .iter()
        .map(|row| row.enhanced.to_string())
        .collect();
    let known = diag::codes().map(|row| row.code);
    let known = known.chain(statuses.iter().map(String::as_str));
    let help = match diag::did_you_mean(written, known) {
        Some(close) => format!("did you mean `{close}`?"),
        None => "write a rule as `hybridmx check` prints it, or a status such as `5.7.133`".into(),
    };
    Box::new(Diagnostic::new("invalid-value", None, message).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(written: &str) -> String {
        match topic(written) {
            Ok(Topic::Rule(row)) => row.code.to_owned(),
            Ok(Topic::Codes(rows)) => rows.len().to_string(),
            Ok(Topic::Replies(rows)) => {
                let statuses: Vec<_> = rows.iter().map(|row| row.enhanced.to_string()).collect();
                statuses.join(" ")
            }
            Err(diagnostic) => diagnostic.help.unwrap_or_default(),
        }
    }

    #[test]
    fn codes_are_found_however_they_are_pasted() {
        for (written, found) in [
            ("open-relay", "open-relay"),
            (" Open-Relay ", "open-relay"),
            ("error[open-relay]", "open-relay"),
            (
                "warning[mx-mixes-services]: `contoso.com` has MX records",
                "mx-mixes-services",
            ),
            ("5.7.133", "5.7.133"),
            ("550 5.7.133", "5.7.133"),
            ("#550 5.7.133 RESOLVER.RST.Sender;", "5.7.133"),
            ("550-5.7.64 TenantAttribution", "5.7.64"),
            ("554 5.4.4", "5.4.4 5.4.4"),
            ("530", "5.7.0 5.7.57"),
            (
                "451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35.",
                "4.4.62",
            ),
            (
                "454 4.7.0 Failed to establish appropriate TLS channel",
                "4.7.0 4.7.0",
            ),
            ("450 4.7.230", "4.7.230"),
            ("5.7.230", "5.7.230"),
        ] {
            assert_eq!(say(written), found, "{written}");
        }
    }

    #[test]
    fn every_code_can_be_explained() {
        let Topic::Codes(rows) = every_code() else {
            panic!("not a list")
        };
        assert!(rows.len() > 40, "{}", rows.len());
        for row in rows {
            assert_eq!(say(row.code), row.code);
        }
    }

    #[test]
    fn unknown_codes_are_corrected() {
        assert_eq!(say("open-rely"), "did you mean `open-relay`?");
        assert_eq!(say("5.7.1333"), "did you mean `5.7.133`?");
        for nonsense in ["", "299", "hello world", "5.9.999.1"] {
            assert!(topic(nonsense).is_err(), "{nonsense}");
        }
    }
}
