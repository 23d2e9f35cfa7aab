//! TLS as a decision: what is demanded of the next hop, who shows which certificate, and whether the
//! two fit (Exchange Server, "Send connectors in Exchange Server").

use jiff::Timestamp;

use super::item::{ClientCertificate, Presented, TlsDemand, Vouched};
use super::step::{Event, Reason, Rejected, Step, Subject};
use crate::mail::{Domain, Mailbox, NamePattern};
use crate::model::{
    Certificate, CertificateId, ReceiveConnector, Routing, SendConnector, ServerId, TlsAuthLevel,
    Topology,
};

/// What a Send connector demands of the next hop for a recipient domain.
#[must_use]
pub(super) fn demand(
    topology: &Topology,
    connector: &SendConnector,
    recipient_domain: &Domain,
) -> TlsDemand {
    let avoided = connector.ignore_starttls || connector.force_helo;
    if !avoided && is_domain_secure(topology, connector, recipient_domain) {
        return TlsDemand {
            required: true,
            level: Some(TlsAuthLevel::DomainValidation),
            name: NamePattern::parse(recipient_domain.as_str()).ok(),
            avoided,
        };
    }
    let name = (connector.tls_auth_level == Some(TlsAuthLevel::DomainValidation)).then(|| {
        // Without TlsDomain the name is the recipient domain (Exchange Server, Set-SendConnector).
        connector
            .tls_domain
            .clone()
            .or_else(|| NamePattern::parse(recipient_domain.as_str()).ok())
    });
    TlsDemand {
        required: connector.require_tls,
        level: connector.tls_auth_level,
        name: name.flatten(),
        avoided,
    }
}

/// Whether a domain gets mutual TLS: on a `DomainSecureEnabled` connector that routes by DNS, for the
/// domains of `TLSSendDomainSecureList` (Exchange PowerShell, "Set-SendConnector",
/// "Set-TransportConfig").
///
/// Choice: a domain of the list is that domain alone, and the certificate must have its name.
fn is_domain_secure(topology: &Topology, connector: &SendConnector, domain: &Domain) -> bool {
    let transport = &topology.organization(connector.organization).transport;
    connector.domain_secure
        && connector.routing == Routing::Dns
        && transport.send_domain_secure.contains(domain)
}

/// The certificate that a server shows when it sends through a connector.
#[must_use]
pub fn presented(
    topology: &Topology,
    server: ServerId,
    connector: Option<&SendConnector>,
) -> Presented {
    let name = certificate_name(topology, server, connector);
    match (chosen(topology, server, connector), name) {
        (Some(id), _) => Presented::Certificate(shown(topology, id)),
        (None, Some(name)) => Presented::Missing(name.clone()),
        (None, None) => Presented::SelfSigned,
    }
}

/// Why the certificate that a connector names cannot be shown: in words, for whoever has to mend it.
#[must_use]
pub fn why_missing(topology: &Topology, server: ServerId, name: &str) -> String {
    let out_of_date = named(topology, server, name).map(|id| topology.certificate(id));
    match out_of_date.and_then(|certificate| certificate.not_after) {
        Some(end) if end < topology.as_of() => {
            format!("certificate `{name}` on this server expired at {end}")
        }
        _ if out_of_date.is_some() => {
            format!("certificate `{name}` on this server is not valid yet")
        }
        _ => format!("no certificate `{name}` on this server"),
    }
}

/// The longest `TlsCertificateName` that EdgeSync takes to an Edge server.
const SYNCHRONIZED_NAME_MAX: usize = 256;

/// `TlsCertificateName` as a server knows it: EdgeSync leaves a name out that is too long.
fn certificate_name<'a>(
    topology: &Topology,
    server: ServerId,
    connector: Option<&'a SendConnector>,
) -> Option<&'a String> {
    let name = connector?.tls_certificate_name.as_ref()?;
    let known = topology.server(server).directory
        || topology.server(server).takes_every_address()
        || name.len() <= SYNCHRONIZED_NAME_MAX;
    known.then_some(name)
}

/// Which of its certificates a server chooses when it sends through a connector: the newest in date of
/// those that are named, or the newest that covers the name said in EHLO. One that is named and out of
/// date counts as one that is not there.
#[must_use]
pub fn chosen(
    topology: &Topology,
    server: ServerId,
    connector: Option<&SendConnector>,
) -> Option<CertificateId> {
    let fqdn = connector
        .and_then(|c| c.fqdn.as_ref())
        .unwrap_or(&topology.server(server).fqdn);
    match certificate_name(topology, server, connector) {
        Some(name) => newest(topology, server, |certificate| {
            is_named(certificate, name) && certificate.is_valid_at(topology.as_of())
        }),
        None => covering(topology, server, fqdn),
    }
}

/// The choice among the certificates that fit a connector, where there was one: the winner, and why the
/// others lost.
#[must_use]
pub(super) fn contest(
    topology: &Topology,
    server: ServerId,
    connector: &SendConnector,
    recipient: &Mailbox,
) -> Option<Step> {
    let now = topology.as_of();
    let fqdn = connector
        .fqdn
        .as_ref()
        .unwrap_or(&topology.server(server).fqdn);
    let winner = chosen(topology, server, Some(connector));
    let fits = |certificate: &Certificate| match &connector.tls_certificate_name {
        Some(name) => is_named(certificate, name),
        None => covers(&certificate.names, fqdn),
    };
    let losers = topology.certificates().filter(|(id, certificate)| {
        winner != Some(*id) && certificate.servers.contains(&server) && fits(certificate)
    });
    let losers: Vec<Rejected> = losers
        .map(|(id, certificate)| Rejected {
            candidate: Subject::Certificate(id),
            reason: match certificate.is_valid_at(now) {
                true => Reason::OlderCertificate,
                false => Reason::CertificateOutOfDate,
            },
        })
        .collect();
    let step = Step::new(Event::SendExternal, recipient);
    let step = match winner {
        Some(id) => step
            .chosen(Subject::Certificate(id))
            .because(Reason::NewestCertificate),
        None => step.because(Reason::CertificateOutOfDate),
    };
    (!losers.is_empty()).then(|| step.rejected(losers))
}

/// The certificate that a Receive connector shows, in date or not; `None` is the server's self-signed
/// one.
#[must_use]
pub fn served(topology: &Topology, connector: &ReceiveConnector) -> Option<CertificateId> {
    let fqdn = connector
        .fqdn
        .as_ref()
        .unwrap_or(&topology.server(connector.server).fqdn);
    match &connector.tls_certificate_name {
        // A named certificate that is gone: the self-signed one takes its place.
        Some(name) => named(topology, connector.server, name),
        None => covering(topology, connector.server, fqdn),
    }
}

/// The newest certificate of a server with this `<I>…<S>…` name.
fn named(topology: &Topology, server: ServerId, name: &str) -> Option<CertificateId> {
    newest(topology, server, |certificate| is_named(certificate, name))
}

fn is_named(certificate: &Certificate, name: &str) -> bool {
    certificate
        .tls_certificate_name()
        .eq_ignore_ascii_case(name)
}

/// The newest valid certificate of a server that covers a host name.
///
/// Choice: documents say only that `Fqdn` is used to choose. A certificate without the name is not
/// taken instead.
fn covering(topology: &Topology, server: ServerId, fqdn: &Domain) -> Option<CertificateId> {
    let now = topology.as_of();
    newest(topology, server, |certificate| {
        certificate.is_valid_at(now) && covers(&certificate.names, fqdn)
    })
}

/// Whether one of a certificate's names stands for a host.
pub(super) fn covers(names: &[NamePattern], host: &Domain) -> bool {
    NamePattern::parse(host.as_str()).is_ok_and(|wanted| {
        names
            .iter()
            .any(|name| *name == wanted || name.covers(&wanted))
    })
}

/// Whether a certificate that a server showed proves that it is a server of the world: a trusted root
/// vouches for it, and its names are the server's own or those of a certificate that the world gives it.
#[must_use]
pub fn proves(topology: &Topology, server: ServerId, shown: &Certificate, now: Timestamp) -> bool {
    let given = || {
        topology
            .certificates()
            .filter(|(_, certificate)| certificate.servers.contains(&server))
            .flat_map(|(_, certificate)| &certificate.names)
    };
    shown.trusted
        && shown.is_valid_at(now)
        && (covers(&shown.names, &topology.server(server).fqdn)
            || given().any(|name| shown.names.contains(name)))
}

fn newest(
    topology: &Topology,
    server: ServerId,
    fits: impl Fn(&Certificate) -> bool,
) -> Option<CertificateId> {
    topology
        .certificates()
        .filter(|(_, certificate)| certificate.servers.contains(&server) && fits(certificate))
        // Among equally new ones the names decide, so that the order of the world decides nothing.
        .min_by_key(|(_, certificate)| {
            let age = std::cmp::Reverse((certificate.not_before, certificate.not_after));
            (age, &certificate.names, !certificate.trusted)
        })
        .map(|(id, _)| id)
}

fn shown(topology: &Topology, id: CertificateId) -> ClientCertificate {
    let certificate = topology.certificate(id);
    ClientCertificate {
        names: certificate.names.clone(),
        vouched: vouched(certificate, topology.as_of()),
    }
}

/// Who vouches for a certificate at a moment.
#[must_use]
pub fn vouched(certificate: &Certificate, now: Timestamp) -> Vouched {
    match certificate.is_valid_at(now) {
        true if certificate.trusted => Vouched::Trusted,
        true if certificate.has_private_root() => Vouched::PrivateRoot,
        _ => Vouched::Nobody,
    }
}

/// Whether the certificate of the next hop satisfies the demand; otherwise what is wrong, in words.
///
/// # Errors
/// The reason, as a queue's last error would give it.
pub fn judge(
    demand: &TlsDemand,
    offered: bool,
    certificate: Option<&Certificate>,
    now: Timestamp,
) -> Result<bool, String> {
    if demand.avoided || !offered {
        return if demand.required && demand.avoided {
            Err("the connector does not try STARTTLS, and TLS is demanded".to_owned())
        } else if demand.required {
            Err("the next hop does not offer STARTTLS".to_owned())
        } else {
            Ok(false)
        };
    }
    let Some(level) = demand.level else {
        return Ok(true);
    };
    if level == TlsAuthLevel::EncryptionOnly {
        return Ok(true);
    }
    let Some(certificate) = certificate else {
        return Err("UntrustedRoot: the next hop shows a self-signed certificate".to_owned());
    };
    if !certificate.trusted {
        return Err(format!(
            "UntrustedRoot: `{}` is from `{}`",
            certificate.subject, certificate.issuer
        ));
    }
    if !certificate.is_valid_at(now) {
        return Err(format!("`{}` is out of date", certificate.subject));
    }
    match (&demand.name, level) {
        (Some(wanted), TlsAuthLevel::DomainValidation)
            if !certificate.names.iter().any(|name| wanted.accepts(name)) =>
        {
            Err(format!(
                "SubjectMismatch: expected `{wanted}`, presented `{}`",
                certificate.subject
            ))
        }
        _ => Ok(true),
    }
}
