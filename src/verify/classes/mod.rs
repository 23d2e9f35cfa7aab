//! Senders and recipients that routing cannot tell apart.
//!
//! A class of recipients is a class of portraits: whatever a message may meet on its way from the one
//! address, it meets in the same places on its way from the other, alike in all that routing reads.
//! A class of senders is a class of portraits too (reports of failures go to senders), of people whose
//! mail enters the world by the same door, and who have the same place in what mail-flow rules bring in.
//! A pair of classes is not yet one flow: the sender may be among those who get the message, or on a
//! list of those who may write. So the pairs of each two classes are divided by the sender's places in
//! the recipient's portrait; see `pairs`.

mod census;
mod class_names;
mod crowd;
pub(in crate::verify) mod domains;
mod graph;
mod looks;
pub(in crate::verify) mod marks;
pub(in crate::verify) mod pairs;
mod portrait;
pub(in crate::verify) mod relation;
mod spot;
mod word;
pub(in crate::verify) mod written;

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;

use self::census::{Census, Written};
use self::class_names::unique_names;
use self::domains::Domains;
use self::graph::holders;
use self::marks::Marks;
use self::pairs::{Division, Pairs};
use self::portrait::{Portrait, Scene};
use self::relation::{EXTERNAL_SENDERS, Place, Seeker, Senders, devices, number};
use self::written::{
    GROUPS, OPEN_GROUPS, is_group, is_written, recipient_word, unheld, unknown_recipients,
};
use crate::flow::Submission;
use crate::mail::Mailbox;
use crate::model::{RecipientId, ServerId, Topology};

/// Senders that routing cannot tell apart.
#[derive(Clone, Debug)]
pub(in crate::verify) struct SenderClass<'a> {
    /// Its name, alone among the sender classes of the world.
    pub(in crate::verify) name: String,
    /// The documented word for its kind.
    pub(in crate::verify) kind: &'static str,
    /// The addresses.
    pub(in crate::verify) members: Vec<&'a Mailbox>,
    /// Their numbers, in no order.
    pub(in crate::verify) numbers: Vec<u32>,
    /// How their mail enters the world.
    pub(in crate::verify) submission: Submission,
}

/// Recipients that routing cannot tell apart.
#[derive(Clone, Debug)]
pub(in crate::verify) struct RecipientClass<'a> {
    /// Its name, alone among the recipient classes of the world.
    pub(in crate::verify) name: String,
    /// The documented word for its kind.
    pub(in crate::verify) kind: &'static str,
    /// The addresses.
    pub(in crate::verify) members: Vec<&'a Mailbox>,
    /// Their numbers, in no order.
    pub(in crate::verify) numbers: Vec<u32>,
}

impl RecipientClass<'_> {
    /// The Microsoft 365 Groups that have its addresses.
    pub(in crate::verify) fn groups<'b>(
        &'b self,
        topology: &'b Topology,
    ) -> impl Iterator<Item = RecipientId> + 'b {
        let members = self.members.iter();
        let named = members.take_while(|_| self.kind == GROUPS || self.kind == OPEN_GROUPS);
        named.filter_map(move |address| {
            let held = topology.holders(address).iter();
            held.copied().find(|id| is_group(topology.recipient(*id)))
        })
    }
}

/// The classes of a world.
pub(in crate::verify) struct Classes<'a> {
    pub(in crate::verify) senders: Vec<SenderClass<'a>>,
    pub(in crate::verify) recipients: Vec<RecipientClass<'a>>,
    /// By sender class, then by recipient class; those of strangers first.
    pub(in crate::verify) pairs: Vec<Pairs>,
    /// The numbers of addresses are below this one.
    pub(in crate::verify) numbers: usize,
    /// Addresses that several recipients of one organization hold.
    pub(in crate::verify) shared: Vec<&'a Mailbox>,
}

/// Addresses that stand in no file of the world: those from which devices write, and some that nobody has.
pub(in crate::verify) struct MadeUp {
    devices: Vec<(ServerId, Mailbox)>,
    unknown: BTreeSet<Mailbox>,
}

impl MadeUp {
    /// Those of a world.
    pub(in crate::verify) fn new(topology: &Topology) -> Self {
        Self {
            devices: devices(topology),
            unknown: unknown_recipients(topology),
        }
    }
}

/// Divides everybody who writes, and everything that is written to.
pub(in crate::verify) fn classes<'a>(
    topology: &'a Topology,
    alike: Domains,
    made_up: &'a MadeUp,
) -> Classes<'a> {
    let scene = Scene::new(topology, Marks::new(topology), alike);
    let senders = Senders::new(topology, &made_up.devices);
    let unheld = unheld(topology, &made_up.unknown);
    let word = |holders: &[RecipientId]| recipient_word(topology, holders);
    let written = |written: &Written| is_written(topology, written);
    let census = Census::take(topology, &scene, &senders, word, written, &unheld);
    let numbers = sender_classes(&scene, &senders, &census);
    let mut class_of = vec![0; senders.numbers()];
    for (class, members) in (0..).zip(&numbers) {
        for sender in members {
            class_of[*sender as usize] = class;
        }
    }
    let drawn = in_classes(&census);
    let mut recipients = recipient_classes(&census, &drawn);
    let groups: Vec<bool> = recipients
        .iter()
        .map(|class| class.kind == GROUPS || class.kind == OPEN_GROUPS)
        .collect();
    let (number_of, bound) = sender_numbers(topology, &senders, &census, unheld.len());
    let division = Division {
        census: &census,
        all: &senders,
        senders: &numbers,
        class_of: &class_of,
        recipients: &drawn,
        groups: &groups,
    };
    let mut pairs = division.pairs();
    let order = sort(topology, &mut recipients);
    for pair in &mut pairs {
        pair.to = order[pair.to];
    }
    pairs.sort();
    Classes {
        senders: named_senders(topology, &senders, &numbers, &number_of),
        numbers: bound,
        pairs,
        recipients,
        shared: census.shared,
    }
}

/// What was drawn of each class, the smallest first: of those the first by address.
fn in_classes(census: &Census) -> Vec<Vec<u32>> {
    let mut found = vec![Vec::new(); census.kinds.len()];
    for (index, drawn) in (0..).zip(&census.drawn) {
        found[drawn.class as usize].push(index);
    }
    let drawn = |index: &u32| &census.drawn[*index as usize];
    found.par_iter_mut().for_each(|members| {
        put_in_order(members, |one, other| {
            let (one, other) = (drawn(one), drawn(other));
            (one.size, one.address).cmp(&(other.size, other.address))
        });
    });
    found
}

/// So many senders are one piece of work.
const CHUNK: usize = 1 << 14;

/// So many members of a class stand in order; of more, the first does, and what comes after it is in an
/// order that says nothing.
const IN_ORDER: usize = 1 << 12;

fn put_in_order<T: Sync>(members: &mut [T], compare: impl Fn(&T, &T) -> Ordering + Sync) {
    if members.len() <= IN_ORDER {
        return members.sort_by(compare);
    }
    let indexes = (0..members.len()).into_par_iter();
    let before = |one: &usize, other: &usize| {
        let order = compare(&members[*one], &members[*other]);
        // The first of equals, whichever core sees it.
        order.then(one.cmp(other))
    };
    let first = indexes.min_by(before);
    members.swap(0, first.unwrap_or(0));
}

/// The classes of recipients as they were drawn, without names.
fn recipient_classes<'a>(census: &Census<'a>, drawn: &[Vec<u32>]) -> Vec<RecipientClass<'a>> {
    let class = |(kind, indexes): (&&'static str, &Vec<u32>)| {
        let drawn = || indexes.iter().map(|index| &census.drawn[*index as usize]);
        let mut members: Vec<&Mailbox> = drawn().map(|each| each.address).collect();
        put_in_order(&mut members, Ord::cmp);
        RecipientClass {
            name: String::new(),
            kind,
            members,
            numbers: drawn().map(|each| each.number).collect(),
        }
    };
    census.kinds.par_iter().zip(drawn).map(class).collect()
}

/// Puts the classes in order and gives each its name; where in that order each of those before is.
fn sort(topology: &Topology, classes: &mut Vec<RecipientClass>) -> Vec<usize> {
    let mut numbered: Vec<(usize, RecipientClass)> =
        std::mem::take(classes).into_iter().enumerate().collect();
    numbered.sort_by(|(_, a), (_, b)| (a.kind, &a.members[0]).cmp(&(b.kind, &b.members[0])));
    let mut order = vec![0; numbered.len()];
    for (position, (before, _)) in numbered.iter().enumerate() {
        order[*before] = position;
    }
    classes.extend(numbered.into_iter().map(|(_, class)| class));
    name_recipients(topology, classes);
    order
}

/// What tells senders of one kind at one door apart.
#[derive(PartialEq, Eq, Hash)]
enum Own<'a> {
    /// The class of the sender's address.
    Class(u32),
    /// The portrait of an address that nobody writes to.
    Portrait(&'a [u64]),
}

/// Those who have a class of their own address or a portrait, put together by it and by their door; those
/// of one class stand in order of their numbers.
fn at_doors<'a>(
    senders: &Senders<'a>,
    ruled: &HashMap<u32, Vec<Place>>,
    classes: &[Option<u32>],
    portraits: &[Vec<u64>],
) -> Vec<Vec<u32>> {
    let users = number(classes.len() - senders.others.len());
    let part = |(chunk, classes): (usize, &[Option<u32>])| {
        let mut found: HashMap<_, Vec<u32>> = HashMap::new();
        for (sender, class) in (number(chunk * CHUNK)..).zip(classes) {
            let own = match (class, sender >= users) {
                (Some(class), _) => Own::Class(*class),
                (None, true) => Own::Portrait(&portraits[(sender - users) as usize]),
                (None, false) => continue,
            };
            let key = (senders.door(sender), ruled.get(&sender), own);
            found.entry(key).or_default().push(sender);
        }
        found
    };
    let parts: Vec<_> = classes.par_chunks(CHUNK).enumerate().map(part).collect();
    let mut found: HashMap<_, Vec<u32>> = HashMap::new();
    for (key, senders) in parts.into_iter().flatten() {
        found.entry(key).or_default().extend(senders);
    }
    found.into_values().collect()
}

/// The senders of each class, by number: the organization's own people first.
fn sender_classes<'a>(
    scene: &Scene<'a>,
    senders: &Senders<'a>,
    census: &Census<'_>,
) -> Vec<Vec<u32>> {
    let ruled = places_in_background(scene, senders);
    let mut classes = vec![None; senders.numbers()];
    for own in &census.own {
        classes[own.sender as usize] = Some(own.class);
    }
    let mut painter = scene.painter();
    let portraits = senders.others.iter().map(|sender| {
        let mut portrait = Portrait::default();
        painter.draw(scene.spot(sender.address), &mut portrait);
        portrait.key
    });
    let portraits: Vec<Vec<u64>> = portraits.collect();
    let mut found = at_doors(senders, &ruled, &classes, &portraits);
    let rank = |kind| match kind {
        "on-premises mailboxes" => 0,
        "cloud mailboxes" => 1,
        EXTERNAL_SENDERS => 2,
        _ => 3,
    };
    let address = |sender: &u32| senders.address(*sender);
    for members in &mut found {
        put_in_order(members, |one, other| address(one).cmp(address(other)));
    }
    found.sort_by_cached_key(|members| {
        let first = members[0];
        let address = senders.address(first);
        let kind = senders.kind(first);
        (
            rank(kind),
            senders.submission(first),
            address.domain.clone(),
            kind,
            address.clone(),
        )
    });
    found
}

/// The number of each sender's address, and one above all numbers of addresses.
fn sender_numbers(
    topology: &Topology,
    senders: &Senders,
    census: &Census,
    unheld: usize,
) -> (Vec<u32>, usize) {
    let mut found = vec![u32::MAX; senders.numbers()];
    for own in &census.own {
        found[own.sender as usize] = own.number;
    }
    // Nobody writes to these: devices have no mailbox.
    let mut bound = topology.address_bound() + unheld;
    let mut new: HashMap<&Mailbox, u32> = HashMap::new();
    let users = senders.numbers() - senders.others.len();
    for (sender, number_of) in senders.others.iter().zip(&mut found[users..]) {
        if *number_of == u32::MAX {
            *number_of = *new.entry(sender.address).or_insert_with(|| {
                bound += 1;
                number(bound - 1)
            });
        }
    }
    (found, bound)
}

/// The places of senders in what mail-flow rules bring in.
fn places_in_background<'a>(scene: &Scene<'a>, senders: &Senders<'a>) -> HashMap<u32, Vec<Place>> {
    let mut seeker = Seeker::new(senders);
    seeker.seek(&scene.background);
    let mut found: HashMap<u32, Vec<Place>> = HashMap::new();
    for (sender, place) in &seeker.places {
        found.entry(*sender).or_default().push(*place);
    }
    found
}

/// The classes of senders, each with its name.
fn named_senders<'a>(
    topology: &Topology,
    all: &Senders<'a>,
    numbers: &[Vec<u32>],
    number_of: &[u32],
) -> Vec<SenderClass<'a>> {
    let class = |numbers: &Vec<u32>| {
        let numbered = numbers.iter().map(|sender| number_of[*sender as usize]);
        let members = numbers.iter().map(|number| all.address(*number));
        SenderClass {
            name: String::new(),
            kind: all.kind(numbers[0]),
            members: members.collect(),
            numbers: numbered.collect(),
            submission: all.submission(numbers[0]),
        }
    };
    let mut classes: Vec<SenderClass> = numbers.par_iter().map(class).collect();
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
            .map(|class| (class.kind, qualifiers(class), class.members[0])),
    );
    for (class, name) in classes.iter_mut().zip(names) {
        class.name = name;
    }
}

fn name_recipients(topology: &Topology, classes: &mut [RecipientClass]) {
    let qualifiers = |class: &RecipientClass| {
        let address = class.members[0];
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
            .map(|class| (class.kind, qualifiers(class), class.members[0])),
    );
    for (class, name) in classes.iter_mut().zip(names) {
        class.name = name;
    }
}
