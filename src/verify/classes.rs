//! Senders and recipients that routing cannot tell apart.
//!
//! A class of recipients is a class of portraits: whatever a message may meet on its way from the one
//! address, it meets in the same places on its way from the other, alike in all that routing reads.
//! A class of senders is a class of portraits too (reports of failures go to senders), of people whose
//! mail enters the world by the same door, and who have the same place in what mail-flow rules bring in.
//! A pair of classes is not yet one flow: the sender may be among those who get the message, or on a
//! list of those who may write. So the pairs of each two classes are divided by the sender's places in
//! the recipient's portrait; see `pairs`.

use std::collections::{BTreeSet, HashMap};

use super::graph::holders;
use super::hybrid;
use super::marks::Marks;
use super::pairs::{Division, Pairs};
use super::portrait::{Painter, Portrait};
use super::relation::{Sender, Senders};
use crate::flow::Submission;
use crate::mail::{Domain, Mailbox};
use crate::model::{
    DomainType, Recipient, RecipientId, RecipientKind, ServerId, ServerRole, Topology,
};

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
}

/// The classes of a world.
pub(super) struct Classes {
    pub(super) senders: Vec<SenderClass>,
    pub(super) recipients: Vec<RecipientClass>,
    /// By sender class, then by recipient class; those of strangers first.
    pub(super) pairs: Vec<Pairs>,
}

/// Divides everybody who writes, and everything that is written to.
pub(super) fn classes(topology: &Topology) -> Classes {
    let marks = Marks::new(topology);
    let mut painter = Painter::new(topology, &marks);
    let writing = senders(topology);
    let all = Senders::new(topology, &writing);
    let numbers = sender_classes(&all, &mut painter);
    let mut recipients = RecipientClasses::default();
    let mut division = Division::new(&all, &numbers);
    let mut add = |address, kind: Option<&'static str>| {
        let held: Vec<RecipientId> = holders(topology, address).collect();
        let portrait = painter.draw(address);
        let places = all.places(&portrait);
        let kind = kind.unwrap_or_else(|| recipient_word(topology, &held));
        let class = recipients.add(address, kind, portrait);
        let group = held.iter().any(|id| is_group(topology.recipient(*id)));
        division.add(class, address, group, &places);
    };
    let (written, unknown) = (written_addresses(topology), unknown_recipients(topology));
    written.iter().for_each(|address| add(address, None));
    unknown
        .iter()
        .for_each(|address| add(address, Some("unknown recipients")));
    let (recipients, order) = recipients.finish(topology);
    let sizes: Vec<usize> = recipients.iter().map(|class| class.members.len()).collect();
    Classes {
        senders: named_senders(topology, &all, &numbers),
        pairs: division.finish(&sizes, &order),
        recipients,
    }
}

const EXTERNAL_SENDERS: &str = "external senders";

/// Users by the server that takes their mail; people outside by their host; a device without a password
/// on every Mailbox server. One address that two mailboxes of a server hold by mistake is one sender.
fn senders(topology: &Topology) -> Vec<Sender> {
    let users = topology.recipients().filter_map(|(_, recipient)| {
        let RecipientKind::Mailbox { server, .. } = recipient.kind else {
            return None;
        };
        Some(Sender {
            kind: hybrid::mailboxes_word(topology, recipient.organization),
            submission: Submission::User(server),
            address: recipient.primary().clone(),
        })
    });
    let outside = topology.parts().outside_senders.iter();
    let outside = outside.map(|(address, host)| Sender {
        kind: EXTERNAL_SENDERS,
        submission: Submission::Host(*host),
        address: address.clone(),
    });
    let devices = devices(topology).into_iter();
    let devices = devices.map(|(server, address)| Sender {
        kind: "anonymous devices",
        submission: Submission::Anonymous {
            server,
            address: None,
        },
        address,
    });
    let all: BTreeSet<Sender> = users.chain(outside).chain(devices).collect();
    all.into_iter().collect()
}

/// The senders of each class, by number: the organization's own people first.
fn sender_classes<'a>(all: &Senders<'a>, painter: &mut Painter<'a>) -> Vec<Vec<usize>> {
    let ruled = all.places(painter.background());
    let mut found: HashMap<_, Vec<usize>> = HashMap::new();
    for (number, sender) in all.all.iter().enumerate() {
        let key = painter.draw(&sender.address).key;
        let key = (sender.kind, &sender.submission, ruled.get(&number), key);
        found.entry(key).or_default().push(number);
    }
    let rank = |kind| match kind {
        "on-premises mailboxes" => 0,
        "cloud mailboxes" => 1,
        EXTERNAL_SENDERS => 2,
        _ => 3,
    };
    let mut found: Vec<Vec<usize>> = found.into_values().collect();
    found.sort_by_cached_key(|numbers| {
        let first = &all.all[numbers[0]];
        let domain = first.address.domain.clone();
        (
            rank(first.kind),
            first.submission.clone(),
            domain,
            numbers[0],
        )
    });
    found
}

/// The classes of senders, each with its name.
fn named_senders(topology: &Topology, all: &Senders, numbers: &[Vec<usize>]) -> Vec<SenderClass> {
    let class = |numbers: &Vec<usize>| {
        let members = numbers
            .iter()
            .map(|number| all.all[*number].address.clone());
        let first = &all.all[numbers[0]];
        SenderClass {
            name: String::new(),
            kind: first.kind,
            members: members.collect(),
            submission: first.submission.clone(),
        }
    };
    let mut classes: Vec<SenderClass> = numbers.iter().map(class).collect();
    name_senders(topology, &mut classes);
    classes
}

fn name_senders(topology: &Topology, classes: &mut [SenderClass]) {
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
}

/// Classes of recipients while they are found.
#[derive(Default)]
struct RecipientClasses {
    /// By the word for the kind and the portrait.
    known: HashMap<(&'static str, Vec<u32>), usize>,
    classes: Vec<RecipientClass>,
}

impl RecipientClasses {
    /// Puts an address into its class, and says which that is.
    fn add(&mut self, address: &Mailbox, kind: &'static str, portrait: Portrait) -> usize {
        let next = self.classes.len();
        let class = *self.known.entry((kind, portrait.key)).or_insert(next);
        if class == next {
            self.classes.push(RecipientClass {
                name: String::new(),
                kind,
                members: Vec::new(),
            });
        }
        self.classes[class].members.push(address.clone());
        class
    }

    /// The classes in order, each with its name, and where in that order each of those before is.
    fn finish(self, topology: &Topology) -> (Vec<RecipientClass>, Vec<usize>) {
        let mut numbered: Vec<(usize, RecipientClass)> =
            self.classes.into_iter().enumerate().collect();
        numbered.sort_by(|(_, a), (_, b)| (a.kind, &a.members[0]).cmp(&(b.kind, &b.members[0])));
        let mut order = vec![0; numbered.len()];
        for (position, (before, _)) in numbered.iter().enumerate() {
            order[*before] = position;
        }
        let mut classes: Vec<RecipientClass> =
            numbered.into_iter().map(|(_, class)| class).collect();
        name_recipients(topology, &mut classes);
        (classes, order)
    }
}

fn name_recipients(topology: &Topology, classes: &mut [RecipientClass]) {
    let qualifiers = |class: &RecipientClass| {
        let address = &class.members[0];
        let group = holders(topology, address)
            .map(|id| topology.recipient(id))
            .find(|recipient| is_group(recipient));
        let secondary = group.is_some_and(|group| group.primary() != address);
        let mark = if secondary { "secondary address" } else { "" };
        [format!("@{}", address.domain), mark.to_owned()]
    };
    let names = unique_names(
        classes
            .iter()
            .map(|class| (class.kind, qualifiers(class), &class.members[0])),
    );
    for (class, name) in classes.iter_mut().zip(names) {
        class.name = name;
    }
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
    let alone = |form: &[String; 5], level: usize| {
        forms
            .iter()
            .filter(|other| other[level] == form[level])
            .count()
            == 1
    };
    forms
        .iter()
        .map(|form| form[(0..4).find(|level| alone(form, *level)).unwrap_or(4)].clone())
        .collect()
}
