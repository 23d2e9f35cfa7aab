//! Random questions about a world: sessions, envelopes and messages.

use hybridmx::mail::{
    AuthAs, ByteSize, Directionality, Domain, LocalPart, Mailbox, MessageKind, ReversePath,
};
use hybridmx::model::{OrganizationId, Parts, ServerId, TlsAuthLevel};
use hybridmx::route::{
    Arrival, ClientCertificate, Connection, MailItem, Peer, Properties, TlsDemand, Trace, Transfer,
    Vouched,
};

use super::Dice;
use super::world::{ADDRESSES, DOMAINS, PORTS, SIZES, certificate_name, mailbox};

/// Any server of the world.
pub(crate) fn server(dice: &mut Dice, parts: &Parts) -> ServerId {
    ServerId::new(dice.below(parts.servers.len()))
}

/// Any server of the world, and often the front end, whose door has the most to say.
pub(crate) fn door(dice: &mut Dice, parts: &Parts) -> ServerId {
    let front_end = parts.servers.iter().position(|each| each.is_front_end());
    let front_end = front_end.filter(|_| dice.percent(30));
    front_end.map_or_else(|| server(dice, parts), ServerId::new)
}

/// A server that is likely to have a directory.
pub(crate) fn categorizer(dice: &mut Dice, parts: &Parts) -> ServerId {
    let all: Vec<usize> = (0..parts.servers.len()).collect();
    let resolves = |index: &&usize| {
        let server = &parts.servers[**index];
        server.directory && !server.is_front_end()
    };
    let resolving: Vec<usize> = all.iter().filter(resolves).copied().collect();
    let among = if dice.percent(60) { resolving } else { all };
    ServerId::new(*dice.pick(&among))
}

/// An address that somebody of the organization is likely to hold.
fn address(dice: &mut Dice, parts: &Parts, organization: OrganizationId) -> Mailbox {
    let held: Vec<&Mailbox> = parts
        .recipients
        .iter()
        .filter(|recipient| recipient.organization == organization)
        .flat_map(|recipient| &recipient.addresses)
        .collect();
    if let Some(encapsulated) = encapsulated(dice, parts, organization) {
        encapsulated
    } else if held.is_empty() || dice.percent(40) {
        mailbox(dice)
    } else {
        (*dice.pick(&held)).clone()
    }
}

/// Now and then an address of another type in the form of an SMTP address.
fn encapsulated(dice: &mut Dice, parts: &Parts, organization: OrganizationId) -> Option<Mailbox> {
    if !dice.percent(4) {
        return None;
    }
    let names: Vec<&str> = parts
        .recipients
        .iter()
        .flat_map(|recipient| {
            let policy = recipient.policy();
            policy.legacy_dn.iter().chain(&policy.x500)
        })
        .map(String::as_str)
        .chain(["/o=nobody"])
        .collect();
    let kind = *dice.pick(&["EX", "ex", "EX", "SMTP", "X500", "FAX"]);
    let name = dice.pick(&names).replace('/', "_").replace(' ', "+20");
    let own = parts
        .accepted_domains
        .iter()
        .find(|domain| domain.organization == organization && domain.default)?;
    let domain = if dice.percent(85) {
        own.domain.clone()
    } else {
        domain(dice)
    };
    Some(Mailbox {
        local_part: LocalPart::parse(&format!("IMCEA{kind}-{name}")).expect("a local-part"),
        domain,
    })
}

/// A recipient domain.
pub(crate) fn domain(dice: &mut Dice) -> Domain {
    dice.pick(&DOMAINS).clone()
}

/// A message size.
pub(crate) fn size(dice: &mut Dice) -> ByteSize {
    ByteSize(*dice.pick(&SIZES))
}

/// MAIL FROM.
pub(crate) fn reverse_path(dice: &mut Dice) -> ReversePath {
    match dice.below(8) {
        0 => ReversePath::Null,
        _ => ReversePath::Mailbox(mailbox(dice)),
    }
}

/// A session: mostly with a stranger, often under TLS with a certificate.
pub(crate) fn connection(dice: &mut Dice) -> Connection {
    let tls = dice.percent(75);
    let certificate = dice.maybe(80, |dice| ClientCertificate {
        names: dice.list(1, 2, certificate_name),
        vouched: match dice.percent(90) {
            true => Vouched::Trusted,
            false => *dice.pick(&[Vouched::Nobody, Vouched::PrivateRoot]),
        },
    });
    Connection {
        remote_address: dice.maybe(90, |dice| *dice.pick(&ADDRESSES)),
        local_address: dice.maybe(70, |dice| *dice.pick(&ADDRESSES)),
        port: *dice.pick(&PORTS),
        peer: *dice.pick(&[
            Peer::Anonymous,
            Peer::Anonymous,
            Peer::Anonymous,
            Peer::User,
            Peer::ExchangeServer,
        ]),
        tls,
        certificate: certificate.filter(|_| tls),
    }
}

/// A message on the wire, for one recipient.
pub(crate) fn transfer(dice: &mut Dice, parts: &Parts, server: ServerId) -> Transfer {
    Transfer {
        reverse_path: reverse_path(dice),
        recipients: vec![mailbox(dice)],
        size: size(dice),
        organization: dice.maybe(40, auth_as),
        cross_premises: dice.maybe(50, auth_as),
        directionality: dice.maybe(50, directionality),
        resolved: dice.percent(30),
        properties: Properties::default(),
        trace: trace(dice, parts, server),
    }
}

/// A message that a server has taken.
pub(crate) fn item(dice: &mut Dice, parts: &Parts, server: ServerId) -> MailItem {
    let holder = &parts.servers[server.index()];
    let organization = match holder.front_end_for.as_slice() {
        [] => holder.organization,
        tenants => dice.pick(tenants).0,
    };
    let reverse_path = match dice.below(8) {
        0 => ReversePath::Null,
        _ => ReversePath::Mailbox(address(dice, parts, organization)),
    };
    let recipients = dice.list(1, 3, |dice| address(dice, parts, organization));
    let mut trace = trace(dice, parts, server);
    trace.forwarded_for = dice.list(0, 1, |dice| address(dice, parts, organization));
    trace.redirected_by = dice.list(0, 3, |dice| address(dice, parts, organization));
    MailItem {
        reverse_path,
        size: size(dice),
        auth_as: auth_as(dice),
        directionality: directionality(dice),
        arrival: *dice.pick(&[Arrival::External, Arrival::Internal, Arrival::Submission]),
        organization,
        resolved: dice.percent(15),
        properties: Properties {
            passing: match holder.takes_every_address() {
                true => dice.maybe(50, auth_as),
                false => None,
            },
            ..properties(dice, &recipients)
        },
        recipients,
        trace,
    }
}

/// What goes with a message whose recipients these are.
fn properties(dice: &mut Dice, recipients: &[Mailbox]) -> Properties {
    let mut properties = Properties::default();
    if dice.percent(25) {
        properties.kind = MessageKind::Invitation;
    }
    if dice.percent(20) {
        properties.original_size = Some(size(dice));
    }
    if dice.percent(10) {
        properties.envelope = Some(dice.below(8));
    }
    for recipient in recipients {
        if dice.percent(10) {
            properties.orcpt.insert(recipient.clone(), mailbox(dice));
        }
    }
    properties
}

/// What a connector may demand of the next hop; a level only where TLS is demanded at all.
pub(crate) fn tls_demand(dice: &mut Dice) -> TlsDemand {
    let required = dice.percent(80);
    let level = *dice.pick(&[
        None,
        Some(TlsAuthLevel::EncryptionOnly),
        Some(TlsAuthLevel::CertificateValidation),
        Some(TlsAuthLevel::DomainValidation),
    ]);
    TlsDemand {
        required,
        level: level.filter(|_| required),
        name: Some(certificate_name(dice)),
        avoided: dice.percent(10),
    }
}

fn auth_as(dice: &mut Dice) -> AuthAs {
    *dice.pick(&[
        AuthAs::Anonymous,
        AuthAs::Internal,
        AuthAs::Internal,
        AuthAs::Partner,
    ])
}

fn directionality(dice: &mut Dice) -> Directionality {
    *dice.pick(&[Directionality::Incoming, Directionality::Originating])
}

/// A past in which the server itself occurs often.
fn trace(dice: &mut Dice, parts: &Parts, server: ServerId) -> Trace {
    let own = &parts.servers[server.index()].services;
    Trace {
        received_by: dice.list(0, 5, |dice| {
            if dice.percent(50) {
                dice.pick(own).received_by.clone()
            } else {
                domain(dice)
            }
        }),
        attributions: (0..parts.organizations.len())
            .filter_map(|index| {
                let count = u32::try_from(dice.below(5)).expect("small");
                (count > 0).then(|| (OrganizationId::new(index), count))
            })
            .collect(),
        rules_loop: u32::from(dice.percent(30)),
        ..Trace::default()
    }
}
