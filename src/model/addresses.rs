//! Who holds an address: an index that costs some seventeen bytes for each address, because it
//! keeps none.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use rayon::prelude::*;

use super::directory::Recipient;
use super::id::{AddressId, OrganizationId, RecipientId};
use crate::mail::Mailbox;

/// The holders of every address of a list of recipients.
///
/// Invariant: it is asked together with the list that it was made of, whose addresses are unchanged.
/// Invariant: holders of one address stand together, by organization, then in the order of the list.
#[derive(Clone, Debug, Default)]
pub struct AddressIndex {
    /// For each bucket the position of its first entry; one more for the end of the last bucket.
    starts: Vec<u32>,
    /// For each entry the part of its address's hash that does not choose the bucket.
    tags: Vec<u32>,
    /// For each entry who has the address.
    holders: Vec<RecipientId>,
    /// For each entry a bit: whether it is the first of its address.
    begins: Vec<u64>,
    places: Places,
}

/// Where the holders of the addresses of each recipient begin: so that whoever has a recipient need
/// not look for its addresses, which takes a walk through memory for each.
#[derive(Clone, Debug, Default)]
struct Places {
    /// The index of the first recipient.
    first: usize,
    /// For each recipient the position of its first address; one more for the end of the last.
    offsets: Vec<u32>,
    /// For each of its addresses the first entry of the address.
    entries: Vec<u32>,
}

/// An address as it is sorted: by this key, and where two addresses share one, by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// The bucket above the tag.
    key: u64,
    /// Who has the address.
    id: RecipientId,
    /// Which of the holder's addresses it is.
    position: u32,
}

impl Entry {
    fn bucket(self) -> usize {
        (self.key >> 32) as usize
    }

    fn address(self, recipients: &[Recipient]) -> &Mailbox {
        &recipients[self.id.index()].addresses[self.position as usize]
    }

    fn rank(self, recipients: &[Recipient]) -> (&Mailbox, OrganizationId, RecipientId) {
        let organization = recipients[self.id.index()].organization;
        (self.address(recipients), organization, self.id)
    }
}

/// So many addresses share a bucket: their tags are in one or two lines of the cache, and the list of
/// buckets is small enough to stay there.
const BUCKET: usize = 4;

impl AddressIndex {
    /// Indexes the recipients from an index of the list on.
    #[must_use]
    pub fn new(recipients: &[Recipient], first: usize) -> Self {
        let places = Places::new(recipients, first);
        let mut entries = entries(recipients, first, places.buckets());
        entries.par_sort_unstable();
        let index = Self::of(&entries, places, |_, _| true);
        let mixed = index.mixed(recipients, &entries);
        if mixed.is_empty() {
            return index;
        }
        put_in_order(recipients, &mut entries, &mixed);
        let same = |one: Entry, other: Entry| {
            !mixed.contains(&one.key) || one.address(recipients) == other.address(recipients)
        };
        Self::of(&entries, Places::new(recipients, first), same)
    }

    /// Indexes entries that stand in order. `same` says whether two neighbours with one key have one
    /// address.
    fn of(entries: &[Entry], places: Places, same: impl Fn(Entry, Entry) -> bool) -> Self {
        let mut index = Self {
            starts: vec![0; places.buckets() + 1],
            tags: Vec::with_capacity(entries.len()),
            holders: Vec::with_capacity(entries.len()),
            begins: vec![0; entries.len().div_ceil(64)],
            places,
        };
        let mut before: Option<Entry> = None;
        let mut first = 0;
        for entry in entries {
            let goes_on = |before: Entry| before.key == entry.key && same(before, *entry);
            if !before.is_some_and(goes_on) {
                first = index.holders.len();
                index.begins[first / 64] |= 1 << (first % 64);
            }
            index.add(*entry, first);
            before = Some(*entry);
        }
        for at in 1..index.starts.len() {
            index.starts[at] += index.starts[at - 1];
        }
        index
    }

    /// Adds the next entry of the address whose first entry is known. An address that a recipient has
    /// twice has one entry.
    fn add(&mut self, entry: Entry, first: usize) {
        if first == self.holders.len() || self.holders.last() != Some(&entry.id) {
            self.starts[entry.bucket() + 1] += 1;
            self.tags.push(entry.key as u32);
            self.holders.push(entry.id);
        }
        let place = self.places.position(entry.id, entry.position as usize);
        self.places.entries[place] = number(first);
    }

    /// The keys whose entries stand in another order than that of their holders: several addresses have
    /// them, or the organizations are listed otherwise. Both are rare.
    fn mixed(&self, recipients: &[Recipient], entries: &[Entry]) -> BTreeSet<u64> {
        let key = |pair: &[Entry]| (pair[0].key == pair[1].key).then_some(pair[0].key);
        let pairs = entries.par_windows(2);
        let listed = recipients[self.places.first..].par_windows(2);
        if !listed.all(|pair| pair[0].organization <= pair[1].organization) {
            return pairs.filter_map(key).collect();
        }
        let twice = pairs.filter(|pair| pair[0].id == pair[1].id);
        let twice = twice.filter_map(key);
        // In the order of the list holders of one address are near each other in memory, and in that of
        // the entries they are anywhere.
        let listed = recipients.par_iter().enumerate().skip(self.places.first);
        let others = listed.flat_map_iter(|(index, recipient)| {
            let id = RecipientId::new(index);
            let each = recipient.addresses.iter().enumerate();
            each.filter_map(move |(position, address)| {
                let first = self.holders[self.first_entry(id, position)];
                let known = || recipients[first.index()].addresses.contains(address);
                (first != id && !known()).then(|| self.places.key(address))
            })
        });
        twice.chain(others).collect()
    }

    /// Whether an entry is the first of its address.
    fn is_first(&self, entry: usize) -> bool {
        self.begins[entry / 64] & (1 << (entry % 64)) != 0
    }

    /// Where the holders of the address stand whose first entry this is.
    fn run_from(&self, first: usize) -> Range<usize> {
        let all = self.holders.len();
        let end = (first + 1..all).find(|at| self.is_first(*at));
        first..end.unwrap_or(all)
    }

    /// The holders of an address, of every organization.
    #[must_use]
    pub fn holders(&self, recipients: &[Recipient], address: &Mailbox) -> &[RecipientId] {
        match self.run(recipients, address) {
            Some(run) => &self.holders[run],
            None => &[],
        }
    }

    /// Where the holders of an address stand.
    fn run(&self, recipients: &[Recipient], address: &Mailbox) -> Option<Range<usize>> {
        if self.tags.is_empty() {
            return None;
        }
        let key = self.places.key(address);
        let bucket = (key >> 32) as usize;
        let (start, end) = (
            self.starts[bucket] as usize,
            self.starts[bucket + 1] as usize,
        );
        let is_its = |at: usize| {
            let id = self.holders[at];
            let own = &recipients[id.index()].addresses;
            let position = own.iter().position(|own| own == address);
            position.is_some_and(|position| self.first_entry(id, position) == at)
        };
        let mut entries = start..end;
        let has_tag = |at: usize| self.tags[at] == key as u32 && self.is_first(at);
        let first = entries.find(|at| has_tag(*at) && is_its(*at))?;
        Some(self.run_from(first))
    }

    /// The first entry of an address of a recipient.
    fn first_entry(&self, id: RecipientId, position: usize) -> usize {
        self.places.entries[self.places.position(id, position)] as usize
    }

    /// The holders of an address in one organization.
    #[must_use]
    pub fn holders_in(
        &self,
        recipients: &[Recipient],
        organization: OrganizationId,
        address: &Mailbox,
    ) -> &[RecipientId] {
        of_organization(recipients, organization, self.holders(recipients, address))
    }

    /// The ids of addresses are below this one. Not every number is one: an address that has three
    /// holders takes three, of which it has the first.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.tags.len()
    }

    /// An address of a recipient of the list, by its position there.
    #[must_use]
    pub fn at(&self, id: RecipientId, position: usize) -> AddressId {
        AddressId::new(self.first_entry(id, position))
    }

    /// An address, where somebody holds it.
    #[must_use]
    pub fn find(&self, recipients: &[Recipient], address: &Mailbox) -> Option<AddressId> {
        let run = self.run(recipients, address)?;
        Some(AddressId::new(run.start))
    }

    /// The holders of an address, of every organization: at least one.
    #[must_use]
    pub fn held_by(&self, address: AddressId) -> &[RecipientId] {
        &self.holders[self.run_from(address.index())]
    }
}

impl Places {
    /// Room for every address.
    fn new(recipients: &[Recipient], first: usize) -> Self {
        let mut offsets = vec![0];
        let mut offset = 0;
        for recipient in &recipients[first..] {
            offset += recipient.addresses.len();
            offsets.push(number(offset));
        }
        Self {
            first,
            offsets,
            entries: vec![0; offset],
        }
    }

    fn position(&self, id: RecipientId, position: usize) -> usize {
        self.offsets[id.index() - self.first] as usize + position
    }

    /// Into how many buckets the addresses go: a power of two.
    fn buckets(&self) -> usize {
        self.entries.len().div_ceil(BUCKET).next_power_of_two()
    }

    /// The key of an address among these.
    fn key(&self, address: &Mailbox) -> u64 {
        key(address, self.buckets())
    }
}

/// Those of one organization among the holders of an address.
pub(super) fn of_organization<'a>(
    recipients: &[Recipient],
    organization: OrganizationId,
    holders: &'a [RecipientId],
) -> &'a [RecipientId] {
    let of = |id: &RecipientId| recipients[id.index()].organization;
    let start = holders.partition_point(|id| of(id) < organization);
    let end = holders.partition_point(|id| of(id) <= organization);
    &holders[start..end]
}

/// Every address of the recipients from an index on.
fn entries(recipients: &[Recipient], first: usize, buckets: usize) -> Vec<Entry> {
    let all = recipients.par_iter().enumerate().skip(first);
    let all = all.flat_map_iter(|(index, recipient)| {
        let addresses = (0..).zip(&recipient.addresses);
        addresses.map(move |(position, address)| Entry {
            key: key(address, buckets),
            id: RecipientId::new(index),
            position,
        })
    });
    all.collect()
}

/// Puts the entries of some keys in order: by address, organization and holder.
fn put_in_order(recipients: &[Recipient], entries: &mut [Entry], keys: &BTreeSet<u64>) {
    for key in keys {
        let start = entries.partition_point(|entry| entry.key < *key);
        let end = entries.partition_point(|entry| entry.key <= *key);
        entries[start..end].sort_by_key(|entry| entry.rank(recipients));
    }
}

/// A hash that is the same in every run: the bucket above the tag, so that nearly every comparison is
/// one of numbers.
fn key(address: &Mailbox, buckets: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    address.hash(&mut hasher);
    hasher.finish() & ((buckets as u64 - 1) << 32 | u64::from(u32::MAX))
}

/// A position among all addresses; there are fewer than four thousand million.
fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::{RecipientKind, ServerId};

    fn recipient(organization: usize, addresses: &[&str]) -> Recipient {
        let addresses = addresses
            .iter()
            .map(|text| Mailbox::parse(text).expect("an address"));
        let kind = RecipientKind::Mailbox {
            server: ServerId::new(0),
            echo: false,
        };
        Recipient::new(OrganizationId::new(organization), addresses.collect(), kind)
    }

    #[test]
    fn an_address_has_its_holders_and_nobody_else() {
        let mut all: Vec<Recipient> = (0..500)
            .map(|n| {
                recipient(
                    n % 2,
                    &[&format!("u{n}@a.example"), &format!("u{n}@b.example")],
                )
            })
            .collect();
        all.push(recipient(1, &["U0@A.example", "u0@a.example"]));
        all.push(recipient(0, &["u0@a.example"]));
        let index = AddressIndex::new(&all, 0);
        let ids = |organization, text: &str| -> Vec<usize> {
            let address = Mailbox::parse(text).expect("an address");
            let organization = OrganizationId::new(organization);
            let ids = index.holders_in(&all, organization, &address);
            ids.iter().map(|id| id.index()).collect()
        };
        assert_eq!(ids(0, "u0@a.example"), [0, 501]);
        assert_eq!(ids(1, "u0@a.example"), [500]);
        assert_eq!(ids(1, "u499@b.example"), [499]);
        assert!(ids(0, "u499@b.example").is_empty());
        assert!(ids(0, "u500@a.example").is_empty());
        let numbers = |index: &AddressIndex| -> BTreeSet<usize> {
            let addresses = all.iter().flat_map(|recipient| &recipient.addresses);
            let found = addresses.filter_map(|address| index.find(&all, address));
            found.map(AddressId::index).collect()
        };
        assert_eq!(numbers(&index).len(), 1000);
        assert!(numbers(&index).last() < Some(&index.bound()));
        let later = AddressIndex::new(&all, 500);
        assert_eq!(numbers(&later).len(), 1);
        let nobody = AddressIndex::new(&[], 0);
        assert!(nobody.find(&[], all[0].primary()).is_none());
    }

    #[test]
    fn addresses_that_share_a_key_are_two() {
        let mut seen = std::collections::HashMap::new();
        // Few addresses go into two buckets, so that their keys have 33 bits.
        let mut all = (0..).map(|n| format!("u{n}@a.example"));
        let shared = all.find_map(|text| {
            let address = Mailbox::parse(&text).expect("an address");
            let before = seen.insert(key(&address, 2), text.clone())?;
            Some((before, text))
        });
        let (one, other) = shared.expect("keys are few");
        let all = [
            recipient(0, &[&one, &other, &one]),
            recipient(2, &[&other]),
            recipient(1, &[&other, &one]),
            recipient(1, &[&one]),
        ];
        let index = AddressIndex::new(&all, 0);
        assert_eq!(index.starts.len() - 1, 2, "two buckets");
        let find = |text: &str| {
            let address = Mailbox::parse(text).expect("an address");
            index.find(&all, &address).expect("a holder")
        };
        let ids = |text: &str| -> Vec<usize> {
            let held = index.held_by(find(text));
            held.iter().map(|id| id.index()).collect()
        };
        assert_eq!(ids(&one), [0, 2, 3]);
        assert_eq!(ids(&other), [0, 2, 1]);
        assert_ne!(find(&one), find(&other));
        for (id, recipient) in all.iter().enumerate() {
            for (position, address) in recipient.addresses.iter().enumerate() {
                let found = index.at(RecipientId::new(id), position);
                assert_eq!(found, find(&address.to_string()));
            }
        }
    }
}
