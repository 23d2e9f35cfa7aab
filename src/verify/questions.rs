//! Which questions a world poses: classes of senders and recipients that routing cannot tell apart,
//! one question for each pair of classes and each range of sizes that a limit sets apart.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use super::domains::Domains;
use super::hybrid;
use super::row::{Row, SizeBucket};
use super::ruled::{self, Marks};
use crate::dns::Zones;
use crate::flow::{Flow, Fork, Question, Submission, walk};
use crate::mail::{ByteSize, Domain, Limit, Mailbox, MessageKind, ReversePath};
use crate::model::{
    DomainType, Matcher, Member, Recipient, RecipientId, RecipientKind, ServerId, ServerRole,
    Topology,
};

/// The size of an ordinary message: what a question asks about unless a limit is near.
const ORDINARY: ByteSize = ByteSize(10 * 1024);

/// Senders that routing cannot tell apart.
#[derive(Clone, Debug)]
pub(super) struct SenderClass {
    /// Its name, alone among the sender classes of the world.
    pub(super) name: String,
    /// The documented word for its kind.
    pub(super) kind: &'static str,
    /// The addresses.
    pub(super) members: Vec<Mailbox>,
    /// How their mail enters the world.
    pub(super) submission: Submission,
}

/// Recipients that routing cannot tell apart.
#[derive(Clone, Debug)]
pub(super) struct RecipientClass {
    /// Its name, alone among the recipient classes of the world.
    pub(super) name: String,
    /// The documented word for its kind.
    pub(super) kind: &'static str,
    /// The addresses.
    pub(super) members: Vec<Mailbox>,
    /// The groups behind the addresses, where they are groups: in the order of `members`.
    pub(super) groups: Vec<RecipientId>,
}

/// What a sender is to the group it writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    /// Nothing that matters to the flow.
    Stranger,
    /// A subscriber who wants no copy of the own posts.
    Subscriber,
    /// A subscriber who wants one.
    SubscriberWithEcho,
}

impl Relation {
    fn suffix(self) -> &'static str {
        match self {
            Self::Stranger => "",
            Self::Subscriber => ", subscribers",
            Self::SubscriberWithEcho => ", subscribers with echo",
        }
    }
}

/// One pair of classes, asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Index of the sender class.
    pub(super) from: usize,
    /// Index of the recipient class.
    pub(super) to: usize,
    /// Which senders of the class.
    pub(super) relation: Relation,
    /// How many pairs of addresses it stands for.
    pub(super) pairs: usize,
    /// The flow of each range of sizes, smallest first; equal neighbours are one.
    pub(super) answers: Vec<(SizeBucket, Flow)>,
}

impl Asked {
    /// The flow of an ordinary message.
    pub(super) fn ordinary(&self) -> &Flow {
        &self.answers[0].1
    }
}

/// Every question of a world with its answer.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    /// Classes of senders.
    pub(super) senders: Vec<SenderClass>,
    /// Classes of recipients.
    pub(super) recipients: Vec<RecipientClass>,
    /// Pairs of them.
    pub(super) asked: Vec<Asked>,
}

impl Survey {
    /// The name of the senders of a question, as `flows` prints it.
    pub(super) fn sender_name(&self, asked: &Asked) -> String {
        format!(
            "{}{}",
            self.senders[asked.from].name,
            asked.relation.suffix()
        )
    }

    /// Every address that the classes stand for.
    pub(super) fn addresses(&self) -> HashSet<&Mailbox> {
        let senders = self.senders.iter().flat_map(|class| &class.members);
        senders
            .chain(self.recipients.iter().flat_map(|class| &class.members))
            .collect()
    }

    /// The class of an address as a recipient.
    pub(super) fn recipient_class(&self, address: &Mailbox) -> Option<usize> {
        let mut classes = self.recipients.iter();
        classes.position(|class| class.members.contains(address))
    }
}

/// The flow table of a world.
#[must_use]
pub fn flows(topology: &Topology, zones: &Zones) -> Vec<Row> {
    let survey = survey(topology, zones);
    let mut rows = Vec::new();
    for asked in &survey.asked {
        for (size, flow) in &asked.answers {
            for (index, fork) in flow.forks.iter().enumerate() {
                rows.push(Row {
                    origin: topology
                        .server(flow.question.submission.server())
                        .name
                        .clone(),
                    from_class: survey.sender_name(asked),
                    to_class: survey.recipients[asked.to].name.clone(),
                    index,
                    size: *size,
                    example: flow.question.clone(),
                    addresses: asked.pairs,
                    fork: fork.clone(),
                });
            }
        }
    }
    rows
}

/// Asks every question.
pub(super) fn survey(topology: &Topology, zones: &Zones) -> Survey {
    let marks = Marks::new(topology);
    let domains = Domains::new(topology, zones);
    let senders = sender_classes(topology, &marks, &domains);
    let recipients = recipient_classes(topology, &marks, &domains);
    let sizes = size_limits(topology);
    let mut asked = Vec::new();
    for (from, sender) in senders.iter().enumerate() {
        for (to, recipient) in recipients.iter().enumerate() {
            for (relation, pairs, example) in pairs(topology, sender, recipient) {
                let answers = answers(topology, zones, &sender.submission, &example, &sizes);
                asked.push(Asked {
                    from,
                    to,
                    relation,
                    pairs,
                    answers,
                });
            }
        }
    }
    Survey {
        senders,
        recipients,
        asked,
    }
}

/// Senders by what routing sees of them, the organization's own people first, each class with its
/// name.
fn sender_classes(topology: &Topology, marks: &Marks, domains: &Domains) -> Vec<SenderClass> {
    let mut classes: Vec<SenderClass> = senders(topology, marks, domains)
        .into_iter()
        .map(|((kind, submission, ..), mut members)| {
            members.sort();
            // One address that two mailboxes hold by mistake is one sender.
            members.dedup();
            SenderClass {
                name: String::new(),
                kind,
                members,
                submission,
            }
        })
        .collect();
    let rank = |class: &SenderClass| match class.kind {
        "on-premises mailboxes" => 0,
        "cloud mailboxes" => 1,
        EXTERNAL_SENDERS => 2,
        _ => 3,
    };
    classes.sort_by_key(rank);
    let qualifiers = |class: &SenderClass| {
        let at = &topology.server(class.submission.server()).name;
        [format!("@{}", class.members[0].domain), format!("at {at}")]
    };
    let names = unique_names(
        classes
            .iter()
            .map(|class| (class.kind, qualifiers(class), &class.members[0])),
    );
    for (class, name) in classes.iter_mut().zip(names) {
        class.name = name;
    }
    classes
}

const EXTERNAL_SENDERS: &str = "external senders";

/// What routing sees of a sender: the word for its kind, how its mail enters the world, its domain, the
/// lists of recipients that name it, and what is particular about it: its own mailbox's exceptions and the
/// mail-flow rules that name it.
type SenderKey = (&'static str, Submission, Domain, Vec<List>, String);

/// A recipient, and which of its lists of senders.
type List = (RecipientId, usize);

/// The lists of senders that name an address, also through groups.
fn lists(topology: &Topology) -> HashMap<&Mailbox, Vec<List>> {
    let mut found: HashMap<&Mailbox, Vec<List>> = HashMap::new();
    for (id, recipient) in topology.recipients() {
        let Some(policy) = &recipient.exceptions else {
            continue;
        };
        let moderation = policy.moderation.as_ref();
        let all = [
            Some(&policy.accept_only_from),
            Some(&policy.reject_from),
            moderation.map(|moderation| &moderation.moderators),
            moderation.map(|moderation| &moderation.bypass),
        ];
        for (which, list) in all.into_iter().enumerate() {
            for address in list.into_iter().flat_map(|list| named(topology, list)) {
                found.entry(address).or_default().push((id, which));
            }
        }
    }
    found
}

/// The addresses of a list and of the members of its groups.
fn named<'a>(topology: &'a Topology, list: &'a [Member]) -> BTreeSet<&'a Mailbox> {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<&Member> = list.iter().collect();
    while let Some(member) = open.pop() {
        let id = match member {
            Member::Nobody(address) => {
                found.insert(address);
                continue;
            }
            Member::Recipient(id) => *id,
        };
        if !seen.insert(id) {
            continue;
        }
        let recipient = topology.recipient(id);
        found.extend(&recipient.addresses);
        match &recipient.kind {
            RecipientKind::Group { members, .. } => open.extend(members),
            RecipientKind::DistributionGroup(group) => open.extend(&group.members),
            _ => {}
        }
    }
    found
}

/// Users by the server that takes their mail and their domain; outside senders by host and domain; a
/// device without a password on every Mailbox server.
fn senders(
    topology: &Topology,
    marks: &Marks,
    domains: &Domains,
) -> BTreeMap<SenderKey, Vec<Mailbox>> {
    let mut senders: BTreeMap<SenderKey, Vec<Mailbox>> = BTreeMap::new();
    let lists = lists(topology);
    let mut add = |kind, submission, address: Mailbox, own: String| {
        let named = lists.get(&address).cloned().unwrap_or_default();
        let mark = marks.of_sender(topology, &address);
        let key = (
            kind,
            submission,
            domains.of(&address.domain).clone(),
            named,
            format!("{own} {mark}"),
        );
        senders.entry(key).or_default().push(address);
    };
    for (_, recipient) in topology.recipients() {
        if let RecipientKind::Mailbox { server, .. } = recipient.kind {
            let kind = hybrid::mailboxes_word(topology, recipient.organization);
            let submission = Submission::User(server);
            let policy = recipient.exceptions.as_ref();
            let own = policy.map_or_else(String::new, |policy| format!("{policy:?}"));
            add(kind, submission, recipient.primary().clone(), own);
        }
    }
    for (address, host) in &topology.parts().outside_senders {
        let submission = Submission::Host(*host);
        add(EXTERNAL_SENDERS, submission, address.clone(), String::new());
    }
    for (server, device) in devices(topology) {
        let address = None;
        let submission = Submission::Anonymous { server, address };
        add("anonymous devices", submission, device, String::new());
    }
    senders
}

/// A scanner or application beside every server that serves clients of its own organization: it
/// writes from an address of the default domain that no recipient has.
fn devices(topology: &Topology) -> Vec<(ServerId, Mailbox)> {
    let default = |organization| {
        let own = topology
            .accepted_domains()
            .filter(move |(_, accepted)| accepted.organization == organization);
        let mut own: Vec<_> = own.map(|(_, accepted)| accepted).collect();
        own.sort_by_key(|accepted| !accepted.default);
        own.first().map(|accepted| accepted.domain.clone())
    };
    topology
        .servers()
        .filter(|(_, server)| server.role == ServerRole::Mailbox)
        .filter_map(|(id, server)| {
            let domain = default(server.organization)?;
            Some((id, Mailbox::parse(&format!("device@{domain}")).ok()?))
        })
        .collect()
}

/// Every address that people write to, by what each organization makes of it.
fn recipient_classes(topology: &Topology, marks: &Marks, domains: &Domains) -> Vec<RecipientClass> {
    type Members = Vec<(Mailbox, Option<RecipientId>)>;
    let mut classes: BTreeMap<(&'static str, String), Members> = BTreeMap::new();
    for address in written_addresses(topology) {
        let holders: Vec<RecipientId> = topology
            .organizations()
            .flat_map(|(organization, _)| topology.recipients_at(organization, &address).to_vec())
            .collect();
        let group = holders
            .iter()
            .copied()
            .find(|id| is_group(topology.recipient(*id)));
        let kind = recipient_word(topology, &holders);
        let key = describe(topology, marks, domains, &address, &mut Behind::default());
        classes
            .entry((kind, key))
            .or_default()
            .push((address, group));
    }
    for address in unknown_recipients(topology) {
        let key = address.domain.to_string();
        classes.insert(("unknown recipients", key), vec![(address, None)]);
    }
    let mut classes: Vec<RecipientClass> = classes
        .into_iter()
        .map(|((kind, _), members)| {
            let (members, groups): (Vec<_>, Vec<_>) = members.into_iter().unzip();
            RecipientClass {
                name: String::new(),
                kind,
                members,
                groups: groups.into_iter().flatten().collect(),
            }
        })
        .collect();
    classes.sort_by(|a, b| (a.kind, &a.members[0]).cmp(&(b.kind, &b.members[0])));
    let qualifiers = |class: &RecipientClass| {
        let secondary = class
            .groups
            .first()
            .is_some_and(|id| topology.recipient(*id).primary() != &class.members[0]);
        let mark = if secondary { "secondary address" } else { "" };
        [format!("@{}", class.members[0].domain), mark.to_owned()]
    };
    let names = unique_names(
        classes
            .iter()
            .map(|class| (class.kind, qualifiers(class), &class.members[0])),
    );
    for (class, name) in classes.iter_mut().zip(names) {
        class.name = name;
    }
    classes
}

/// An address that nobody has in every domain that some organization relays: where nobody says no, it
/// may go round.
fn unknown_recipients(topology: &Topology) -> BTreeSet<Mailbox> {
    let relayed = topology
        .accepted_domains()
        .filter(|(_, accepted)| accepted.kind == DomainType::InternalRelay);
    let nobody = |domain: &Domain| {
        let free = |address: &Mailbox| {
            topology
                .organizations()
                .all(|(id, _)| topology.recipients_at(id, address).is_empty())
        };
        (0..)
            .map_while(|number: u32| Mailbox::parse(&format!("nobody{number}@{domain}")).ok())
            .find(free)
    };
    relayed
        .filter_map(|(_, accepted)| nobody(&accepted.domain))
        .collect()
}

/// The addresses of all recipients and people outside, less routing addresses: what lies in a
/// tenant's own `onmicrosoft.com` domains is for servers, not for people.
fn written_addresses(topology: &Topology) -> BTreeSet<Mailbox> {
    let recipients = topology.recipients().flat_map(|(_, recipient)| {
        recipient
            .addresses
            .iter()
            .enumerate()
            .filter(|(index, address)| *index == 0 || !is_routing_address(address))
    });
    let outside = topology
        .parts()
        .outside_senders
        .iter()
        .map(|(address, _)| address);
    recipients
        .map(|(_, address)| address)
        .chain(outside)
        .chain(&topology.parts().outside_recipients)
        .cloned()
        .collect()
}

/// Whether an address lies in a domain of Microsoft's that every tenant has.
pub(super) fn is_routing_address(address: &Mailbox) -> bool {
    address.domain.as_str().ends_with(".onmicrosoft.com")
}

fn is_group(recipient: &Recipient) -> bool {
    matches!(recipient.kind, RecipientKind::Group { .. })
}

/// The documented word for what an address is: the organization that has the mailbox says.
fn recipient_word(topology: &Topology, holders: &[RecipientId]) -> &'static str {
    let recipients = || holders.iter().map(|id| topology.recipient(*id));
    if let Some(group) = recipients().find(|recipient| is_group(recipient)) {
        return if group.require_sender_authentication {
            "groups"
        } else {
            "groups open to external senders"
        };
    }
    let mailbox =
        recipients().find(|recipient| matches!(recipient.kind, RecipientKind::Mailbox { .. }));
    match mailbox {
        Some(mailbox) => hybrid::mailboxes_word(topology, mailbox.organization),
        None if holders.is_empty() => "external recipients",
        None if recipients()
            .any(|recipient| matches!(recipient.kind, RecipientKind::RemoteGroup { .. })) =>
        {
            "written-back groups without a group"
        }
        None => "mail users",
    }
}

/// What leads to an address, while it is described.
#[derive(Default)]
struct Behind {
    addresses: Vec<Mailbox>,
    recipients: Vec<RecipientId>,
}

/// What every organization makes of an address, as a text that is equal for addresses that routing
/// cannot tell apart.
fn describe(
    topology: &Topology,
    marks: &Marks,
    domains: &Domains,
    address: &Mailbox,
    behind: &mut Behind,
) -> String {
    let mut text = format!("{}{}", domains.of(&address.domain), marks.of(address));
    // Target addresses and groups that lead back to where they came from say nothing new.
    if behind.addresses.contains(address) {
        return text;
    }
    let met = behind.recipients.len();
    behind.addresses.push(address.clone());
    for (organization, _) in topology.organizations() {
        for id in topology.recipients_at(organization, address) {
            let recipient = topology.recipient(*id);
            let primary = recipient.primary() == address;
            // Under its other addresses it is the same recipient.
            if behind.recipients.contains(id) {
                let _ = write!(text, "|{}:again:{primary}", organization.index());
                continue;
            }
            behind.recipients.push(*id);
            let restricted = recipient.require_sender_authentication;
            let _ = write!(
                text,
                "|{}:{}:{}:{primary}:{restricted}",
                organization.index(),
                recipient.type_details(),
                domains.of(&recipient.primary().domain)
            );
            if let Some(policy) = &recipient.exceptions {
                let _ = write!(text, ":{policy:?}");
                for target in ruled::forwarded_to(recipient) {
                    let target = member(topology, marks, domains, &target, behind);
                    let _ = write!(text, ":({target})");
                }
            }
            match &recipient.kind {
                RecipientKind::Mailbox { server, .. } => {
                    let _ = write!(
                        text,
                        ":{}:{}",
                        server.index(),
                        domains.of(&recipient.primary().domain)
                    );
                }
                RecipientKind::MailUser { target_address, .. } => {
                    let own = target_address.as_ref() == Some(address);
                    let target = target_address.as_ref().filter(|_| !own);
                    let target = target.map_or_else(String::new, |target| {
                        describe(topology, marks, domains, target, behind)
                    });
                    let _ = write!(text, ":{own}:({target})");
                }
                RecipientKind::RemoteGroup {
                    target_address,
                    mail_enabled,
                    ..
                } => {
                    let target = target_address
                        .as_ref()
                        .map(|target| describe(topology, marks, domains, target, behind));
                    let _ = write!(text, ":{mail_enabled}:({})", target.unwrap_or_default());
                }
                RecipientKind::Group { subscribers, .. } => {
                    let mut copies: Vec<String> = subscribers
                        .iter()
                        .map(|m| member(topology, marks, domains, m, behind))
                        .collect();
                    copies.sort_unstable();
                    let _ = write!(text, ":[{}]", copies.join(","));
                }
                RecipientKind::DistributionGroup(group) => {
                    let mut copies: Vec<String> = group
                        .members
                        .iter()
                        .map(|m| member(topology, marks, domains, m, behind))
                        .collect();
                    copies.sort_unstable();
                    let _ = write!(text, ":[{}]", copies.join(","));
                }
            }
        }
    }
    behind.addresses.pop();
    behind.recipients.truncate(met);
    text
}

fn member(
    topology: &Topology,
    marks: &Marks,
    domains: &Domains,
    member: &Member,
    behind: &mut Behind,
) -> String {
    match member {
        Member::Nobody(address) => describe(topology, marks, domains, address, behind),
        Member::Recipient(id) => describe(
            topology,
            marks,
            domains,
            topology.recipient(*id).primary(),
            behind,
        ),
    }
}

/// Names of classes: the kind alone where it is alone, else with the qualifiers that it takes.
fn unique_names<'a>(
    classes: impl Iterator<Item = (&'static str, [String; 2], &'a Mailbox)>,
) -> Vec<String> {
    let forms: Vec<[String; 5]> = classes
        .map(|(kind, [first, second], example)| {
            let both = format!("{first} {second}");
            let with =
                |qualifier: &str| format!("{kind} {}", qualifier.trim()).trim_end().to_owned();
            [
                kind.to_owned(),
                with(&first),
                with(&second),
                with(&both),
                format!("{kind} like {example}"),
            ]
        })
        .collect();
    let mut met: HashMap<(usize, &str), usize> = HashMap::new();
    for (level, name) in forms.iter().flat_map(|form| form.iter().enumerate()) {
        *met.entry((level, name)).or_default() += 1;
    }
    let alone = |form: &[String; 5], level: usize| met[&(level, form[level].as_str())] == 1;
    forms
        .iter()
        .map(|form| form[(0..4).find(|level| alone(form, *level)).unwrap_or(4)].clone())
        .collect()
}

/// The pairs of a sender class and a recipient class, apart where a sender subscribes to the group:
/// relation, number of pairs, an example.
fn pairs(
    topology: &Topology,
    sender: &SenderClass,
    recipient: &RecipientClass,
) -> Vec<(Relation, usize, (Mailbox, Mailbox))> {
    let mut found: BTreeMap<Relation, (usize, (Mailbox, Mailbox))> = BTreeMap::new();
    let all = sender.members.len() * recipient.members.len();
    let members: HashMap<&Mailbox, ()> = sender.members.iter().map(|member| (member, ())).collect();
    let mut stranger = None;
    for (address, group) in recipient.members.iter().zip(&recipient.groups) {
        let subscribers = subscribers_among(topology, *group, &members);
        for (from, relation) in &subscribers {
            let example = || (1, ((*from).clone(), address.clone()));
            found
                .entry(*relation)
                .and_modify(|(count, _)| *count += 1)
                .or_insert_with(example);
        }
        let outsider = sender
            .members
            .iter()
            .find(|from| !subscribers.iter().any(|(other, _)| other == from));
        stranger = stranger.or_else(|| outsider.map(|from| (from.clone(), address.clone())));
    }
    if recipient.groups.is_empty() {
        // Nobody writes to themselves in an example where somebody else is there.
        let to = recipient
            .members
            .iter()
            .find(|to| **to != sender.members[0])
            .unwrap_or(&recipient.members[0]);
        stranger = Some((sender.members[0].clone(), to.clone()));
    }
    let subscribed: usize = found.values().map(|(count, _)| *count).sum();
    if let Some(example) = stranger {
        found.insert(Relation::Stranger, (all - subscribed, example));
    }
    found
        .into_iter()
        .map(|(relation, (count, example))| (relation, count, example))
        .collect()
}

/// Whom a group sends its posts to, also through other groups.
fn readers(topology: &Topology, group: RecipientId) -> BTreeSet<RecipientId> {
    let (mut found, mut open) = (BTreeSet::new(), vec![group]);
    while let Some(group) = open.pop() {
        let members = match &topology.recipient(group).kind {
            RecipientKind::Group { subscribers, .. } => subscribers,
            RecipientKind::DistributionGroup(list) => &list.members,
            _ => continue,
        };
        for member in members {
            if let Member::Recipient(id) = member
                && found.insert(*id)
            {
                open.push(*id);
            }
        }
    }
    found
}

/// The senders among the subscribers of a group.
fn subscribers_among<'a>(
    topology: &'a Topology,
    group: RecipientId,
    senders: &HashMap<&Mailbox, ()>,
) -> Vec<(&'a Mailbox, Relation)> {
    if !matches!(topology.recipient(group).kind, RecipientKind::Group { .. }) {
        return Vec::new();
    }
    let recipients = readers(topology, group)
        .into_iter()
        .map(|id| topology.recipient(id));
    let mut found: BTreeMap<&Mailbox, Relation> = BTreeMap::new();
    for recipient in recipients {
        let own = |address: &&Mailbox| senders.contains_key(*address);
        let Some(address) = recipient.addresses.iter().find(own) else {
            continue;
        };
        let echo = match recipient.kind {
            RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } => echo,
            RecipientKind::DistributionGroup(_)
            | RecipientKind::Group { .. }
            | RecipientKind::RemoteGroup { .. } => false,
        };
        let relation = if echo {
            Relation::SubscriberWithEcho
        } else {
            Relation::Subscriber
        };
        // Two subscribers that hold one address by mistake are one sender.
        let known = found.entry(address).or_insert(relation);
        *known = relation.max(*known);
    }
    found.into_iter().collect()
}

/// Every size at which some limit ends.
fn size_limits(topology: &Topology) -> BTreeSet<ByteSize> {
    let send =
        topology
            .send_connectors()
            .filter_map(|(_, connector)| match connector.max_message_size {
                Limit::Bytes(size) => Some(size),
                Limit::Unlimited => None,
            });
    let receive =
        topology
            .receive_connectors()
            .filter_map(|(_, connector)| match connector.matcher {
                Matcher::Endpoint { .. } => Some(connector.max_message_size),
                Matcher::Peer { .. } => None,
            });
    let bytes = |limit| match limit {
        Limit::Bytes(size) => Some(size),
        Limit::Unlimited => None,
    };
    let organizations = topology.organizations().flat_map(|(_, organization)| {
        let transport = &organization.transport;
        [transport.max_send_size, transport.max_receive_size]
    });
    let recipients = topology.recipients().flat_map(|(_, recipient)| {
        let policy = recipient.exceptions.as_deref();
        let limits = policy.map(|policy| [policy.max_send_size, policy.max_receive_size]);
        limits.into_iter().flatten()
    });
    let links = topology.parts().site_links.iter();
    let links = links.map(|link| link.max_message_size);
    let limits = organizations.chain(recipients).chain(links);
    send.chain(receive)
        .chain(limits.filter_map(bytes))
        .chain(ruled::sizes(topology))
        .collect()
}

/// Walks one question in every range of sizes and joins neighbours that end alike.
fn answers(
    topology: &Topology,
    zones: &Zones,
    submission: &Submission,
    (from, to): &(Mailbox, Mailbox),
    limits: &BTreeSet<ByteSize>,
) -> Vec<(SizeBucket, Flow)> {
    let ask = |size| {
        let from = ReversePath::Mailbox(from.clone());
        walk(
            topology,
            zones,
            &Question {
                from,
                to: vec![to.clone()],
                size,
                kind: MessageKind::Message,
                submission: submission.clone(),
            },
        )
    };
    let ranges = ranges(limits);
    let mut flows = vec![None; ranges.len()];
    for at in apart(topology, &ranges) {
        flows[at] = Some(ask(ranges[at].1));
    }
    for (from, to) in apart(topology, &ranges)
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
    {
        settle(&mut flows, (from, to), &|at| ask(ranges[at].1), topology);
    }
    let mut answers: Vec<(SizeBucket, Flow)> = Vec::new();
    for ((bucket, _), flow) in ranges.into_iter().zip(flows) {
        match (answers.last_mut(), flow) {
            (Some((last, same)), Some(flow)) if ends_alike(topology, same, &flow) => {
                last.max = bucket.max;
            }
            (_, Some(flow)) => answers.push((bucket, flow)),
            (Some((last, _)), None) => last.max = bucket.max,
            (None, None) => unreachable!("the smallest size is asked about"),
        }
    }
    answers
}

/// The ranges of sizes between limits, smallest first, and the size to ask about in each.
fn ranges(limits: &BTreeSet<ByteSize>) -> Vec<(SizeBucket, ByteSize)> {
    let mut ranges = Vec::new();
    let mut min = ByteSize(0);
    for max in limits.iter().map(|limit| Some(*limit)).chain([None]) {
        let size = if min.0 == 0 {
            max.map_or(ORDINARY, |limit| limit.min(ORDINARY))
        } else {
            min
        };
        ranges.push((SizeBucket { min, max }, size));
        if let Some(limit) = max {
            min = ByteSize(limit.0.saturating_add(1));
        }
    }
    ranges
}

/// The ranges that are asked about in any case: the first, the last, and those on both sides of a size
/// that a mail-flow rule asks for, because a rule may do something to large messages, and an exception
/// of it undo that for larger ones.
fn apart(topology: &Topology, ranges: &[(SizeBucket, ByteSize)]) -> Vec<usize> {
    let ruled: BTreeSet<ByteSize> = ruled::sizes(topology).collect();
    let ends = |at: &usize| ranges[*at].0.max.is_some_and(|max| ruled.contains(&max));
    let ruled = (0..ranges.len()).filter(ends);
    let mut all: BTreeSet<usize> = ruled.flat_map(|at| [at, at + 1]).collect();
    all.extend([0, ranges.len() - 1]);
    all.into_iter().collect()
}

/// Asks about the ranges between two that have been asked about, where these end differently. A limit
/// takes ways away as messages grow and gives none back: what goes the same way at both ends goes it in
/// between.
fn settle(
    flows: &mut [Option<Flow>],
    (from, to): (usize, usize),
    ask: &dyn Fn(usize) -> Flow,
    topology: &Topology,
) {
    let alike = match (&flows[from], &flows[to]) {
        (Some(a), Some(b)) => ends_alike(topology, a, b),
        _ => false,
    };
    if alike || to - from < 2 {
        return;
    }
    let middle = from.midpoint(to);
    flows[middle] = Some(ask(middle));
    settle(flows, (from, middle), ask, topology);
    settle(flows, (middle, to), ask, topology);
}

/// Whether two flows differ in nothing that a row of the table shows.
fn ends_alike(topology: &Topology, a: &Flow, b: &Flow) -> bool {
    a.forks.len() == b.forks.len()
        && a.forks
            .iter()
            .zip(&b.forks)
            .all(|(a, b)| shown(topology, a) == shown(topology, b))
}

fn shown<'a>(topology: &Topology, fork: &'a Fork) -> impl PartialEq + 'a {
    let path: Vec<_> = fork
        .hops
        .iter()
        .map(|hop| (topology.server(hop.server).name.clone(), hop.connector))
        .collect();
    (
        &fork.recipient,
        fork.disposition,
        &fork.status,
        &fork.final_status,
        fork.trust,
        &fork.flags,
        path,
    )
}
