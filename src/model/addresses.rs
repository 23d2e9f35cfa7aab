//! Who holds an address: an index that costs twelve bytes for each address, because it keeps none.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

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
    entries: Vec<Entry>,
    holders: Vec<RecipientId>,
}

/// An address of a recipient.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The part of the address's hash that does not choose the bucket.
    tag: u32,
    /// Which of its holder's addresses it is.
    position: u32,
}

impl AddressIndex {
    /// Indexes the recipients from an index of the list on.
    #[must_use]
    pub fn new(recipients: &[Recipient], first: usize) -> Self {
        let mut found = Vec::new();
        for (index, recipient) in recipients.iter().enumerate().skip(first) {
            for (position, address) in recipient.addresses.iter().enumerate() {
                let again = recipient.addresses[..position].contains(address);
                if !again {
                    found.push((hash(address), RecipientId::new(index), number(position)));
                }
            }
        }
        let buckets = found.len().next_power_of_two();
        // The bucket above the tag, so that nearly every comparison is one of numbers.
        for (key, ..) in &mut found {
            *key &= (buckets as u64 - 1) << 32 | u64::from(u32::MAX);
        }
        let bucket = |key: u64| (key >> 32) as usize;
        found.sort_unstable_by(|a, b| {
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
        let entry = |(key, _, position): &(u64, RecipientId, u32)| Entry {
            tag: *key as u32,
            position: *position,
        };
        Self {
            starts,
            entries: found.iter().map(entry).collect(),
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
        if self.entries.is_empty() {
            return None;
        }
        let hash = hash(address);
        let bucket = (hash >> 32) as usize & (self.starts.len() - 2);
        let (start, end) = (
            self.starts[bucket] as usize,
            self.starts[bucket + 1] as usize,
        );
        let is_it = |at: &usize| {
            self.entries[*at].tag == hash as u32 && self.address(recipients, *at) == address
        };
        let begin = (start..end).find(is_it)?;
        let count = (begin..end).take_while(is_it).count();
        Some(begin..begin + count)
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
        self.entries.len()
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

    fn address<'a>(&self, recipients: &'a [Recipient], at: usize) -> &'a Mailbox {
        &recipients[self.holders[at].index()].addresses[self.entries[at].position as usize]
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
