//! Draws every address that is written to, and puts those with equal portraits together: the work that
//! grows with the directory, so that all cores share it.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use rayon::prelude::*;

use super::portrait::{Painter, Portrait, Scene};
use super::relation::{Place, Seeker, Senders, is_indifferent, number};
use super::spot::Spot;
use crate::mail::Mailbox;
use crate::model::{Recipient, RecipientId, Topology};

/// An address that is written to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'a> {
    /// The address.
    pub(super) spot: Spot<'a>,
    /// Who holds it.
    pub(in crate::verify) holders: &'a [RecipientId],
    /// The word for its kind, where its holders do not say it.
    pub(in crate::verify) kind: Option<&'static str>,
}

/// What was found of one address.
#[derive(Clone, Debug)]
pub(super) struct Drawn<'a> {
    /// The address.
    pub(in crate::verify) address: &'a Mailbox,
    /// Its number: that of the index, or one behind those for addresses that nobody holds.
    pub(in crate::verify) number: u32,
    /// The class that it is in.
    pub(in crate::verify) class: u32,
    /// How much there is behind it.
    pub(in crate::verify) size: u32,
    /// The senders who have a place in its portrait, each with the number of the places.
    pub(super) related: Range<u32>,
}

/// Every address that is written to, in classes of equal portraits.
#[derive(Debug, Default)]
pub(super) struct Census<'a> {
    /// The word for the kind of each class.
    pub(in crate::verify) kinds: Vec<&'static str>,
    pub(super) drawn: Vec<Drawn<'a>>,
    /// Senders with the number of their places.
    pub(super) related: Vec<(u32, u32)>,
    /// Places, by number.
    pub(in crate::verify) places: Vec<Vec<Place>>,
    /// The class of each sender's own address, and its number.
    pub(in crate::verify) own: Vec<Own>,
    /// Addresses that several recipients of one organization hold.
    pub(in crate::verify) shared: Vec<&'a Mailbox>,
}

/// The address from which a sender writes.
#[derive(Clone, Copy, Debug)]
pub(in crate::verify) struct Own {
    pub(in crate::verify) sender: u32,
    pub(in crate::verify) class: u32,
    pub(in crate::verify) number: u32,
}

/// So many recipients are one piece of work.
const CHUNK: usize = 1 << 14;

impl<'a> Census<'a> {
    /// Draws all addresses of recipients that are written to, then those that nobody holds.
    pub(in crate::verify) fn take(
        topology: &'a Topology,
        scene: &Scene<'a>,
        senders: &Senders<'a>,
        word: impl Fn(&[RecipientId]) -> &'static str + Sync,
        is_written: impl Fn(&Written) -> bool + Sync,
        unheld: &[Written<'a>],
    ) -> Self {
        // Recipients lie in memory as the world lists them, and both sides list them alike: in this
        // order the holders of an address are near.
        let part = |(chunk, recipients): (usize, &'a [Recipient])| {
            let mut clerk = Clerk::new(scene, senders, &word);
            for (at, recipient) in (chunk * CHUNK..).zip(recipients) {
                let id = RecipientId::new(at);
                for (position, address) in recipient.addresses.iter().enumerate() {
                    let known = topology.address_at(id, position);
                    let again = |before: usize| topology.address_at(id, before) == known;
                    let holders = topology.held_by(known);
                    if holders[0] != id || (0..position).any(again) {
                        continue;
                    }
                    clerk.note_shared(topology, address, holders);
                    let written = Written {
                        spot: Spot {
                            address,
                            id: Some(known),
                        },
                        holders,
                        kind: None,
                    };
                    if is_written(&written) {
                        clerk.add(number(known.index()), &written);
                    }
                }
            }
            clerk.part
        };
        let chunks = topology.parts().recipients.par_chunks(CHUNK).enumerate();
        let mut parts: Vec<Part> = chunks.map(part).collect();
        let numbers = topology.address_bound();
        let mut clerk = Clerk::new(scene, senders, &word);
        for (at, written) in unheld.iter().enumerate() {
            clerk.add(number(numbers + at), written);
        }
        parts.push(clerk.part);
        let mut merger = Merger::default();
        for part in parts {
            merger.add(part);
        }
        merger.census
    }
}

/// What one core found.
#[derive(Debug, Default)]
struct Part<'a> {
    keys: Interner<(&'static str, Vec<u64>)>,
    places: Interner<Vec<Place>>,
    drawn: Vec<Drawn<'a>>,
    related: Vec<(u32, u32)>,
    own: Vec<Own>,
    shared: Vec<&'a Mailbox>,
}

/// Different things, each with a number.
#[derive(Debug)]
struct Interner<T> {
    numbers: HashMap<T, u32>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    fn number(&mut self, what: &T) -> u32 {
        if let Some(known) = self.numbers.get(what) {
            return *known;
        }
        let next = number(self.numbers.len());
        self.numbers.insert(what.clone(), next);
        next
    }

    /// All of them by number.
    fn listed(self) -> Vec<T> {
        let mut all: Vec<(u32, T)> = self.numbers.into_iter().map(|(t, n)| (n, t)).collect();
        all.sort_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, t)| t).collect()
    }
}

/// Somebody who draws addresses one after the other.
struct Clerk<'a, 's, F> {
    painter: Painter<'a, 's>,
    seeker: Seeker<'a, 's>,
    senders: &'s Senders<'a>,
    word: &'s F,
    portrait: Portrait<'a>,
    key: (&'static str, Vec<u64>),
    place: Vec<Place>,
    part: Part<'a>,
}

impl<'a, 's, F: Fn(&[RecipientId]) -> &'static str> Clerk<'a, 's, F> {
    fn new(scene: &'s Scene<'a>, senders: &'s Senders<'a>, word: &'s F) -> Self {
        Self {
            painter: scene.painter(),
            seeker: Seeker::new(senders),
            senders,
            word,
            portrait: Portrait::default(),
            key: ("", Vec::new()),
            place: Vec::new(),
            part: Part::default(),
        }
    }

    /// Notes an address that several recipients of one organization hold.
    fn note_shared(&mut self, topology: &Topology, address: &'a Mailbox, holders: &[RecipientId]) {
        let organization = |id: RecipientId| topology.recipient(id).organization;
        let mut pairs = holders.windows(2);
        if pairs.any(|pair| organization(pair[0]) == organization(pair[1])) {
            self.part.shared.push(address);
        }
    }

    fn add(&mut self, at: u32, written: &Written<'a>) {
        let spot = written.spot;
        self.painter.draw(spot, &mut self.portrait);
        self.key.0 = written.kind.unwrap_or_else(|| (self.word)(written.holders));
        std::mem::swap(&mut self.key.1, &mut self.portrait.key);
        let class = self.part.keys.number(&self.key);
        let begin = number(self.part.related.len());
        self.seeker.seek(&self.portrait);
        for same in self
            .seeker
            .places
            .chunk_by(|(one, _), (other, _)| one == other)
        {
            self.place.clear();
            self.place.extend(same.iter().map(|(_, place)| *place));
            if !is_indifferent(&self.place) {
                let places = self.part.places.number(&self.place);
                self.part.related.push((same[0].0, places));
            }
        }
        let own = &mut self.part.own;
        self.senders.at(spot, |sender| {
            own.push(Own {
                sender,
                class,
                number: at,
            });
        });
        self.part.drawn.push(Drawn {
            address: spot.address,
            number: at,
            class,
            size: number(self.portrait.met.len()),
            related: begin..number(self.part.related.len()),
        });
    }
}

/// Puts parts together.
#[derive(Default)]
struct Merger<'a> {
    census: Census<'a>,
    keys: Interner<(&'static str, Vec<u64>)>,
    places: Interner<Vec<Place>>,
}

impl<'a> Merger<'a> {
    fn add(&mut self, part: Part<'a>) {
        let census = &mut self.census;
        let keys = part.keys.listed();
        let classes: Vec<u32> = keys.iter().map(|key| self.keys.number(key)).collect();
        for (class, (kind, _)) in classes.iter().zip(&keys) {
            if *class as usize == census.kinds.len() {
                census.kinds.push(kind);
            }
        }
        let all = part.places.listed();
        let places: Vec<u32> = all.iter().map(|each| self.places.number(each)).collect();
        for (at, each) in places.iter().zip(all) {
            if *at as usize == census.places.len() {
                census.places.push(each);
            }
        }
        let before = number(census.related.len());
        let related = part.related.into_iter();
        census
            .related
            .extend(related.map(|(sender, at)| (sender, places[at as usize])));
        census.shared.extend(part.shared);
        let own = part.own.into_iter();
        census.own.extend(own.map(|own| Own {
            class: classes[own.class as usize],
            ..own
        }));
        census
            .drawn
            .extend(part.drawn.into_iter().map(|drawn| Drawn {
                class: classes[drawn.class as usize],
                related: drawn.related.start + before..drawn.related.end + before,
                ..drawn
            }));
    }
}
