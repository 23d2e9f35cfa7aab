//! What lies around the organizations: the Internet, certificates, and what the owner expects.
//!
//! Every host of the Internet is an organization of its own. The host `Internet` is implied: it
//! stands for everyone whom the world does not describe, and takes no mail.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::build::{Build, unknown};
use super::keys::timestamp;
use super::object::{Object, Word};
use super::sending::conflict;
use crate::mail::{AuthAs, ByteSize, Domain, NamePattern};
use crate::model::{
    AcceptedDomain, Certificate, DomainType, EntraConnect, Expectation, INTERNET, IpRange, Matcher,
    Organization, OrganizationId, OrganizationKind, PermissionGroup, ReceiveConnector, Server,
    ServerId, ServerRole, Settings, SignInMethod, TransportRole,
};

/// The host that stands for strangers.
const EVERYONE_ELSE: &str = "Internet";

/// Adds the hosts and senders of the Internet, and the host of everyone else.
pub(super) fn internet(build: &mut Build, object: Option<&Object>) {
    let hosts = object
        .map(|object| object.objects("Hosts"))
        .unwrap_or_default();
    let names = hosts.iter().filter_map(|host| host.word("Name"));
    build.refuse_duplicates("host", names);
    for host in hosts {
        stated_host(build, host);
    }
    everyone_else(build);
    let senders = object
        .map(|object| object.objects("Senders"))
        .unwrap_or_default();
    for sender in senders {
        outside_sender(build, sender);
    }
}

fn stated_host(build: &mut Build, object: &Object) {
    let Some(name) = object.word("Name") else {
        return;
    };
    if name.text.eq_ignore_ascii_case(EVERYONE_ELSE) {
        build.report(
            "duplicate-name",
            &name.location,
            format!(
                "`{}` is the name of the host that stands for everyone else",
                name.text
            ),
            "give the host another name",
        );
    }
    let Some(fqdn) = object
        .parse::<Domain>("Fqdn")
        .or_else(|| host_name(build, object, &name))
    else {
        return;
    };
    let mut server = host(&name.text, fqdn, object.settings());
    server.addresses = object.parse_list("IPAddress");
    let organization = add_host(build, server, object.flag("StartTls"));
    build
        .parts
        .outside_recipients
        .extend(object.parse_list::<crate::mail::Mailbox>("Mailboxes"));
    for word in object.list("Domains") {
        if let Ok(domain) = word.text.parse() {
            build.parts.accepted_domains.push(AcceptedDomain {
                name: word.text.clone(),
                settings: object.settings(),
                ..AcceptedDomain::new(organization, domain, DomainType::Authoritative)
            });
        }
    }
}

/// The name of a host as its FQDN, where that is not written.
fn host_name(build: &mut Build, object: &Object, name: &Word) -> Option<Domain> {
    if object.is_unusable("Fqdn") {
        return None;
    }
    let domain = name.text.parse().ok();
    if domain.is_none() {
        build.report(
            "missing-key",
            &object.location,
            format!(
                "`{}` has no `Fqdn`, and its name is no host name",
                name.text
            ),
            "add `Fqdn`, as in `mail.contoso.com`",
        );
    }
    domain
}

/// The implied host, from which strangers write.
fn everyone_else(build: &mut Build) {
    let fqdn = Domain::parse("internet.invalid").expect("the constant is a domain name");
    let mut server = host(EVERYONE_ELSE, fqdn, Settings::default());
    server.addresses = vec![build.free_address(Ipv4Addr::new(198, 18, 255, 1))];
    add_host(build, server, true);
}

/// A host that has no organization yet.
fn host(name: &str, fqdn: Domain, settings: Settings) -> Server {
    let nobody = OrganizationId::new(0);
    Server {
        directory: false,
        settings,
        ..Server::new(nobody, name, fqdn, ServerRole::Host, &INTERNET)
    }
}

/// Adds a host with an organization and a Receive connector of its own.
fn add_host(build: &mut Build, server: Server, offers_tls: bool) -> OrganizationId {
    let organization = build.organization(Organization {
        settings: server.settings.clone(),
        ..Organization::new(&server.name, OrganizationKind::Internet, &INTERNET)
    });
    let id = build.server(Server {
        organization,
        ..server
    });
    let connector = ReceiveConnector {
        offers_tls,
        ..host_connector(organization, id)
    };
    build.parts.receive_connectors.push(connector);
    organization
}

fn host_connector(organization: OrganizationId, server: ServerId) -> ReceiveConnector {
    let matcher = Matcher::Endpoint {
        transport_role: TransportRole::HubTransport,
        bindings: Matcher::everywhere(&[25]),
        remote_ip_ranges: vec![IpRange::ALL_V4, IpRange::ALL_V6],
    };
    ReceiveConnector {
        permission_groups: BTreeSet::from([PermissionGroup::AnonymousUsers]),
        // Choice: the largest message that Exchange Online can be set to send, so that a foreign
        // host is never what limits a size.
        max_message_size: ByteSize(150 << 20),
        // RFC 5321 §6.3: at least 100.
        max_hop_count: 100,
        max_local_hop_count: 0,
        ..ReceiveConnector::new(organization, server, "SMTP", matcher)
    }
}

fn outside_sender(build: &mut Build, object: &Object) {
    let Some(address) = object.parse::<crate::mail::Mailbox>("Address") else {
        return;
    };
    let host = match object.word("Host") {
        Some(word) => build.server_named(&word, |server| server.role == ServerRole::Host),
        None if object.is_unusable("Host") => None,
        None => {
            let host = host_of(build, &address.domain);
            if host.is_none() {
                build.report(
                    "missing-key",
                    object.at("Address"),
                    format!("no host takes mail for `{}`", address.domain),
                    "add `Host`, or the domain to the `Domains` of a host",
                );
            }
            host
        }
    };
    build
        .parts
        .outside_senders
        .extend(host.map(|host| (address, host)));
}

/// The host that takes mail for a domain.
fn host_of(build: &Build, domain: &Domain) -> Option<ServerId> {
    let takes = |server: &Server| {
        let mut domains = build.parts.accepted_domains.iter();
        domains.any(|each| each.organization == server.organization && each.domain == *domain)
    };
    let mut servers = build.parts.servers.iter();
    let found = servers.position(|server| server.role == ServerRole::Host && takes(server));
    found.map(ServerId::new)
}

/// Adds the certificates of a world.
pub(super) fn certificates(build: &mut Build, objects: &[Object]) {
    for object in objects {
        let servers = build.servers_named(object.list("Servers"), |_| true);
        let moment = |key| object.text(key).and_then(timestamp);
        let (not_before, not_after) = (moment("NotBefore"), moment("NotAfter"));
        if not_before
            .zip(not_after)
            .is_some_and(|(start, end)| end < start)
        {
            conflict(
                build,
                object,
                "NotAfter",
                "`NotAfter` is before `NotBefore`".to_owned(),
                "exchange the two".to_owned(),
            );
        }
        let Some(subject) = object.text("Subject") else {
            continue;
        };
        build.parts.certificates.push(Certificate {
            subject: subject.to_owned(),
            issuer: object.text("Issuer").unwrap_or_default().to_owned(),
            names: names(subject, object),
            not_before,
            not_after,
            // The servers of others know the roots of public authorities only, and cannot build a
            // chain that is not sent.
            trusted: object.text("RootCAType") == Some("ThirdParty")
                && object.flag("ChainComplete"),
            chain_complete: object.flag("ChainComplete"),
            servers: match object.flag("HasPrivateKey") {
                true => servers,
                false => Vec::new(),
            },
            settings: object.settings(),
        });
    }
}

/// Adds the gateways of third parties: hosts that pass on what they take.
pub(super) fn gateways(build: &mut Build, objects: &[Object]) {
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("gateway", names);
    for object in objects {
        let Some(name) = object.word("Name") else {
            continue;
        };
        let written = object.parse::<Domain>("Fqdn");
        let Some(fqdn) = written.or_else(|| host_name(build, object, &name)) else {
            continue;
        };
        let server = Server {
            addresses: object.parse_list("IPAddress"),
            relays_to: object.parse_list("RelaysTo"),
            strips_headers: object.flag("StripsHeaders"),
            ..host(&name.text, fqdn, object.settings())
        };
        let organization = add_host(build, server, object.flag("StartTls"));
        // It relays for whoever sends to it.
        for connector in &mut build.parts.receive_connectors {
            if connector.organization == organization {
                connector.anonymous_relay = true;
            }
        }
    }
}

/// Adds what directory synchronization is like.
pub(super) fn entra(build: &mut Build, objects: &[Object]) {
    for object in objects {
        let entry = EntraConnect {
            version: object.text("Version").map(str::to_owned),
            licenses: texts(object.list("Licenses")),
            sign_in: object.text("SignInMethod").map(|text| match text {
                "ADFS" => SignInMethod::Adfs,
                "None" => SignInMethod::Nothing,
                "PTA" => SignInMethod::PassThrough,
                _ => SignInMethod::PasswordHash,
            }),
            features: texts(object.list("Features")),
            writeback_unit: object.text("GroupWritebackOU").map(str::to_owned),
            writeback_forest: object.text("GroupWritebackForest").map(str::to_owned),
            writeback_permitted: object.flag("WritebackPermissions"),
            last_sync: object.text("LastSync").and_then(timestamp),
            self_service_groups: object.flag("SelfServiceGroupManagement"),
            settings: object.settings(),
        };
        build.parts.entra.push(entry);
    }
}

/// The names of a certificate: the CN of its subject first, where it is a host name.
fn names(subject: &str, object: &Object) -> Vec<NamePattern> {
    let common_name = subject.split(',').find_map(|part| {
        let (kind, value) = part.split_once('=')?;
        let is_common_name = kind.trim().eq_ignore_ascii_case("CN");
        is_common_name.then(|| NamePattern::parse(value.trim()).ok())?
    });
    let written = object.list("CertificateDomains").iter();
    let written = written.filter_map(|word| NamePattern::parse(&word.text).ok());
    let mut names: Vec<NamePattern> = Vec::new();
    for name in common_name.into_iter().chain(written) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Adds what the owner of the world expects.
pub(super) fn expectations(build: &mut Build, objects: &[Object]) {
    for object in objects {
        let expectation = Expectation {
            from: placed(object.list("From")),
            to: placed(object.list("To")),
            disposition: object.text("Disposition").map(str::to_owned),
            status: object.text("Status").map(str::to_owned),
            through: connectors(build, object.list("Through")),
            not_through: connectors(build, object.list("NotThrough")),
            trust: object.choose("Trust", &[AuthAs::Anonymous, AuthAs::Internal], |trust| {
                match trust {
                    AuthAs::Anonymous => "Anonymous",
                    AuthAs::Internal => "Internal",
                    AuthAs::Partner => "Partner",
                }
            }),
            flags: object.has("Flags").then(|| texts(object.list("Flags"))),
            tls: object.text("Tls").map(|text| text == "true"),
            settings: object.settings(),
        };
        if expects_nothing(object) {
            build.report(
                "missing-key",
                &object.location,
                "this expects nothing".to_owned(),
                "say what is expected: `Disposition`, `Status`, `Through`, `NotThrough`, `Trust`, `Flags` or `Tls`".to_owned(),
            );
        }
        build.parts.expectations.push(expectation);
    }
}

fn expects_nothing(object: &Object) -> bool {
    let what = [
        "Disposition",
        "Status",
        "Through",
        "NotThrough",
        "Trust",
        "Flags",
        "Tls",
    ];
    !what.iter().any(|key| object.has(key))
}

fn placed(words: &[Word]) -> Vec<(String, Option<crate::diag::Location>)> {
    let place = |word: &Word| (word.text.clone(), Some(word.location.clone()));
    words.iter().map(place).collect()
}

fn texts(words: &[Word]) -> Vec<String> {
    words.iter().map(|word| word.text.clone()).collect()
}

/// The connectors that a list names, in their own spelling.
fn connectors(build: &mut Build, words: &[Word]) -> Vec<String> {
    let mut found = Vec::new();
    for word in words {
        let all = build.parts.send_connectors.iter();
        let names: Vec<&str> = all.map(|connector| connector.name.as_str()).collect();
        let named = names
            .iter()
            .find(|name| name.eq_ignore_ascii_case(&word.text));
        match named {
            Some(name) => found.push((*name).to_owned()),
            None => {
                let add = "describe the connector first";
                let diagnostic = unknown("Send or outbound connector", word, &names, add);
                build.diagnostics.push(diagnostic);
            }
        }
    }
    found
}
