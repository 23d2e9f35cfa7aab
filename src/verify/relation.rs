//! Who writes, and what a sender is to those who come to see the message.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::graph::{ListKind, Point, Way, holders, wants_echo};
use super::marks;
use super::portrait::Portrait;
use crate::flow::Submission;
use crate::mail::Mailbox;
use crate::model::{Member, RecipientId, Topology};

/// Somebody who writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sender {
    /// The documented word for its kind.
    pub(super) kind: &'static str,
    /// How its mail enters the world.
    pub(super) submission: Submission,
    /// Its address.
    pub(super) address: Mailbox,
}

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

/// What a sender is to those it writes to, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
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
    pub(super) fn suffix(self) -> &'static str {
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
                Place::Met { from, way, echo, .. } => Some((*from, *way, *echo)),
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

/// Everybody who writes, by number.
pub(super) struct Senders<'a> {
    topology: &'a Topology,
    /// In order, each once.
    pub(super) all: &'a [Sender],
    at_address: HashMap<&'a Mailbox, Vec<usize>>,
    at_recipient: HashMap<RecipientId, Vec<usize>>,
}

impl<'a> Senders<'a> {
    pub(super) fn new(topology: &'a Topology, all: &'a [Sender]) -> Self {
        let mut at_address: HashMap<&Mailbox, Vec<usize>> = HashMap::with_capacity(all.len());
        let mut at_recipient: HashMap<RecipientId, Vec<usize>> = HashMap::with_capacity(all.len());
        for (number, sender) in all.iter().enumerate() {
            at_address.entry(&sender.address).or_default().push(number);
            for id in holders(topology, &sender.address) {
                at_recipient.entry(id).or_default().push(number);
            }
        }
        Self {
            topology,
            all,
            at_address,
            at_recipient,
        }
    }

    fn at(&self, point: Point) -> &[usize] {
        let found = match point {
            Point::Address(address) => self.at_address.get(address),
            Point::Recipient(id) => self.at_recipient.get(&id),
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// The places of every sender that is in a portrait, in one order for all that are alike.
    pub(super) fn places(&self, portrait: &Portrait) -> BTreeMap<usize, BTreeSet<Place>> {
        let mut found: BTreeMap<usize, BTreeSet<Place>> = BTreeMap::new();
        for met in &portrait.met {
            let echo = match met.point {
                Point::Address(_) => false,
                Point::Recipient(id) => wants_echo(self.topology.recipient(id)),
            };
            let (from, way, alone) = (met.from, met.way, met.alone);
            for sender in self.at(met.point) {
                let place = Place::Met {
                    from,
                    way,
                    echo,
                    alone,
                };
                found.entry(*sender).or_default().insert(place);
            }
        }
        for list in &portrait.lists {
            let inside = marks::within(self.topology, list.members);
            for member in list.members.iter().chain(inside) {
                let Member::Recipient(id) = member else {
                    continue;
                };
                let (at, kind) = (list.at, list.kind);
                for sender in self.at(Point::Recipient(*id)) {
                    let place = Place::Named { at, kind };
                    found.entry(*sender).or_default().insert(place);
                }
            }
        }
        found
    }
}
