//! Certificates that the hybrid connectors name and that cannot be used (Exchange hybrid, "Certificate
//! requirements for hybrid deployments").

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::diag::{Diagnostic, Location, Severity};
use crate::flow::{FlagKind, Flow, Fork};
use crate::mail::EnhancedStatus;
use crate::model::{Certificate, ServerId, Topology};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Fix, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Certificates, check)];

/// One finding for each certificate that cannot be used.
fn check(context: &Context<'_>) -> Vec<Found> {
    hybrid::pairs(context.topology)
        .into_iter()
        .flat_map(|pair| certificates_of(context, pair))
        .collect()
}

fn loses_trust(flow: &Flow) -> bool {
    flow.forks.iter().any(|fork| {
        fork.flags
            .iter()
            .any(|flag| flag.kind == FlagKind::WrongTrust)
    })
}

/// Where a certificate is named.
struct Use<'a> {
    /// `<I>issuer<S>subject`.
    name: &'a str,
    /// The setting.
    place: Option<Location>,
    /// The server that must hold it.
    server: ServerId,
    /// The cmdlet that sets another one, without its value.
    cmdlet: String,
}

fn certificates_of(context: &Context<'_>, pair: Pair) -> Vec<Found> {
    let topology = context.topology;
    let mut troubles: BTreeMap<String, Unusable> = BTreeMap::new();
    for each in uses(topology, pair) {
        if let Some(trouble) = unusable(topology, &each) {
            troubles.entry(trouble.message.clone()).or_insert(trouble);
        }
    }
    let suffers = |asked: &Asked| {
        let flow = asked.ordinary();
        let status = |fork: &Fork| {
            fork.status
                .as_ref()
                .is_some_and(|status| is_tls(status.enhanced))
        };
        loses_trust(flow) || flow.forks.iter().any(status)
    };
    let found = troubles.into_values().map(|trouble| {
        let mut diagnostic = Diagnostic::new("hybrid-certificate-unusable", trouble.place, trouble.message)
            .help("install a valid certificate of a public authority on every hybrid server, and name it in the connectors");
        // A server that the cloud does not send to today has it for tomorrow.
        if context.all_where(suffers).is_empty() {
            diagnostic.severity = Severity::Warning;
        }
        let claims = context.open_where(suffers);
        context.conclude(diagnostic, trouble.fix.into_iter().collect(), claims)
    });
    found.collect()
}

/// What is wrong with a named certificate on a server.
struct Unusable {
    place: Option<Location>,
    message: String,
    fix: Option<Fix>,
}

fn is_tls(status: EnhancedStatus) -> bool {
    const REPLIES: [EnhancedStatus; 3] = [
        EnhancedStatus::new(4, 4, 317),
        EnhancedStatus::new(4, 7, 0),
        EnhancedStatus::new(4, 7, 5),
    ];
    REPLIES.contains(&status)
}

/// Every naming of a certificate by the connectors of the on-premises side.
fn uses(topology: &Topology, pair: Pair) -> Vec<Use<'_>> {
    let mut uses = Vec::new();
    for connector in pair
        .wizard_connectors(topology)
        .filter(|connector| connector.enabled)
    {
        let Some(name) = &connector.tls_certificate_name else {
            continue;
        };
        uses.extend(connector.sources.iter().map(|server| Use {
            name,
            place: connector.settings.at("TlsCertificateName").cloned(),
            server: *server,
            cmdlet: format!(
                "Set-SendConnector -Identity {}",
                powershell::quoted(&connector.name)
            ),
        }));
    }
    for (_, connector) in topology.receive_connectors() {
        let hybrid = connector.organization == pair.on_premises
            && !connector.tls_domain_capabilities.is_empty();
        let name = connector.tls_certificate_name.as_ref();
        let Some(name) = name.filter(|_| hybrid && connector.enabled) else {
            continue;
        };
        let server = &topology.server(connector.server).name;
        let identity = format!("{server}\\{}", connector.name);
        uses.push(Use {
            name,
            place: connector.settings.at("TlsCertificateName").cloned(),
            server: connector.server,
            cmdlet: format!(
                "Set-ReceiveConnector -Identity {}",
                powershell::quoted(&identity)
            ),
        });
    }
    uses
}

/// What is wrong with a certificate that a connector names on a server.
fn unusable(topology: &Topology, each: &Use<'_>) -> Option<Unusable> {
    let (name, place, server) = (each.name, each.place.clone(), each.server);
    let called = |certificate: &&Certificate| {
        certificate
            .tls_certificate_name()
            .eq_ignore_ascii_case(name)
    };
    let known: Vec<&Certificate> = topology
        .certificates()
        .map(|(_, each)| each)
        .filter(called)
        .collect();
    let held: Vec<&&Certificate> = known
        .iter()
        .filter(|each| each.servers.contains(&server))
        .collect();
    let now = topology.as_of();
    if known.is_empty() {
        return Some(Unusable {
            message: format!("no server has the certificate `{name}`"),
            fix: renamed(topology, each),
            place,
        });
    }
    let Some(first) = held.first() else {
        let message = format!(
            "the certificate `{name}` is not on {}",
            topology.server(server).name
        );
        let fix = known
            .first()
            .map(|certificate| install(topology, certificate, server));
        return Some(Unusable {
            place,
            message,
            fix,
        });
    };
    if held
        .iter()
        .any(|held| (held.trusted || !held.chain_complete) && held.is_valid_at(now))
    {
        return None;
    }
    Some(refused(topology, first))
}

/// A certificate that is there, and that nobody takes.
fn refused(topology: &Topology, first: &Certificate) -> Unusable {
    let subject = &first.subject;
    let (key, message) = if first.is_valid_at(topology.as_of()) {
        (
            "RootCAType",
            format!("the certificate `{subject}` is not from an authority that others trust"),
        )
    } else {
        (
            "NotAfter",
            format!("the certificate `{subject}` is out of date"),
        )
    };
    Unusable {
        place: first.settings.at(key).cloned(),
        message,
        fix: Some(renew(topology, first, key)),
    }
}

/// Names a certificate that the server has, in the place of one that nobody has.
fn renamed(topology: &Topology, each: &Use<'_>) -> Option<Fix> {
    let now = topology.as_of();
    let own = topology.certificates().map(|(_, certificate)| certificate);
    let mut own = own.filter(|one| one.servers.contains(&each.server) && one.trusted);
    let name = own.find(|one| one.is_valid_at(now))?.tls_certificate_name();
    let script = format!(
        "{} -TlsCertificateName {}",
        each.cmdlet,
        powershell::quoted(&name)
    );
    let place = each
        .place
        .as_ref()
        .map(|at| edit::replace(at, edit::quoted(&name)));
    Some(Fix {
        side: Side::OnPremises,
        script,
        edits: place.into_iter().collect(),
    })
}

/// A new certificate with the names of the old one, from an authority that others trust.
fn renew(topology: &Topology, certificate: &Certificate, key: &str) -> Fix {
    const YEAR: SignedDuration = SignedDuration::from_hours(24 * 365);
    let subject = powershell::quoted(&certificate.subject);
    let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
    let script = format!(
        "New-ExchangeCertificate -GenerateRequest -SubjectName {subject} -DomainName {} -PrivateKeyExportable $true\n# have a public authority sign it, import it on every hybrid server, name it in the connectors",
        powershell::list(&names)
    );
    let value = match key {
        "NotAfter" => topology
            .as_of()
            .checked_add(YEAR)
            .ok()
            .map(|end| end.to_string()),
        _ => Some(edit::quoted("ThirdParty")),
    };
    let edit = value.and_then(|value| edit::set_key(&certificate.settings, key, &value));
    Fix {
        side: Side::OnPremises,
        script,
        edits: edit.into_iter().collect(),
    }
}

/// Brings a certificate to one more server.
fn install(topology: &Topology, certificate: &Certificate, server: ServerId) -> Fix {
    let name = |id: &ServerId| topology.server(*id).name.clone();
    let from = certificate.servers.first().map(name).unwrap_or_default();
    let from = powershell::in_comment(from);
    let script = format!(
        "# export `{}` with its key from {from}, then on {}:\nImport-ExchangeCertificate -Server {} -FileData (...) -Password (...)",
        powershell::in_comment(&certificate.subject),
        powershell::in_comment(name(&server)),
        powershell::quoted(name(&server))
    );
    let all = certificate.servers.iter().chain([&server]).map(name);
    let edits = certificate
        .settings
        .written("Servers")
        .map(|at| edit::replace(at, edit::list(all)));
    Fix {
        side: Side::OnPremises,
        script,
        edits: edits.into_iter().collect(),
    }
}
