//! What sessions are told at the doors of a small world, and why: one line of a table for each
//! setting.

use hybridmx::config::{self, World};
use hybridmx::flow::{Question, Submission, walk};
use hybridmx::mail::{ByteSize, MessageKind, NamePattern};
use hybridmx::model::{ServerId, Topology};
use hybridmx::route::{self, ClientCertificate, Connection, Peer, Subject, Vouched};

const WORLD: &str = r#"
[[OnPremises]]
Name = "Contoso"
TransportConfig = { TLSReceiveDomainSecureList = ["woodgrove.com"] }
[[OnPremises.Servers]]
Name = "EX01"
Fqdn = "ex01.contoso.com"
Site = "HQ"
IPAddress = ["192.0.2.10"]
[[OnPremises.Servers]]
Name = "EDGE01"
Fqdn = "edge01.contoso.com"
ServerRole = "Edge"
IPAddress = ["192.0.2.11"]
RecipientValidationEnabled = true
[OnPremises.Servers.RecipientFilterConfig]
BlockListEnabled = true
BlockedRecipients = "ceo@contoso.com"
[[OnPremises.EdgeSubscriptions]]
Name = "EDGE01"
Site = "HQ"
[[OnPremises.AcceptedDomains]]
DomainName = "contoso.com"
[[OnPremises.AcceptedDomains]]
DomainName = "apps.contoso.com"
AddressBookEnabled = false
[[OnPremises.RemoteDomains]]
Name = "Trusted"
DomainName = "*.trusted.com"
TrustedMailInboundEnabled = true
[[OnPremises.Mailboxes]]
PrimarySmtpAddress = "ann@contoso.com"
ServerName = "EX01"
[[OnPremises.Mailboxes]]
PrimarySmtpAddress = "ceo@contoso.com"
ServerName = "EX01"
[[OnPremises.ReceiveConnectors]]
Name = "Scanners"
Server = "EX01"
Bindings = "0.0.0.0:25"
RemoteIPRanges = "203.0.113.0/24"
PermissionGroups = "AnonymousUsers"
RejectReservedTopLevelRecipientDomains = true
RejectSingleLabelRecipientDomains = true
MaxInboundConnection = 10
MaxInboundConnectionPerSource = "Unlimited"
MaxInboundConnectionPercentagePerSource = 50
TarpitInterval = "00:00:01"
[[OnPremises.ReceiveConnectors.ADPermissions]]
User = 'NT AUTHORITY\ANONYMOUS LOGON'
ExtendedRights = "Ms-Exch-SMTP-Accept-Any-Recipient"
[[OnPremises.ReceiveConnectors.ADPermissions]]
User = 'NT AUTHORITY\ANONYMOUS LOGON'
ExtendedRights = "Ms-Exch-SMTP-Accept-Authoritative-Domain-Sender"
Deny = true
[[ExchangeOnline]]
Name = "contoso.onmicrosoft.com"
OrganizationConfig = { RejectDirectSend = true }
[[ExchangeOnline.AcceptedDomains]]
DomainName = "contoso.com"
DomainType = "InternalRelay"
[[ExchangeOnline.AcceptedDomains]]
DomainName = "parked.contoso.com"
SendingToDomainDisabled = true
[[ExchangeOnline.InboundConnectors]]
Name = "By address"
ConnectorType = "OnPremises"
SenderIPAddresses = ["198.51.100.1"]
TreatMessagesAsInternal = true
[[ExchangeOnline.InboundConnectors]]
Name = "Blocked"
ConnectorType = "OnPremises"
SenderIPAddresses = ["198.51.100.66"]
Blocked = true
[[ExchangeOnline.InboundConnectors]]
Name = "From Fabrikam"
SenderDomains = ["fabrikam.com"]
TlsSenderCertificateName = "*.fabrikam.com"
RestrictDomainsToCertificate = true
[[ExchangeOnline]]
Name = "adatum.onmicrosoft.com"
OrganizationConfig = { HasMailLicense = false }
[[ExchangeOnline.AcceptedDomains]]
DomainName = "adatum.com"
"#;

/// Server, client, name in its certificate, sender, recipient; the answer and why.
const TABLE: &[[&str; 6]] = &[
    // Permissions of a Receive connector.
    [
        "EX01",
        "203.0.113.5",
        "",
        "x@fabrikam.com",
        "pat@adatum.com",
        "250 Incoming: `adatum.com` is not an accepted domain here",
    ],
    [
        "EX01",
        "203.0.113.5",
        "",
        "ann@contoso.com",
        "ann@contoso.com",
        "550 5.7.1 Client does not have permissions to send as this sender: the session does not have `Ms-Exch-SMTP-Accept-Authoritative-Domain-Sender`",
    ],
    [
        "EX01",
        "203.0.113.5",
        "",
        "x@fabrikam.com",
        "pat@lab.test",
        "550 5.1.4 Recipient address reserved by RFC 2606: RejectReservedTopLevelRecipientDomains is true",
    ],
    [
        "EX01",
        "203.0.113.5",
        "",
        "x@fabrikam.com",
        "pat@lab",
        "550 5.1.6 Recipient addresses in single label domains not accepted: RejectSingleLabelRecipientDomains is true",
    ],
    [
        "EX01",
        "198.51.100.9",
        "",
        "x@fabrikam.com",
        "pat@adatum.com",
        "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain: the session may not relay",
    ],
    // Domain Security at the connector for the Internet.
    [
        "EX01",
        "198.51.100.9",
        "",
        "pat@woodgrove.com",
        "ann@contoso.com",
        "451 5.7.3 STARTTLS is required to send mail: `woodgrove.com` is in TLSReceiveDomainSecureList, and the session does not prove it by its certificate",
    ],
    [
        "EX01",
        "198.51.100.9",
        "mail.fabrikam.com",
        "pat@woodgrove.com",
        "ann@contoso.com",
        "454 4.7.5 Certificate validation failure: `woodgrove.com` is in TLSReceiveDomainSecureList, and the session does not prove it by its certificate",
    ],
    [
        "EX01",
        "198.51.100.9",
        "woodgrove.com",
        "pat@woodgrove.com",
        "ann@contoso.com",
        "250 Incoming: `contoso.com` is Authoritative here",
    ],
    // The recipient filter of an Edge server.
    [
        "EDGE01",
        "198.51.100.9",
        "",
        "x@fabrikam.com",
        "nobody@contoso.com",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup: the domain is Authoritative and no recipient has the address",
    ],
    [
        "EDGE01",
        "198.51.100.9",
        "",
        "x@fabrikam.com",
        "ceo@contoso.com",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup: BlockedRecipients contains the recipient",
    ],
    [
        "EDGE01",
        "198.51.100.9",
        "",
        "x@fabrikam.com",
        "nobody@apps.contoso.com",
        "250 Incoming: `apps.contoso.com` is Authoritative here",
    ],
    [
        "EDGE01",
        "198.51.100.9",
        "",
        "x@mail.trusted.com",
        "nobody@contoso.com",
        "250 Incoming: TrustedMailInboundEnabled of remote domain `*.trusted.com` switches the recipient filter off; `contoso.com` is Authoritative here",
    ],
    // The front door of Exchange Online.
    [
        "EOP",
        "198.51.100.1",
        "",
        "ann@contoso.com",
        "pat@fabrikam.com",
        "250 Originating internal: it recognises the sending organization",
    ],
    [
        "EOP",
        "198.51.100.1",
        "",
        "<>",
        "pat@fabrikam.com",
        "550 5.7.64 Relay Access Denied ATTR36. For more details please refer to KB 3169958: the session may not relay",
    ],
    [
        "EOP",
        "198.51.100.1",
        "",
        "<>",
        "ann@contoso.com",
        "250 Incoming: the recipient's domain belongs to the tenant",
    ],
    [
        "EOP",
        "198.51.100.66",
        "",
        "ann@contoso.com",
        "ann@contoso.com",
        "550 5.7.711 Access denied, bad inbound connector. AS(2204).: the service has blocked it",
    ],
    [
        "EOP",
        "198.51.100.9",
        "",
        "x@fabrikam.com",
        "ann@contoso.com",
        "550 5.7.51 TenantInboundAttribution; There is a partner connector configured that matched the message's recipient domain. The connector had either the RestrictDomainsToIPAddresses or RestrictDomainsToCertificate set: RestrictDomainsToCertificate is true, and the session does not satisfy it",
    ],
    [
        "EOP",
        "198.51.100.9",
        "mail.fabrikam.com",
        "x@fabrikam.com",
        "ann@contoso.com",
        "250 Incoming: the recipient's domain belongs to the tenant",
    ],
    [
        "EOP",
        "198.51.100.9",
        "",
        "ann@contoso.com",
        "ann@contoso.com",
        "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization from unauthorized sources: RejectDirectSend is true, the sender's domain is an accepted domain, and no connector recognises the session",
    ],
    [
        "EOP",
        "198.51.100.9",
        "",
        "x@woodgrove.com",
        "a@parked.contoso.com",
        "550 5.4.1 Recipient address rejected: Access denied: SendingToDomainDisabled of the accepted domain is true",
    ],
    [
        "EOP",
        "198.51.100.9",
        "",
        "x@woodgrove.com",
        "a@adatum.com",
        "451 4.4.4 Mail received as unauthenticated, incoming to a recipient domain configured in a hosted tenant which has no mail-enabled subscriptions. ATTR5: the tenant has no subscription with mail",
    ],
];

fn world() -> World {
    let now = "2026-06-01T12:00:00Z".parse().expect("a moment");
    let (world, found) = config::read("w.toml", WORLD, now);
    world.unwrap_or_else(|| panic!("{found:#?}"))
}

fn server(topology: &Topology, name: &str) -> ServerId {
    topology.server_named(name).expect("a server of the world")
}

fn answer(topology: &Topology, [at, client, name, from, to, _]: &[&str; 6]) -> String {
    let at = server(topology, at);
    let certificate = (!name.is_empty()).then(|| ClientCertificate {
        names: vec![NamePattern::parse(name).expect("a name")],
        vouched: Vouched::Trusted,
    });
    let connection = Connection {
        remote_address: Some(client.parse().expect("an address")),
        local_address: topology.server(at).addresses.first().copied(),
        port: 25,
        peer: Peer::Anonymous,
        tls: certificate.is_some(),
        certificate,
    };
    let reverse_path = from.parse().expect("a reverse-path");
    let recipient = to.parse().expect("a recipient");
    let verdict = route::accept(topology, at, &connection, &reverse_path, &recipient);
    let why: Vec<String> = verdict
        .step
        .because
        .iter()
        .map(ToString::to_string)
        .collect();
    let why = why.join("; ");
    let why = why.replace("the narrowest RemoteIPRanges that contain the client; ", "");
    match verdict.decision {
        Ok(admission) => {
            let internal = if admission.treat_as_internal {
                " internal"
            } else {
                ""
            };
            format!("250 {}{internal}: {why}", admission.directionality)
        }
        Err(status) => format!("{status}: {why}"),
    }
}

#[test]
fn every_setting_at_a_door_has_its_answer_and_its_reason() {
    let world = world();
    for row in TABLE {
        assert_eq!(answer(&world.topology, row), row[5], "{row:?}");
    }
}

/// Exchange Server, "Message rate limits and throttling".
#[test]
fn sessions_have_the_limits_of_their_connector() {
    let world = world();
    let connector = |name: &str| {
        let mut all = world.topology.parts().receive_connectors.iter();
        let found = all.find(|each| each.name == name);
        found.unwrap_or_else(|| panic!("no connector {name}"))
    };
    let front = connector("Default Frontend EX01");
    assert!(front.sessions.admit(0, 19) && !front.sessions.admit(0, 20));
    // Two percent of the 500 places that are left.
    assert!(front.sessions.admit(4500, 9) && !front.sessions.admit(4500, 10));
    assert!(front.sessions.admit(4999, 0) && !front.sessions.admit(5000, 0));
    assert_eq!(front.tarpit.as_secs(), 5);
    assert_eq!(front.max_recipients, 200);
    let inner = connector("Default EX01");
    assert!(inner.sessions.admit(4999, 4999) && !inner.sessions.admit(5000, 0));
    assert_eq!(inner.max_recipients, 5000);
    assert_eq!(
        connector("Outbound Proxy Frontend EX01").tarpit.as_secs(),
        0
    );
    let written = connector("Scanners");
    assert!(written.sessions.admit(0, 4) && !written.sessions.admit(0, 5));
    assert!(!written.sessions.admit(10, 0));
    assert_eq!(written.tarpit.as_secs(), 1);
}

/// Exchange Server, "Receive connectors": an Edge server without a subscription is no Exchange server
/// of the organization, and neither is one whose connector does not offer the logon.
#[test]
fn servers_log_on_to_those_that_let_them() {
    let known = |text: &str| {
        let now = "2026-06-01T12:00:00Z".parse().expect("a moment");
        let (world, found) = config::read("w.toml", text, now);
        let topology = world.unwrap_or_else(|| panic!("{found:#?}")).topology;
        let (from, to) = (server(&topology, "EDGE01"), server(&topology, "EX01"));
        let connection = Connection {
            remote_address: topology.server(from).addresses.first().copied(),
            local_address: topology.server(to).addresses.first().copied(),
            port: 25,
            peer: Peer::Anonymous,
            tls: false,
            certificate: None,
        };
        route::recognises(&topology, from, to, &connection)
    };
    let subscription = "[[OnPremises.EdgeSubscriptions]]\nName = \"EDGE01\"\nSite = \"HQ\"\n";
    let alone = WORLD.replacen(subscription, "", 1);
    assert!(!known(&alone), "without a subscription");
    assert!(known(WORLD), "subscribed");
    let silent = WORLD.replacen(
        "Name = \"Scanners\"",
        "Name = \"Default Frontend EX01\"\nAuthMechanism = \"Tls\"",
        1,
    );
    let silent = silent.replacen("RemoteIPRanges = \"203.0.113.0/24\"\n", "", 1);
    assert!(!known(&silent), "no ExchangeServer in AuthMechanism");
}

/// Exchange Server, "Send connectors": a certificate that is named must be there and in date.
#[test]
fn the_certificate_that_is_chosen_is_told_with_those_that_are_not() {
    const CERTIFICATES: &str = r#"
[[OnPremises.SendConnectors]]
Name = "Out"
AddressSpaces = ["*"]
SourceTransportServers = ["EX01"]
SmartHosts = ["[203.0.113.1]"]
TlsCertificateName = "<I>CN=Public CA<S>CN=mail.contoso.com"
[[Certificates]]
Subject = "CN=mail.contoso.com"
NotBefore = "2024-01-01T00:00:00Z"
NotAfter = "2026-01-01T00:00:00Z"
Servers = ["EX01"]
"#;
    const NEWER: &str = r#"
[[Certificates]]
Subject = "CN=mail.contoso.com"
NotBefore = "2026-01-01T00:00:00Z"
NotAfter = "2027-01-01T00:00:00Z"
Servers = ["EX01"]
"#;
    let base = WORLD
        .split("[[ExchangeOnline]]")
        .next()
        .expect("the first part");
    let told = |text: &str| {
        let now = "2026-06-01T12:00:00Z".parse().expect("a moment");
        let (world, found) = config::read("w.toml", text, now);
        let world = world.unwrap_or_else(|| panic!("{found:#?}"));
        let question = Question {
            from: "ann@contoso.com".parse().expect("a reverse-path"),
            to: vec!["pat@fabrikam.com".parse().expect("a recipient")],
            size: ByteSize(1),
            kind: MessageKind::Message,
            submission: Submission::User(server(&world.topology, "EX01")),
        };
        let flow = walk(&world.topology, &world.zones, &question);
        let fork = &flow.forks[0];
        let mut told = vec![fork.disposition.to_string()];
        for step in fork.hops.iter().flat_map(|hop| &hop.steps) {
            if matches!(step.chosen, Some(Subject::SendConnector(_))) {
                continue;
            }
            told.extend(step.because.iter().map(ToString::to_string));
            told.extend(
                step.rejected
                    .iter()
                    .map(|each| format!("not: {}", each.reason)),
            );
        }
        told.join("; ")
    };
    let expired = told(&format!("{base}{CERTIFICATES}"));
    assert!(expired.starts_with("Deferred; "), "{expired}");
    assert!(
        expired.contains("out of date; not: out of date"),
        "{expired}"
    );
    let named =
        "certificate `<I>CN=Public CA<S>CN=mail.contoso.com` on this server expired at 2026";
    assert!(expired.contains(named), "{expired}");
    let renewed = told(&format!("{base}{CERTIFICATES}{NEWER}"));
    assert!(renewed.starts_with("LeftWorld; "), "{renewed}");
    let won = "the newest certificate in date that the connector can show; not: out of date";
    assert!(renewed.contains(won), "{renewed}");
}
