//! A class stands for its members: what `flows` says of a class is what every pair of addresses in it
//! does. Brute force asks for each pair alone, and both must count the same ends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;

use hybridmx::config;
use hybridmx::dns::{Owner, Record, RecordData, View, Zone, Zones};
use hybridmx::flow::{Flow, Fork, Question, Submission, walk};
use hybridmx::mail::{ByteSize, Domain, Mailbox, MessageKind, ReversePath};
use hybridmx::model::{Member, Parts, Recipient, RecipientId, RecipientKind, ServerRole, Topology};
use hybridmx::verify;

use crate::files::now;
use crate::support::{Dice, seeds, world};

/// Random worlds; each has hundreds of pairs.
const WORLDS: u64 = 80;

/// How often each end was met, in words that leave out who is meant.
type Ends = BTreeMap<String, usize>;

#[test]
fn a_class_does_what_each_of_its_members_does() {
    let mut pairs = 0;
    for name in crate::testnet::names("") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("testnet")
            .join(&name);
        let (world, _) = config::load(&path, now());
        let world = world.expect("a shipped world is loaded");
        pairs += compare(&world.topology, &world.zones, &name).0;
    }
    assert!(pairs > 3000, "only {pairs} pairs");
}

#[test]
fn a_class_of_a_random_world_does_what_each_of_its_members_does() {
    let (mut pairs, mut asked) = (0, 0);
    for seed in seeds(WORLDS) {
        let mut dice = Dice::new(seed);
        let mut parts = world::world(&mut dice);
        if dice.percent(50) {
            simplify(&mut parts);
        }
        double(&mut dice, &mut parts);
        let zones = connect(&mut dice, &mut parts);
        let topology = Topology::new(parts);
        let (these, questions) = compare(&topology, &zones, &format!("SEED={seed}"));
        pairs += these;
        asked += questions;
    }
    // Where every pair is a class, the law says nothing.
    println!("{pairs} pairs, {asked} questions");
    assert!(pairs > asked + 4000, "{pairs} pairs, {asked} questions");
}

/// Takes away what names single addresses, so that more of them are alike.
fn simplify(parts: &mut Parts) {
    parts.rules.clear();
    for server in &mut parts.servers {
        server.recipient_filter.blocked.clear();
    }
    for recipient in &mut parts.recipients {
        recipient.addresses.truncate(1);
    }
}

/// Gives every recipient a twin: the same in all but its addresses, sometimes with other settings, and
/// often in the groups and on the lists in which the recipient is.
fn double(dice: &mut Dice, parts: &mut Parts) {
    let count = parts.recipients.len();
    let joins: Vec<bool> = (0..count).map(|_| dice.percent(60)).collect();
    let mut twins = parts.recipients.clone();
    for recipient in &mut twins {
        let own = recipient.addresses.clone();
        if let RecipientKind::MailUser { target_address, .. }
        | RecipientKind::RemoteGroup { target_address, .. } = &mut recipient.kind
            && let Some(target) = target_address
                .as_mut()
                .filter(|target| own.contains(target))
        {
            *target = twin(target);
        }
        recipient.addresses = own.iter().map(twin).collect();
        recipient.require_sender_authentication ^= dice.percent(20);
        if let RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } =
            &mut recipient.kind
        {
            *echo ^= dice.percent(20);
        }
    }
    parts.recipients.append(&mut twins);
    let beside = |members: &mut Vec<Member>| {
        let also = members.iter().filter_map(|member| match member {
            Member::Recipient(id) if joins[id.index()] => {
                Some(Member::Recipient(RecipientId::new(id.index() + count)))
            }
            Member::Recipient(_) | Member::Nobody(_) => None,
        });
        let also: Vec<Member> = also.collect();
        members.extend(also);
    };
    for recipient in &mut parts.recipients {
        lists(recipient).into_iter().for_each(beside);
    }
}

/// Everything that names recipients.
fn lists(recipient: &mut Recipient) -> Vec<&mut Vec<Member>> {
    let mut lists = match &mut recipient.kind {
        RecipientKind::Group {
            members,
            subscribers,
            details,
        } => vec![members, subscribers, &mut details.owners],
        RecipientKind::DistributionGroup(group) => vec![&mut group.members],
        RecipientKind::RemoteGroup { members, .. } => vec![members],
        RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } => Vec::new(),
    };
    if let Some(policy) = recipient.exceptions.as_deref_mut() {
        lists.extend([&mut policy.accept_only_from, &mut policy.reject_from]);
        if let Some(moderation) = &mut policy.moderation {
            lists.extend([&mut moderation.moderators, &mut moderation.bypass]);
        }
    }
    lists
}

fn twin(address: &Mailbox) -> Mailbox {
    Mailbox::parse(&format!("twin-{address}")).expect("an address")
}

/// Counts the ends of all pairs both ways, and says how many pairs there are, and how many of them the
/// table asks about.
fn compare(topology: &Topology, zones: &Zones, about: &str) -> (usize, usize) {
    let rows = verify::flows(topology, zones);
    let (classes, unknown) = by_class(topology, &rows);
    let Some(first) = rows.first() else {
        return (0, 0);
    };
    let (pairs, count) = by_pair(topology, zones, &unknown, first.example.size);
    let only = |these: &Ends, others: &Ends| -> Vec<String> {
        let differs = these
            .iter()
            .filter(|(end, count)| others.get(*end) != Some(count));
        differs
            .map(|(end, count)| format!("{count} × {end}"))
            .collect()
    };
    assert!(
        classes == pairs,
        "{about}\nby class: {:#?}\nby pair: {:#?}",
        only(&classes, &pairs),
        only(&pairs, &classes)
    );
    let ordinary = rows.iter().filter(|row| row.size.min == ByteSize(0));
    (count, ordinary.filter(|row| row.index == 0).count())
}

/// What the table says, each row as often as it stands for pairs; and the addresses that it made up.
fn by_class(topology: &Topology, rows: &[verify::Row]) -> (Ends, BTreeSet<Mailbox>) {
    let mut ends = Ends::new();
    let mut unknown = BTreeSet::new();
    let known = written(topology);
    let ordinary = rows.iter().filter(|row| row.size.min == ByteSize(0));
    let mut ordinary = ordinary.peekable();
    while let Some(first) = ordinary.next() {
        let mut flow = vec![&first.fork];
        while let Some(next) = ordinary.next_if(|row| row.index > 0) {
            flow.push(&next.fork);
        }
        let end = end(topology, &first.example, flow.into_iter());
        *ends.entry(end).or_default() += first.addresses;
        let to = &first.example.to[0];
        if !known.contains(to) {
            unknown.insert(to.clone());
        }
    }
    (ends, unknown)
}

/// The same from every address to every address.
fn by_pair(
    topology: &Topology,
    zones: &Zones,
    unknown: &BTreeSet<Mailbox>,
    size: ByteSize,
) -> (Ends, usize) {
    let mut ends = Ends::new();
    let mut count = 0;
    for (from, submission) in senders(topology) {
        for to in written(topology).into_iter().chain(unknown.iter().cloned()) {
            let question = Question {
                from: ReversePath::Mailbox(from.clone()),
                to: vec![to],
                size,
                kind: MessageKind::Message,
                submission: submission.clone(),
            };
            let Flow { forks, .. } = walk(topology, zones, &question);
            *ends
                .entry(end(topology, &question, forks.iter()))
                .or_default() += 1;
            count += 1;
        }
    }
    (ends, count)
}

/// Everybody who writes, with the way their mail enters the world.
fn senders(topology: &Topology) -> BTreeSet<(Mailbox, Submission)> {
    let users = topology.recipients().filter_map(|(_, recipient)| {
        let RecipientKind::Mailbox { server, .. } = recipient.kind else {
            return None;
        };
        Some((recipient.primary().clone(), Submission::User(server)))
    });
    let strangers = topology.parts().outside_senders.iter();
    let strangers = strangers.map(|(address, host)| (address.clone(), Submission::Host(*host)));
    users.chain(strangers).chain(devices(topology)).collect()
}

/// A device beside every Mailbox server.
fn devices(topology: &Topology) -> Vec<(Mailbox, Submission)> {
    let mut found = Vec::new();
    for (server, this) in topology.servers() {
        if this.role != ServerRole::Mailbox {
            continue;
        }
        let own = topology.accepted_domains().map(|(_, accepted)| accepted);
        let own = own.filter(|accepted| accepted.organization == this.organization);
        let mut own: Vec<_> = own.collect();
        own.sort_by_key(|accepted| !accepted.default);
        let address = own.first().map(|first| format!("device@{}", first.domain));
        if let Some(address) = address {
            let address = Mailbox::parse(&address).expect("an address");
            let submission = Submission::Anonymous {
                server,
                address: None,
            };
            found.push((address, submission));
        }
    }
    found
}

/// Every address that people write to.
fn written(topology: &Topology) -> BTreeSet<Mailbox> {
    let mut addresses = BTreeSet::new();
    for (_, recipient) in topology.recipients() {
        addresses.insert(recipient.primary().clone());
        let others = recipient.addresses.iter();
        addresses.extend(
            others
                .filter(|address| !address.domain.as_str().ends_with(".onmicrosoft.com"))
                .cloned(),
        );
    }
    let parts = topology.parts();
    addresses.extend(
        parts
            .outside_senders
            .iter()
            .map(|(address, _)| address.clone()),
    );
    addresses.extend(parts.outside_recipients.iter().cloned());
    addresses
}

/// Where a flow begins and how its forks end: everything but who writes to whom, and how many of the
/// members of a group get copies of one kind.
fn end<'a>(
    topology: &Topology,
    question: &Question,
    forks: impl Iterator<Item = &'a Fork>,
) -> String {
    let origin = &topology.server(question.submission.server()).name;
    let mut words: Vec<String> = forks.map(|fork| words(topology, fork)).collect();
    words.sort();
    words.dedup();
    format!("{origin}: {}", words.join(" + "))
}

fn words(topology: &Topology, fork: &Fork) -> String {
    let hops = fork.hops.iter().map(|hop| {
        let by = hop.connector.map(|id| &topology.send_connector(id).name);
        format!(
            "{}{}",
            by.map(|name| format!("[{name}]")).unwrap_or_default(),
            topology.server(hop.server).name
        )
    });
    let flags = fork
        .flags
        .iter()
        .map(|flag| format!("{}={}", flag.kind, flag.reason));
    let status = |status: &Option<hybridmx::mail::Status>| {
        status
            .as_ref()
            .map(|status| status.enhanced.to_string())
            .unwrap_or_default()
    };
    format!(
        "{} {} {} {:?} {} {}",
        fork.disposition,
        status(&fork.status),
        status(&fork.final_status),
        fork.trust,
        hops.collect::<Vec<_>>().join(" "),
        flags.collect::<Vec<_>>().join(" "),
    )
}

/// Gives every server an address, and a zone that leads some domains to some of them.
fn connect(dice: &mut Dice, parts: &mut Parts) -> Zones {
    let mut records = Vec::new();
    for (index, server) in parts.servers.iter_mut().enumerate() {
        let address = Ipv4Addr::new(10, 0, 0, u8::try_from(index).expect("few servers"));
        server.addresses = vec![address.into()];
        records.push(record(&server.fqdn, RecordData::A(address)));
    }
    for domain in world::DOMAINS.iter() {
        let exchange = dice.pick(&parts.servers).fqdn.clone();
        let leads = RecordData::Mx {
            preference: 0,
            exchange: Some(exchange),
        };
        records.extend(dice.maybe(80, |_| record(domain, leads)));
    }
    Zones::new(vec![Zone {
        name: Domain::parse("com").expect("a domain"),
        view: View::Public,
        records,
        location: None,
    }])
}

fn record(domain: &Domain, data: RecordData) -> Record {
    Record {
        owner: Owner {
            wildcard: false,
            domain: domain.clone(),
        },
        ttl_seconds: 3600,
        data,
        location: None,
    }
}
