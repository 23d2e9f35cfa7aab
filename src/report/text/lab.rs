//! Where everything of a lab is, and what to try next.

use super::palette::{Ink, Palette};
use super::table::{self, Cell, Column};
use crate::report::surroundings::Surroundings;

const COLUMNS: [Column; 4] = [
    Column::Left("SERVER"),
    Column::Left("ROLE"),
    Column::Left("SMTP"),
    Column::Left("SUBMISSION"),
];

/// A table of the servers, the other doors, and commands that work as they stand.
#[must_use]
pub fn lab(surroundings: &Surroundings, palette: Palette) -> String {
    let rows: Vec<Vec<Cell>> = surroundings
        .servers
        .iter()
        .map(|server| {
            let submission = server
                .submission
                .map_or_else(String::new, |address| address.to_string());
            vec![
                Cell::painted(Ink::Strong, server.name.as_str()),
                Cell::new(server.role),
                Cell::new(server.smtp.to_string()),
                Cell::new(submission),
            ]
        })
        .collect();
    let mut lines = table::lines(&COLUMNS, &rows, palette);
    lines.push(String::new());
    lines.push(format!(
        "DNS        {} (public), {} (inside)",
        surroundings.dns, surroundings.dns_internal
    ));
    lines.push(format!(
        "HTTP       http://{} (mailboxes, /metrics, /healthz, /ca.pem)",
        surroundings.http
    ));
    lines.push(format!(
        "Passwords  `{}` for every user",
        surroundings.password
    ));
    lines.push(String::new());
    lines.push(palette.paint(Ink::Note, "Try:"));
    lines.extend(
        next_steps(surroundings)
            .into_iter()
            .map(|line| format!("  {line}")),
    );
    lines.push(String::new());
    lines.push("Ctrl-C ends it.".to_owned());
    lines.into_iter().map(|line| line + "\n").collect()
}

fn next_steps(surroundings: &Surroundings) -> Vec<String> {
    let http = surroundings.http;
    let mut steps = Vec::new();
    if let (Some((user, at)), Some(group)) = (&surroundings.user, &surroundings.group) {
        let password = surroundings.password;
        steps.push(format!(
            "swaks --server {at} --tls --auth PLAIN --auth-user {user} --auth-password {password} \\"
        ));
        steps.push(format!(
            "      --from {user} --to {group} --header 'Subject: hello'"
        ));
        steps.push(format!(
            "curl 'http://{http}/mailboxes/{group}/wait?subject=hello'"
        ));
        let dns = surroundings.dns;
        steps.push(format!(
            "dig @{} -p {} {} MX",
            dns.ip(),
            dns.port(),
            group.domain
        ));
    }
    steps.push(format!("curl http://{http}/mailboxes"));
    steps.push(format!("curl http://{http}/metrics"));
    steps
}
