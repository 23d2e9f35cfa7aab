//! The certificates that Send connectors on premises show to the cloud, and what they ask of it (Exchange
//! hybrid, "Certificate requirements for hybrid deployments"; "TLS Certificates in Exchange Hybrid").

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::carrier;
use super::crossing::{SERVICE, is_sent_by, users};
use crate::diag::Severity;
use crate::dns;
use crate::flow::FlagKind;
use crate::mail::{EnhancedStatus, NamePattern};
use crate::model::{
    Certificate, CertificateId, DomainPattern, Matcher, Routing, SendConnector, SendConnectorId,
    ServerId, SmartHost, TlsAuthLevel, Topology,
};
use crate::route::{self, Presented};
use crate::verify::context::{Context, Found};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Certificates, wrong_name),
    Rule::new(Stage::Certificates, too_long),
    Rule::new(Stage::Certificates, untrusted),
    Rule::new(Stage::Notes, expiring),
    Rule::new(Stage::Notes, on_the_internet),
];

/// The open questions that go amiss by way of a connector.
fn amiss_by(context: &Context<'_>, id: SendConnectorId) -> Vec<usize> {
    context.open_where(|asked| {
        let mut forks = asked.ordinary().forks.iter();
        context.is_amiss(asked) && forks.any(|fork| is_sent_by(fork, id))
    })
}

/// Connectors that ask for another name than the service has.
fn wrong_name(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (_, id) in hybrid::carriers(context.topology) {
        let connector = context.topology.send_connector(id);
        let service = NamePattern::parse(SERVICE).ok();
        let fits = connector
            .tls_domain
            .as_ref()
            .zip(service.as_ref())
            .is_some_and(|(wanted, service)| wanted.accepts(service));
        let validates = connector.tls_auth_level == Some(TlsAuthLevel::DomainValidation);
        if fits || !validates || leads_elsewhere(connector) {
            continue;
        }
        let wanted = match &connector.tls_domain {
            Some(wanted) => format!("the name `{wanted}`"),
            None => "the name of each recipient's domain".to_owned(),
        };
        let message = format!(
            "the hybrid Send connector `{}` expects {wanted} in the certificate of Exchange Online Protection",
            connector.name
        );
        let script = carrier::script(
            context.topology,
            connector,
            &format!("-TlsDomain {SERVICE}"),
        );
        let settings = &connector.settings;
        let draft = Finding::of(
            "hybrid-connector-expects-wrong-name",
            settings.at("TlsDomain"),
            message,
        )
        .because(format!(
            "the certificate of the service has the name `{SERVICE}`"
        ))
        .help(format!("set TlsDomain to `{SERVICE}`"))
        .fix(
            Side::OnPremises,
            script,
            edit::set_key(settings, "TlsDomain", &edit::quoted(SERVICE)),
        );
        // Names below the service's are in its certificate, too: these fit as long as they are.
        let claims = amiss_by(context, id).into_iter();
        let claims: Vec<usize> = claims
            .filter(|index| is_refused(&context.survey.asked[*index], id))
            .collect();
        let mut refused = match claims.is_empty() {
            true => draft.claims_nothing(users(context, id), None),
            false => draft.claims(context, claims),
        };
        if refused.claims.is_empty() {
            refused.finding.diagnostic.severity = Severity::Warning;
        }
        found.push(refused);
    }
    found
}

/// Whether a copy waits because its sender does not like the certificate that it is shown.
fn is_refused(asked: &Asked, id: SendConnectorId) -> bool {
    const MISMATCH: EnhancedStatus = EnhancedStatus::new(4, 7, 5);
    let mut forks = asked.ordinary().forks.iter();
    forks.any(|fork| {
        let status = fork.status.as_ref().map(|status| status.enhanced);
        is_sent_by(fork, id) && status == Some(MISMATCH)
    })
}

/// Whether a connector has hosts of its own that are not the service's: that is another finding.
fn leads_elsewhere(connector: &SendConnector) -> bool {
    let Routing::SmartHosts(hosts) = &connector.routing else {
        return false;
    };
    hosts.iter().any(|host| match host {
        SmartHost::Name(name) => !dns::is_protection_host(name),
        SmartHost::Address(_) => false,
    })
}

/// Connectors that name no certificate, and whose servers choose one that nobody trusts.
fn untrusted(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for (_, id) in hybrid::carriers(context.topology) {
        let connector = topology.send_connector(id);
        let wrong = connector
            .sources
            .iter()
            .find_map(|source| passed_over(topology, connector, *source));
        let Some((chosen, better)) = wrong else {
            continue;
        };
        let (chosen, better) = (topology.certificate(chosen), topology.certificate(better));
        let message = format!(
            "the hybrid Send connector `{}` names no certificate, and `{}` from `{}` is chosen, which others do not trust",
            connector.name, chosen.subject, chosen.issuer
        );
        let name = better.tls_certificate_name();
        let named = format!("-TlsCertificateName {}", powershell::quoted(&name));
        let script = carrier::script(topology, connector, &named);
        let settings = &connector.settings;
        let draft = Finding::of(
            "untrusted-certificate-chosen",
            chosen.settings.object.as_ref(),
            message,
        )
        .because(
            "without TlsCertificateName the newest certificate with the connector's Fqdn is shown",
        )
        .help(format!(
            "name the certificate of `{}` in the connector",
            better.issuer
        ))
        .fix(
            Side::OnPremises,
            script,
            edit::set_key(settings, "TlsCertificateName", &edit::quoted(&name)),
        );
        let loses = context.open_where(|asked| {
            let mut forks = asked.ordinary().forks.iter();
            forks.any(|fork| {
                let untrusted = |flag: &crate::flow::Flag| flag.kind == FlagKind::WrongTrust;
                is_sent_by(fork, id)
                    && (fork.disposition.is_failure() || fork.flags.iter().any(untrusted))
            })
        });
        found.push(draft.claims(context, loses));
    }
    found
}

/// The untrusted certificate that a source chooses for a connector, and a trusted one that it holds as
/// well and that would do.
fn passed_over(
    topology: &Topology,
    connector: &SendConnector,
    source: ServerId,
) -> Option<(CertificateId, CertificateId)> {
    if connector.tls_certificate_name.is_some() {
        return None;
    }
    let chosen = route::chosen(topology, source, Some(connector))?;
    if topology.certificate(chosen).trusted {
        return None;
    }
    let shared = |other: &Certificate| {
        let names = &topology.certificate(chosen).names;
        other.names.iter().any(|name| names.contains(name))
    };
    let better = topology.certificates().find(|(_, certificate)| {
        certificate.trusted
            && certificate.is_valid_at(topology.as_of())
            && certificate.servers.contains(&source)
            && shared(certificate)
    });
    better.map(|(better, _)| (chosen, better))
}

/// How long before its end a certificate is spoken of.
///
/// Choice: sixty days, because Exchange's health checks begin to warn then.
const SOON: SignedDuration = SignedDuration::from_hours(60 * 24);

/// A year and a day more is what a renewed certificate is given in a mended world.
const RENEWED: SignedDuration = SignedDuration::from_hours(365 * 24);

/// Certificates of hybrid mail that end soon.
fn expiring(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let now = topology.as_of();
    let ends = |id: &CertificateId| {
        let certificate = topology.certificate(*id);
        let end = certificate
            .not_after
            .filter(|_| certificate.is_valid_at(now));
        end.is_some_and(|end| end.duration_since(now) < SOON)
    };
    let soon: Vec<_> = in_hybrid_use(context).into_iter().filter(ends).collect();
    if soon.is_empty() {
        return Vec::new();
    }
    let connectors = hybrid::carriers(context.topology);
    let crossing = context.open_where(|asked| {
        let mut forks = asked.ordinary().forks.iter();
        forks.any(|fork| connectors.iter().any(|(_, id)| is_sent_by(fork, *id)))
    });
    let affected = context.affected(&crossing);
    let found = soon.into_iter().map(|id| {
        let certificate = topology.certificate(id);
        let end = certificate.not_after.unwrap_or(now);
        let message = format!(
            "the certificate `{}` of hybrid mail ends on {}",
            certificate.subject,
            day(end)
        );
        let servers = certificate.servers.iter();
        let servers = servers.map(|id| topology.server(*id).name.clone());
        let servers: Vec<String> = servers.collect();
        let script = format!(
            "# request a new certificate of the same authority with the same names, then on {}:\nImport-ExchangeCertificate -Server <server> -FileData (...) -Password (...)\n# and run the Hybrid Configuration wizard to name it in the connectors",
            powershell::in_comment(servers.join(", "))
        );
        let renewed = now.checked_add(RENEWED).ok().map(day);
        let edits = renewed.and_then(|end| edit::set_key(&certificate.settings, "NotAfter", &end));
        Finding::of(
            "certificate-expires-soon",
            certificate.settings.at("NotAfter"),
            message,
        )
        .help("renew it and name the new one in the connectors while the old one is valid")
        .fix(Side::OnPremises, script, edits)
        .claims_nothing(affected, None)
    });
    found.collect()
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// The certificates that the servers of the premises show to the cloud.
pub(super) fn in_hybrid_use(context: &Context<'_>) -> BTreeSet<CertificateId> {
    let topology = context.topology;
    let mut found = BTreeSet::new();
    for (pair, id) in hybrid::carriers(context.topology) {
        let connector = topology.send_connector(id);
        let sources = connector.sources.iter();
        found
            .extend(sources.filter_map(|source| route::chosen(topology, *source, Some(connector))));
        let receiving = topology.receive_connectors().filter(|(_, receive)| {
            receive.organization == pair.on_premises
                && receive.enabled
                && super::crossing::takes_cloud_mail(receive)
        });
        found.extend(receiving.filter_map(|(_, receive)| route::served(topology, receive)));
    }
    found
}

/// The longest `TlsCertificateName` that Edge servers get.
const EDGE_NAME_MAX: usize = 256;

/// Names of certificates that EdgeSync does not take to Edge servers.
fn too_long(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for (_, id) in hybrid::carriers(context.topology) {
        let connector = topology.send_connector(id);
        let edge = connector
            .sources
            .iter()
            .find(|source| !topology.server(**source).directory);
        let length = connector.tls_certificate_name.as_ref().map(String::len);
        let Some((edge, length)) = edge.zip(length.filter(|length| *length > EDGE_NAME_MAX)) else {
            continue;
        };
        let message = format!(
            "the TlsCertificateName of `{}` has {length} characters: the Edge server {} does not get it",
            connector.name,
            topology.server(*edge).name
        );
        let settings = &connector.settings;
        let mut parameters = "-TlsCertificateName $null".to_owned();
        let mut edits: Vec<Edit> = Vec::new();
        edits.extend(edit::remove_key(settings, "TlsCertificateName"));
        if let Some(name) = unchosen(topology, connector) {
            parameters = format!("{parameters} -Fqdn {}", powershell::quoted(name));
            edits.extend(edit::set_key(
                settings,
                "Fqdn",
                &edit::quoted(&name.to_string()),
            ));
        }
        let script = carrier::script(topology, connector, &parameters);
        let draft = Finding::of(
            "certificate-name-too-long-for-edge",
            settings.at("TlsCertificateName"),
            message,
        )
        .because(format!(
            "EdgeSync leaves a name of more than {EDGE_NAME_MAX} characters out, and the Edge server chooses a certificate by the Fqdn of the connector"
        ))
        .help("let Fqdn choose the certificate, or use one with a shorter subject and issuer")
        .fix(Side::OnPremises, script, edits);
        let claims = amiss_by(context, id);
        let lost = !claims.is_empty();
        let mut one = draft.claims(context, claims);
        if !lost {
            one.finding.diagnostic.severity = Severity::Warning;
        }
        found.push(one);
    }
    found
}

/// A name of the certificate that a connector names, where the name that it says in EHLO is none of them.
fn unchosen<'a>(topology: &'a Topology, connector: &SendConnector) -> Option<&'a NamePattern> {
    let wanted = connector.tls_certificate_name.as_deref()?;
    let mut all = topology.certificates().map(|(_, certificate)| certificate);
    let named = all.find(|certificate| certificate.tls_certificate_name() == wanted)?;
    let chosen = connector.fqdn.as_ref();
    let said = chosen.and_then(|fqdn| NamePattern::parse(fqdn.as_str()).ok());
    let covered = said.is_some_and(|said| {
        let mut names = named.names.iter();
        names.any(|name| *name == said || name.covers(&said))
    });
    let mut plain = named.names.iter().filter(|name| !name.is_wildcard());
    plain.next().filter(|_| !covered)
}

/// Send connectors for the Internet that name the certificate by which a tenant knows its premises.
///
/// Choice: only where the certificate is named. One that the name said in EHLO chooses is what every
/// server with a public name shows.
fn on_the_internet(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        for id in topology.send_connectors_of(pair.on_premises) {
            let connector = topology.send_connector(*id);
            let spaces = &connector.address_spaces;
            let open = spaces
                .iter()
                .any(|space| space.pattern == DomainPattern::Any);
            let named = connector.tls_certificate_name.is_some();
            if open && named && connector.enabled && !connector.cloud_services_mail_enabled {
                found.extend(attributed(context, pair, *id));
            }
        }
    }
    found
}

fn attributed(context: &Context<'_>, pair: Pair, id: SendConnectorId) -> Option<Found> {
    let topology = context.topology;
    let connector = topology.send_connector(id);
    let source = connector.sources.first()?;
    let Presented::Certificate(shown) = route::presented(topology, *source, Some(connector)) else {
        return None;
    };
    let inbound = pair.inbound_connectors(topology).into_iter();
    let by = inbound
        .map(|id| topology.receive_connector(id))
        .find(|inbound| match &inbound.matcher {
            Matcher::Peer {
                tls_sender_certificate_name: Some(wanted),
                ..
            } => shown.names.iter().any(|name| wanted.accepts(name)),
            Matcher::Peer { .. } | Matcher::Endpoint { .. } => false,
        })?;
    let message = format!(
        "the Send connector `{}` shows the hybrid certificate to the Internet, and leaves the organization headers behind",
        connector.name
    );
    let script = carrier::script(topology, connector, "-TlsCertificateName $null");
    let settings = &connector.settings;
    let draft: Draft = Finding::of(
        "internet-connector-presents-hybrid-certificate",
        settings.at("TlsCertificateName"),
        message,
    )
    .because(format!(
        "what it sends to the tenant is attributed by `{}`, and is Anonymous all the same",
        by.name
    ))
    .help("take TlsCertificateName away from the connector");
    let edits: Option<Edit> = edit::remove_key(settings, "TlsCertificateName");
    Some(
        draft
            .fix(Side::OnPremises, script, edits)
            .claims_nothing(users(context, id), None),
    )
}
