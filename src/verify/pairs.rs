//! The pairs of a class of senders and a class of recipients, divided by the sender's places in the
//! recipient's portrait.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::relation::{Place, Relation, Senders};
use crate::mail::Mailbox;

/// Pairs of a sender and a recipient that routing cannot tell from each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pairs {
    /// Index of the sender class.
    pub(super) from: usize,
    /// Index of the recipient class.
    pub(super) to: usize,
    /// What the senders are to the recipients.
    pub(super) relation: Relation,
    /// One of them.
    pub(super) example: (Mailbox, Mailbox),
    /// How many they are.
    pub(super) count: usize,
}

/// Pairs in which the sender has the same places.
struct Alike {
    count: usize,
    example: (Mailbox, Mailbox),
}

/// The pairs while addresses are added.
pub(super) struct Division<'a> {
    all: &'a Senders<'a>,
    /// The senders of each class, by number.
    senders: &'a [Vec<usize>],
    /// The class of each sender.
    class_of: Vec<usize>,
    /// By recipient class, sender class and the sender's places.
    related: HashMap<(usize, usize, Vec<Place>), Alike>,
    /// Pairs in which the sender has no place, by recipient class and sender class.
    strangers: HashMap<(usize, usize), (Mailbox, Mailbox)>,
    /// By recipient class, the sender classes for which there may be a better pair of strangers.
    open: Vec<Vec<usize>>,
}

impl<'a> Division<'a> {
    pub(super) fn new(all: &'a Senders<'a>, senders: &'a [Vec<usize>]) -> Self {
        let mut class_of = vec![0; all.all.len()];
        for (class, numbers) in senders.iter().enumerate() {
            for number in numbers {
                class_of[*number] = class;
            }
        }
        Self {
            all,
            senders,
            class_of,
            related: HashMap::new(),
            strangers: HashMap::new(),
            open: Vec::new(),
        }
    }

    /// Adds an address of a recipient class; classes are numbered in the order in which they come.
    pub(super) fn add(
        &mut self,
        to: usize,
        address: &Mailbox,
        group: bool,
        places: &BTreeMap<usize, BTreeSet<Place>>,
    ) {
        if to == self.open.len() {
            self.open.push((0..self.senders.len()).collect());
        }
        for (sender, places) in places {
            let key = (to, self.class_of[*sender], places.iter().copied().collect());
            let first = || Alike {
                count: 0,
                example: (self.all.all[*sender].address.clone(), address.clone()),
            };
            self.related.entry(key).or_insert_with(first).count += 1;
        }
        let mut open = std::mem::take(&mut self.open[to]);
        open.retain(|from| !self.settles((to, *from), address, group, places));
        self.open[to] = open;
    }

    /// Looks for a sender who has no place in the portrait of an address, and says whether no better
    /// example will come: the first of the class, or any where the address is a group.
    fn settles(
        &mut self,
        (to, from): (usize, usize),
        address: &Mailbox,
        group: bool,
        places: &BTreeMap<usize, BTreeSet<Place>>,
    ) -> bool {
        let members = &self.senders[from];
        let stranger = members.iter().find(|number| !places.contains_key(number));
        let Some(stranger) = stranger else {
            return false;
        };
        let example = (self.all.all[*stranger].address.clone(), address.clone());
        let best = group || *stranger == members[0];
        if best {
            self.strangers.insert((to, from), example);
        } else {
            self.strangers.entry((to, from)).or_insert(example);
        }
        best
    }

    /// All pairs, in the order of the classes: `order` says where each recipient class went, `sizes` how
    /// many members the class at each place has.
    pub(super) fn finish(self, sizes: &[usize], order: &[usize]) -> Vec<Pairs> {
        let mut counted: HashMap<(usize, usize), usize> = HashMap::new();
        let mut all = Vec::new();
        for ((to, from, places), Alike { count, example }) in self.related {
            *counted.entry((to, from)).or_default() += count;
            all.push(Pairs {
                from,
                to: order[to],
                relation: Relation::of(&places),
                example,
                count,
            });
        }
        for ((to, from), example) in self.strangers {
            let pairs = self.senders[from].len() * sizes[order[to]];
            let related = counted.get(&(to, from)).copied().unwrap_or_default();
            all.push(Pairs {
                from,
                to: order[to],
                relation: Relation::Stranger,
                example,
                count: pairs - related,
            });
        }
        all.sort();
        all
    }
}
