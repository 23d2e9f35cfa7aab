//! Who writes, and what a sender is to those who come to see the message.

use std::collections::BTreeMap;

use super::graph::{ListKind, Point, Way, wants_echo};
use super::marks;
use super::portrait::Portrait;
use super::spot::Spot;
use crate::flow::Submission;
use crate::mail::Mailbox;
use crate::model::{
    AddressId, Member, OrganizationId, RecipientId, RecipientKind, ServerId, ServerRole, Topology,
};
use crate::verify::hybrid;

/// Somebody who writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sender<'a> {
    /// The documented word for its kind.
    pub(in crate::verify) kind: &'static str,
    /// How its mail enters the world.
    pub(in crate::verify) submission: Submission,
    /// Its address.
    pub(in crate::verify) address: &'a Mailbox,
}

/// The word for people outside.
pub(super) const EXTERNAL_SENDERS: &str = "external senders";

/// A place of the sender in the portrait of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    /// It is met on the way.
    Met {
        /// From which point.
        from: Option<u32>,
        /// How.
        way: Option<Way>,
        /// Whether it wants its own posts back.
        echo: bool,
        /// Whether nobody else is met in the same way.
        alone: bool,
    },
    /// A list of senders names it.
    Named {
        /// Whose list.
        at: u32,
        /// Which of them.
        kind: ListKind,
    },
}

/// Whether a sender with these places finds what a stranger finds: as a member of a distribution group
/// it gets a copy of what it posts like any other member (Exchange Server, "Distribution groups").
pub(super) fn is_indifferent(places: &[Place]) -> bool {
    let way = |place: &Place| match place {
        Place::Met { way, .. } => *way,
        Place::Named { .. } => None,
    };
    let indifferent = |place: &Place| {
        matches!(
            way(place),
            Some(Way::Member | Way::Holder | Way::SecondaryHolder | Way::Primary | Way::Target)
        )
    };
    places.iter().all(indifferent) && places.iter().any(|place| way(place) == Some(Way::Member))
}

/// What a sender is to those it writes to, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::verify) enum Relation {
    /// Nothing that matters to the flow.
    Stranger,
    /// A subscriber who wants no copy of the own posts.
    Subscriber,
    /// A subscriber who wants one.
    SubscriberWithEcho,
    /// The recipient.
    Oneself,
    /// Somebody else who gets the message, or gets it otherwise.
    Reader,
    /// Somebody whom a list of senders names.
    Named,
}

impl Relation {
    /// What the name of a class of senders has behind it.
    pub(in crate::verify) fn suffix(self) -> &'static str {
        match self {
            Self::Stranger => "",
            Self::Subscriber => ", subscribers",
            Self::SubscriberWithEcho => ", subscribers with echo",
            Self::Oneself => ", to themselves",
            Self::Reader => ", among the readers",
            Self::Named => ", on a list of senders",
        }
    }

    /// The word for places in a portrait.
    pub(super) fn of(places: &[Place]) -> Self {
        let ways = || {
            places.iter().filter_map(|place| match place {
                Place::Met {
                    from, way, echo, ..
                } => Some((*from, *way, *echo)),
                Place::Named { .. } => None,
            })
        };
        let copies = || ways().filter(|(_, way, _)| *way == Some(Way::Copy));
        if copies().any(|(.., echo)| echo) {
            Self::SubscriberWithEcho
        } else if copies().next().is_some() {
            Self::Subscriber
        } else if ways().any(|(from, ..)| from.is_none()) {
            Self::Oneself
        } else if ways().next().is_some() {
            Self::Reader
        } else {
            Self::Named
        }
    }
}

/// Where mail of a sender enters the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Door<'a> {
    /// At the server of the mailbox.
    User(OrganizationId, ServerId),
    /// Somebody of this kind, elsewhere.
    Other(&'static str, &'a Submission),
}

/// Everybody who writes, by number: a user has the number of the mailbox, the others come behind all
/// recipients.
pub(in crate::verify) struct Senders<'a> {
    topology: &'a Topology,
    /// Those who have no mailbox.
    pub(super) others: Vec<Sender<'a>>,
    /// Their numbers, where some recipient holds the address too.
    at_held: BTreeMap<AddressId, Vec<u32>>,
    /// The others'.
    at: BTreeMap<&'a Mailbox, Vec<u32>>,
}

impl<'a> Senders<'a> {
    /// Users by the server that takes their mail; people outside by their host; a device without a
    /// password on every Mailbox server.
    pub(in crate::verify) fn new(
        topology: &'a Topology,
        devices: &'a [(ServerId, Mailbox)],
    ) -> Self {
        let outside = topology.parts().outside_senders.iter();
        let outside = outside.map(|(address, host)| Sender {
            kind: EXTERNAL_SENDERS,
            submission: Submission::Host(*host),
            address,
        });
        let devices = devices.iter();
        let devices = devices.map(|(server, address)| Sender {
            kind: "anonymous devices",
            submission: Submission::Anonymous {
                server: *server,
                address: None,
            },
            address,
        });
        let mut others: Vec<Sender<'a>> = outside.chain(devices).collect();
        others.sort();
        others.dedup();
        let mut senders = Self {
            topology,
            others,
            at_held: BTreeMap::new(),
            at: BTreeMap::new(),
        };
        for (index, sender) in senders.others.iter().enumerate() {
            let number = number(topology.parts().recipients.len() + index);
            let numbers = match topology.address_id(sender.address) {
                Some(id) => senders.at_held.entry(id).or_default(),
                None => senders.at.entry(sender.address).or_default(),
            };
            numbers.push(number);
        }
        senders
    }

    /// All numbers are below this one.
    pub(in crate::verify) fn numbers(&self) -> usize {
        self.topology.parts().recipients.len() + self.others.len()
    }

    /// Who has a number, which is one of a mailbox or of somebody who has none.
    pub(in crate::verify) fn kind(&self, number: u32) -> &'static str {
        match self.user(number) {
            Ok(id) => {
                hybrid::mailboxes_word(self.topology, self.topology.recipient(id).organization)
            }
            Err(other) => other.kind,
        }
    }

    /// How mail of a sender enters the world.
    pub(in crate::verify) fn submission(&self, number: u32) -> Submission {
        match self.user(number) {
            Ok(id) => Submission::User(self.server(id)),
            Err(other) => other.submission.clone(),
        }
    }

    /// The door by which mail of a sender enters the world, and the sender's kind.
    pub(super) fn door(&self, number: u32) -> Door<'_> {
        match self.user(number) {
            Ok(id) => Door::User(self.topology.recipient(id).organization, self.server(id)),
            Err(other) => Door::Other(other.kind, &other.submission),
        }
    }

    /// The server that a user writes at.
    fn server(&self, id: RecipientId) -> ServerId {
        match self.topology.recipient(id).kind {
            RecipientKind::Mailbox { server, .. } => server,
            _ => unreachable!("users have mailboxes"),
        }
    }

    /// The address of a sender.
    pub(in crate::verify) fn address(&self, number: u32) -> &'a Mailbox {
        match self.user(number) {
            Ok(id) => self.topology.recipient(id).primary(),
            Err(other) => other.address,
        }
    }

    fn user(&self, number: u32) -> Result<RecipientId, &Sender<'a>> {
        let index = number as usize;
        let users = self.topology.parts().recipients.len();
        match index.checked_sub(users) {
            Some(index) => Err(&self.others[index]),
            None => Ok(RecipientId::new(index)),
        }
    }

    /// Those who write from an address. One address that two mailboxes of a server hold by mistake is one
    /// sender.
    pub(super) fn at(&self, spot: Spot, mut found: impl FnMut(u32)) {
        let server = |id: RecipientId| {
            let recipient = self.topology.recipient(id);
            let is_primary = || Some(self.topology.address_at(id, 0)) == spot.id;
            match recipient.kind {
                RecipientKind::Mailbox { server, .. } if is_primary() => {
                    Some((recipient.organization, server))
                }
                _ => None,
            }
        };
        let held = spot.holders(self.topology);
        for (at, id) in held.iter().enumerate() {
            let own = server(*id);
            let before = || held[..at].iter().any(|id| server(*id) == own);
            if own.is_some() && !before() {
                found(number(id.index()));
            }
        }
        let others = match spot.id {
            Some(id) => self.at_held.get(&id),
            None => self.at.get(spot.address),
        };
        others.into_iter().flatten().copied().for_each(found);
    }
}

/// Finds the senders in portraits, one after the other.
pub(super) struct Seeker<'a, 's> {
    senders: &'s Senders<'a>,
    /// Every place of every sender, in one order for all that are alike.
    pub(in crate::verify) places: Vec<(u32, Place)>,
}

impl<'a, 's> Seeker<'a, 's> {
    pub(in crate::verify) fn new(senders: &'s Senders<'a>) -> Self {
        Self {
            senders,
            places: Vec::new(),
        }
    }

    /// Puts the places of every sender that is in a portrait into `places`.
    pub(super) fn seek(&mut self, portrait: &Portrait<'a>) {
        self.places.clear();
        let topology = self.senders.topology;
        for met in &portrait.met {
            let echo = match met.point {
                Point::Address(_) => false,
                Point::Recipient(id) => wants_echo(topology.recipient(id)),
            };
            let place = Place::Met {
                from: met.from,
                way: met.way,
                echo,
                alone: met.alone,
            };
            self.put(met.point, place);
        }
        for list in &portrait.lists {
            let inside = marks::within(topology, list.members);
            for member in list.members.iter().chain(inside) {
                if let Member::Recipient(id) = member {
                    let (at, kind) = (list.at, list.kind);
                    self.put(Point::Recipient(*id), Place::Named { at, kind });
                }
            }
        }
        self.places.sort_unstable();
        self.places.dedup();
    }

    fn put(&mut self, point: Point<'a>, place: Place) {
        let Self { senders, places } = self;
        let mut put = |spot| senders.at(spot, |sender| places.push((sender, place)));
        match point {
            Point::Address(spot) => put(spot),
            Point::Recipient(id) => {
                let topology = senders.topology;
                let own = 0..topology.recipient(id).addresses.len();
                own.for_each(|position| put(Spot::at(topology, id, position)));
            }
        }
    }
}

/// A scanner or application beside every server that serves clients of its own organization: it
/// writes from an address of the default domain that no recipient has.
pub(super) fn devices(topology: &Topology) -> Vec<(ServerId, Mailbox)> {
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

/// No world has four thousand million recipients.
pub(in crate::verify) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
