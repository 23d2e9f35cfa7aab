//! Decisions and worlds in words, by names alone, so that answers can be compared and read.

use std::fmt::Write as _;

use hybridmx::mail::Status;
use hybridmx::model::{Parts, RecipientId, SendConnectorId, ServerId, TlsAuthLevel, Topology};
use hybridmx::route::{
    Categorized, Copy, MailItem, NextHop, NoWinner, Peer, Presented, Selection, Verdict,
};

use super::acceptance::{Accepted, Admitted};

/// Pieces of the answers that random worlds must bring about.
pub(crate) const KINDS: &[&str] = &[
    // Connector choice.
    "alpha",
    "(none)",
    "(too large)",
    // Acceptance.
    "421 4.3.2",
    "530 5.7.57",
    "451 5.7.3",
    "550 5.7.54",
    "550 5.7.64 TenantAttribution",
    "ATTR36",
    "550 5.7.51",
    "550 5.7.68",
    "550 5.7.711",
    "451 4.4.4",
    "550 5.7.1 Client",
    "454 4.7.5",
    "550 5.1.4 Recipient",
    "550 5.1.5",
    "550 5.1.6",
    "internal true",
    "550 5.4.1",
    "550 5.1.10 RESOLVER",
    "promote true internal false Originating",
    "promote false internal false Incoming",
    "by Some(",
    // Admission.
    "auth_as: Anonymous",
    "auth_as: Internal",
    "auth_as: Partner",
    "code: 552",
    "Hop count exceeded",
    // Resolution, expansion and routing.
    "mailbox recipient",
    "any mailbox",
    " via EdgeSync",
    " untried",
    "550 5.7.128",
    "550 5.4.4",
    "IMCEA",
    "550 5.7.900",
    "2525 via",
    "mx of",
    "servers [] 25 via",
    "hosts [",
    "unreachable",
    "Some(Internal) None",
    "None Some(Internal)",
    " from recipient",
    "550 5.1.10\n",
    "550 5.1.4",
    "550 5.7.133",
    "550 5.7.134 in dialogue",
    "550 5.7.136",
    "550 5.7.193",
    "552 5.3.4",
    "550 5.4.6",
    "suppressed",
    "no database",
    " never",
    " told ",
    " orcpt ",
    " forwarded ",
    " redirected ",
    "550 5.1.0\n",
    "550 5.1.1\n",
    "550 5.2.3",
    "550 5.2.4",
    "550 5.5.3",
    "550 5.7.12\n",
    "550 5.7.124",
    "550 5.7.129",
    "550 5.7.520",
    // Certificates.
    "TLS None",
    "TLS Some(false)",
    "TLS Some(true)",
    "missing",
    "self-signed",
    "trusted true",
];

/// A server's name.
pub(crate) fn server(parts: &Parts, id: ServerId) -> String {
    let server = &parts.servers[id.index()];
    format!("{} ({:?})", server.name, server.role)
}

/// A connector choice.
pub(crate) fn selection(topology: &Topology, selection: &Selection) -> String {
    match selection.winner {
        Ok(id) => topology.send_connector(id).name.clone(),
        Err(NoWinner::TooLarge) => "(too large)".to_owned(),
        Err(NoWinner::Uncovered) => "(none)".to_owned(),
    }
}

/// An answer to RCPT TO of the reference.
pub(crate) fn accepted(parts: &Parts, answer: Result<&Accepted<'_>, &Status>) -> String {
    match answer {
        Ok(accepted) => format!(
            "{} by {:?} for {} promote {} internal {} {}",
            accepted.connector,
            accepted.attributed_by,
            parts.organizations[accepted.organization.index()].name,
            accepted.promote,
            accepted.internal,
            accepted.directionality
        ),
        Err(status) => status.to_string(),
    }
}

/// An answer to RCPT TO of `route`.
pub(crate) fn verdict(topology: &Topology, verdict: &Verdict) -> String {
    let name = |id| topology.receive_connector(id).name.as_str();
    let answer = verdict.decision.as_ref().map(|admission| Accepted {
        connector: name(admission.connector),
        attributed_by: admission.attributed_by.map(name),
        organization: admission.organization,
        promote: admission.promote,
        internal: admission.treat_as_internal,
        directionality: admission.directionality,
    });
    accepted(topology.parts(), answer.as_ref().map_err(|status| *status))
}

/// What a server took over.
pub(crate) fn admitted(item: MailItem) -> Admitted {
    let entries = item.trace.attributions.iter();
    Admitted {
        auth_as: item.auth_as,
        entries: entries
            .filter(|(organization, _)| *organization == item.organization)
            .map(|(_, count)| count)
            .sum(),
        resolved: item.resolved,
        received_by: item.trace.received_by,
    }
}

/// The certificate that is shown.
pub(crate) fn presented(presented: &Presented) -> String {
    match presented {
        Presented::Certificate(certificate) => {
            format!(
                "{:?} trusted {}",
                certificate.names,
                certificate.is_trusted()
            )
        }
        Presented::SelfSigned => "self-signed".to_owned(),
        Presented::Missing(_) => "missing".to_owned(),
    }
}

/// What becomes of every recipient, one line each, sorted.
pub(crate) fn fates(topology: &Topology, result: &Categorized) -> Vec<String> {
    let mut lines: Vec<String> = result
        .copies
        .iter()
        .map(|each| copy(topology, each))
        .collect();
    for failure in &result.failures {
        let told = match (&failure.told, failure.notify_never) {
            (_, true) => " never".to_owned(),
            (Some(told), false) => format!(" told {told}"),
            (None, false) => String::new(),
        };
        let waits = if failure.in_dialogue {
            " in dialogue"
        } else {
            ""
        };
        lines.push(format!(
            "failure {} {} {}{told}{waits}",
            failure.recipient, failure.status.code, failure.status.enhanced
        ));
    }
    for suppressed in &result.suppressed {
        let line = format!("suppressed {}", suppressed.recipient);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.sort();
    lines
}

fn copy(topology: &Topology, copy: &Copy) -> String {
    let transfer = if copy.exchange_authenticated {
        copy.transfer.clone()
    } else {
        copy.transfer_to(Peer::Anonymous)
    };
    let recipients: Vec<String> = transfer
        .recipients
        .iter()
        .map(ToString::to_string)
        .collect();
    let from = copy.expanded_from.map_or_else(String::new, |id| {
        format!(" from {}", topology.recipient(id).name)
    });
    let recipients = recipients.join(" and ");
    let hop = hop(topology, &copy.next_hop);
    let along = along(copy);
    if matches!(copy.next_hop, NextHop::NoDatabase | NextHop::Unreachable) {
        return format!("copy {recipients} {hop}{from}{along}");
    }
    let organization = transfer
        .organization
        .map_or("None".to_owned(), |auth_as| format!("Some({auth_as})"));
    let tls = match (&copy.next_hop, copy.next_hop.connector()) {
        (NextHop::Dns { .. } | NextHop::SmartHosts { .. }, Some(_)) => {
            let name = match (copy.tls.level, &copy.tls.name) {
                (Some(TlsAuthLevel::DomainValidation), Some(name)) => name.to_string(),
                _ => String::new(),
            };
            let shown = presented(&copy.presented);
            format!(
                " tls {} {:?} {name}{} {shown}",
                copy.tls.required,
                copy.tls.level,
                if copy.tls.avoided { " untried" } else { "" }
            )
        }
        (NextHop::Dns { .. }, None) if copy.tls.required => " tls".to_owned(),
        _ => String::new(),
    };
    format!(
        "copy {recipients} {hop} {organization} {:?}{tls}{from}{along}",
        transfer.cross_premises
    )
}

/// What a copy takes along: who is told of failures, the recipient's first address, who forwarded it.
fn along(copy: &Copy) -> String {
    let transfer = &copy.transfer;
    let mut text = format!(" <{}>", transfer.reverse_path);
    if transfer.properties.notify_never {
        text.push_str(" never");
    }
    if let Some(original) = transfer.properties.orcpt.get(&transfer.recipients[0]) {
        write!(text, " orcpt {original}").expect("a string takes everything");
    }
    let forwarded = &transfer.trace.forwarded_for;
    if !forwarded.is_empty() {
        write!(text, " forwarded {forwarded:?}").expect("a string takes everything");
    }
    let redirected = &transfer.trace.redirected_by;
    if !redirected.is_empty() {
        write!(text, " redirected {redirected:?}").expect("a string takes everything");
    }
    text
}

fn hop(topology: &Topology, hop: &NextHop) -> String {
    let via = |connector: &Option<SendConnectorId>| {
        connector.map_or_else(String::new, |id| {
            format!(" via {}", topology.send_connector(id).name)
        })
    };
    match hop {
        NextHop::Dns {
            domain,
            connector: None,
            ..
        } => format!("mx of {domain}"),
        NextHop::Dns {
            domain,
            connector,
            port,
        } => format!("mx of {domain} {port}{}", via(connector)),
        NextHop::Mailbox(Some(id)) => format!("mailbox {}", recipient(topology, *id)),
        NextHop::Mailbox(None) => "any mailbox".to_owned(),
        NextHop::Servers {
            servers,
            port,
            connector,
        } => {
            let names: Vec<&str> = servers
                .iter()
                .map(|id| topology.server(*id).name.as_str())
                .collect();
            format!("servers {names:?} {port}{}", via(connector))
        }
        NextHop::SmartHosts {
            hosts,
            connector,
            port,
        } => format!("hosts {hosts:?} {port}{}", via(connector)),
        NextHop::NoDatabase => "no database".to_owned(),
        NextHop::Unreachable => "unreachable".to_owned(),
    }
}

fn recipient(topology: &Topology, id: RecipientId) -> String {
    topology.recipient(id).name.clone()
}

/// The whole world, for whoever has to judge a disagreement.
pub(crate) fn world(parts: &Parts) -> String {
    let mut text = String::new();
    let mut section = |title: &str, objects: Vec<String>| {
        writeln!(text, "{title}:").expect("a string takes everything");
        for (index, object) in objects.iter().enumerate() {
            writeln!(text, "  {index}: {}", brief(object)).expect("a string takes everything");
        }
    };
    section("servers", debug(&parts.servers));
    section("accepted domains", debug(&parts.accepted_domains));
    section("remote domains", debug(&parts.remote_domains));
    section("receive connectors", debug(&parts.receive_connectors));
    section("send connectors", debug(&parts.send_connectors));
    section("rules", debug(&parts.rules));
    section("sites", debug(&parts.sites));
    section("site links", debug(&parts.site_links));
    section("recipients", debug(&parts.recipients));
    text
}

fn debug<T: std::fmt::Debug>(objects: &[T]) -> Vec<String> {
    objects.iter().map(|each| format!("{each:?}")).collect()
}

/// Without what no decision reads.
fn brief(object: &str) -> String {
    object.replace(", settings: Settings { object: None, values: [] }", "")
}
