//! Who holds an address: an index that costs ten bytes for each address, because it keeps none.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use rayon::prelude::*;

use super::directory::Recipient;
use super::id::{OrganizationId, RecipientId};
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
}

/// So many addresses share a bucket: their tags are in one or two lines of the cache, and the list of
/// buckets is small enough to stay there.
const BUCKET: usize = 4;

impl AddressIndex {
    /// Indexes the recipients from an index of the list on.
    #[must_use]
    pub fn new(recipients: &[Recipient], first: usize) -> Self {
        let all = recipients.par_iter().enumerate().skip(first);
        let all = all.flat_map_iter(|(index, recipient)| {
            let addresses = recipient.addresses.iter().enumerate();
            let fresh = |(position, address): &(usize, &Mailbox)| {
                !recipient.addresses[..*position].contains(address)
            };
            addresses.filter(fresh).map(move |(position, address)| {
                (hash(address), RecipientId::new(index), number(position))
            })
        });
        let mut found: Vec<(u64, RecipientId, u32)> = all.collect();
        let buckets = found.len().div_ceil(BUCKET).next_power_of_two();
        // The bucket above the tag, so that nearly every comparison is one of numbers.
        for (key, ..) in &mut found {
            *key &= (buckets as u64 - 1) << 32 | u64::from(u32::MAX);
        }
        let bucket = |key: u64| (key >> 32) as usize;
        found.par_sort_unstable_by(|a, b| {
            let address = |(_, id, position): &(u64, RecipientId, u32)| {
                &recipients[id.index()].addresses[*position as usize]
            };
            let organization =
                |(_, id, _): &(u64, RecipientId, u32)| recipients[id.index()].organization;
            a.0.cmp(&b.0)
                .then_with(|| address(a).cmp(address(b)))
                .then_with(|| organization(a).cmp(&organization(b)))
                .then_with(|| a.1.cmp(&b.1))
        });
        let mut starts = vec![0; buckets + 1];
        for (key, ..) in &found {
            starts[bucket(*key) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Self {
            starts,
            tags: found.iter().map(|(key, ..)| *key as u32).collect(),
            holders: found.iter().map(|(_, id, _)| *id).collect(),
        }
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
        let hash = hash(address);
        let bucket = (hash >> 32) as usize & (self.starts.len() - 2);
        let (start, end) = (
            self.starts[bucket] as usize,
            self.starts[bucket + 1] as usize,
        );
        let has_it = |id: RecipientId| recipients[id.index()].addresses.contains(address);
        let is_it = |at: &usize| self.tags[*at] == hash as u32 && has_it(self.holders[*at]);
        let begin = (start..end).find(is_it)?;
        // Another address of the same holders may share the hash: its run begins with the first of them
        // again, and each address has them in order.
        let rank = |at: usize| {
            let id = self.holders[at];
            (recipients[id.index()].organization, id)
        };
        let follows = |at: &usize| is_it(at) && rank(*at) > rank(at - 1);
        let more = (begin + 1..end).take_while(follows).count();
        Some(begin..begin + 1 + more)
    }

    /// The holders of an address in one organization.
    #[must_use]
    pub fn holders_in(
        &self,
        recipients: &[Recipient],
        organization: OrganizationId,
        address: &Mailbox,
    ) -> &[RecipientId] {
        let all = self.holders(recipients, address);
        let of = |id: &RecipientId| recipients[id.index()].organization;
        let start = all.partition_point(|id| of(id) < organization);
        let end = all.partition_point(|id| of(id) <= organization);
        &all[start..end]
    }

    /// The numbers of addresses are below this one.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.tags.len()
    }

    /// The number of an address that somebody holds, with its holders. Not every number is one of an
    /// address: one that has three holders takes three, of which it has the first.
    #[must_use]
    pub fn numbered(
        &self,
        recipients: &[Recipient],
        address: &Mailbox,
    ) -> Option<(usize, &[RecipientId])> {
        let run = self.run(recipients, address)?;
        Some((run.start, &self.holders[run]))
    }
}

/// A hash that is the same in every run.
fn hash(address: &Mailbox) -> u64 {
    let mut hasher = DefaultHasher::new();
    address.hash(&mut hasher);
    hasher.finish()
}

/// The position of an address among those of a recipient; nobody has four thousand million.
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
            let numbered = addresses.filter_map(|address| index.numbered(&all, address));
            numbered.map(|(number, _)| number).collect()
        };
        assert_eq!(numbers(&index).len(), 1000);
        assert!(numbers(&index).last() < Some(&index.numbers()));
        let later = AddressIndex::new(&all, 500);
        assert_eq!(numbers(&later).len(), 1);
        let nobody = AddressIndex::new(&[], 0);
        assert!(nobody.numbered(&[], all[0].primary()).is_none());
    }
}
