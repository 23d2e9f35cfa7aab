//! Every reply that refuses or defers can be explained: the closed list of metrics, and what the
//! sources say.

use std::collections::BTreeSet;
use std::path::Path;

use hybridmx::mail::{EnhancedStatus, explain};
use hybridmx::metrics;

use crate::files::read_text;

/// Files in which replies are written.
const SOURCES: [&str; 9] = [
    "model/organization.rs",
    "relay/deliver.rs",
    "relay/receive.rs",
    "relay/send.rs",
    "route/accept.rs",
    "route/categorize.rs",
    "route/outcome.rs",
    "smtp/server.rs",
    "smtp/texts.rs",
];

#[test]
fn every_status_that_is_counted_can_be_explained() {
    let counted = metrics::closed_values("messages_bounced_total", "enhanced");
    let counted = counted.expect("a closed set");
    let statuses = counted.iter().map(ToString::to_string);
    unexplained(statuses.filter(|status| status != "other"));
}

#[test]
fn every_reply_in_the_sources_can_be_explained() {
    let mut said = BTreeSet::new();
    for source in SOURCES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(source);
        let text = read_text(&path);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        said.extend(constructed(code));
        said.extend(quoted(code));
    }
    assert!(said.len() > 30, "{said:?}");
    unexplained(said.into_iter());
}

/// Statuses as `Status::new` is given them: `(5, 7, 60)`.
fn constructed(code: &str) -> impl Iterator<Item = String> {
    let parts = code.split("Status::new(").skip(1);
    parts.filter_map(|part| {
        let numbers = part.split_once('(')?.1.split_once(')')?.0;
        let numbers: Vec<&str> = numbers.split(',').map(str::trim).collect();
        let is_failure = ["4", "5"].contains(numbers.first()?);
        (numbers.len() == 3 && is_failure).then(|| numbers.join("."))
    })
}

/// Statuses of whole replies: `"550 5.6.11 Invalid characters"`.
fn quoted(code: &str) -> impl Iterator<Item = String> {
    code.split('"').filter_map(|text| {
        let mut words = text.split(' ');
        let code: u16 = words.next()?.parse().ok()?;
        let status = words.next()?;
        let is_failure = (400..600).contains(&code) && status.split('.').count() == 3;
        is_failure.then(|| status.to_owned())
    })
}

fn unexplained(statuses: impl Iterator<Item = String>) {
    let missing: Vec<String> = statuses
        .filter(|status| {
            let status: EnhancedStatus = status.parse().expect("an enhanced status");
            explain(status).next().is_none()
        })
        .collect();
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "hybridmx explain does not know these"
    );
}
