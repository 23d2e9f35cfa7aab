//! The pairs of a class of senders and a class of recipients, divided by the sender's places in the
//! recipient's portrait.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rayon::prelude::*;

use super::census::{Census, Drawn};
use super::relation::{Relation, Senders};
use crate::mail::Mailbox;

/// Pairs of a sender and a recipient that routing cannot tell from each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::verify) struct Pairs {
    /// Index of the sender class.
    pub(in crate::verify) from: usize,
    /// Index of the recipient class.
    pub(in crate::verify) to: usize,
    /// What the senders are to the recipients.
    pub(in crate::verify) relation: Relation,
    /// One of them.
    pub(in crate::verify) example: (Mailbox, Mailbox),
    /// How many they are.
    pub(in crate::verify) count: usize,
}

/// What pairs are made of.
pub(super) struct Division<'a> {
    pub(in crate::verify) census: &'a Census<'a>,
    pub(in crate::verify) all: &'a Senders<'a>,
    /// The senders of each class, the first by address before the others.
    pub(in crate::verify) senders: &'a [Vec<u32>],
    /// The class of each sender.
    pub(super) class_of: &'a [u32],
    /// What is in each recipient class, in the order in which examples are looked for.
    pub(in crate::verify) recipients: &'a [Vec<u32>],
    /// Whether a recipient class is one of Microsoft 365 Groups.
    pub(in crate::verify) groups: &'a [bool],
}

/// So many addresses are one piece of work.
const CHUNK: usize = 1 << 14;

/// Pairs by recipient class, sender class and the sender's places.
type Related<'a> = HashMap<(u32, u32, u32), Alike<'a>>;

/// Pairs in which the sender has the same places.
struct Alike<'a> {
    count: usize,
    sender: u32,
    drawn: &'a Drawn<'a>,
}

impl Division<'_> {
    /// All pairs, in order.
    pub(in crate::verify) fn pairs(&self) -> Vec<Pairs> {
        let mut counted: HashMap<(usize, usize), usize> = HashMap::new();
        let mut all = Vec::new();
        for ((to, from, places), alike) in self.related() {
            let (from, to) = (from as usize, to as usize);
            *counted.entry((to, from)).or_default() += alike.count;
            all.push(Pairs {
                from,
                to,
                relation: Relation::of(&self.census.places[places as usize]),
                example: self.example(alike.sender, alike.drawn),
                count: alike.count,
            });
        }
        for to in 0..self.recipients.len() {
            for (from, (sender, drawn)) in self.strangers(to) {
                let pairs = self.senders[from].len() * self.recipients[to].len();
                let related = counted.get(&(to, from)).copied().unwrap_or_default();
                all.push(Pairs {
                    from,
                    to,
                    relation: Relation::Stranger,
                    example: self.example(sender, drawn),
                    count: pairs - related,
                });
            }
        }
        all.sort();
        all
    }

    fn example(&self, sender: u32, drawn: &Drawn) -> (Mailbox, Mailbox) {
        (self.all.address(sender).clone(), drawn.address.clone())
    }

    /// By recipient class, sender class and the sender's places.
    fn related(&self) -> Related<'_> {
        let parts = self.census.drawn.par_chunks(CHUNK);
        let parts: Vec<Related> = parts.map(|drawn| self.related_among(drawn)).collect();
        let mut found = Related::new();
        for (key, alike) in parts.into_iter().flatten() {
            self.note(&mut found, key, alike);
        }
        found
    }

    fn related_among<'b>(&self, drawn: &'b [Drawn<'b>]) -> Related<'b> {
        let mut found = Related::new();
        for drawn in drawn {
            for (sender, places) in self.related_to(drawn) {
                let sender = *sender;
                let key = (drawn.class, self.class_of[sender as usize], *places);
                let alike = Alike {
                    count: 1,
                    sender,
                    drawn,
                };
                self.note(&mut found, key, alike);
            }
        }
        found
    }

    /// Adds pairs to those that are like them, whose example is the better of both.
    fn note<'b>(&self, found: &mut Related<'b>, key: (u32, u32, u32), alike: Alike<'b>) {
        match found.entry(key) {
            Entry::Vacant(free) => {
                free.insert(alike);
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                let count = known.count + alike.count;
                if self.is_before(&alike, known) {
                    *known = alike;
                }
                known.count = count;
            }
        }
    }

    fn related_to(&self, drawn: &Drawn) -> &[(u32, u32)] {
        let related = drawn.related.start as usize..drawn.related.end as usize;
        &self.census.related[related]
    }

    /// Whether a pair is the better example: the smaller one, then by address.
    fn is_before(&self, one: &Alike, other: &Alike) -> bool {
        let order = |pair: &Alike| pair.drawn.size;
        order(one)
            .cmp(&order(other))
            .then_with(|| one.drawn.address.cmp(other.drawn.address))
            .then_with(|| {
                self.all
                    .address(one.sender)
                    .cmp(self.all.address(other.sender))
            })
            .is_lt()
    }

    /// For each sender class a pair in which the sender has no place: of the first sender of the class
    /// if there is one, and any where the recipient is a group.
    fn strangers(&self, to: usize) -> Vec<(usize, (u32, &Drawn<'_>))> {
        let mut found: Vec<Option<(u32, &Drawn)>> = vec![None; self.senders.len()];
        let mut open: Vec<usize> = (0..self.senders.len()).collect();
        for index in &self.recipients[to] {
            let drawn = &self.census.drawn[*index as usize];
            let related = self.related_to(drawn);
            open.retain(|from| {
                let members = &self.senders[*from];
                let has_place =
                    |sender: &u32| related.binary_search_by_key(sender, |(s, _)| *s).is_ok();
                let Some(stranger) = members.iter().find(|sender| !has_place(sender)) else {
                    return true;
                };
                let best = self.groups[to] || *stranger == members[0];
                if best || found[*from].is_none() {
                    found[*from] = Some((*stranger, drawn));
                }
                !best
            });
            if open.is_empty() {
                break;
            }
        }
        let found = found.into_iter().enumerate();
        found
            .filter_map(|(from, pair)| Some((from, pair?)))
            .collect()
    }
}
