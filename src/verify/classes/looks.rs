//! What routing reads of a point itself, as a number: points with one number are alike until their ways
//! on are looked at.
//!
//! The number is a `word`, a hash of what is read.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rayon::prelude::*;

use super::domains::Domains;
use super::graph::{Point, describe};
use super::marks::Marks;
use super::word::word;
use crate::mail::{Domain, Mailbox};
use crate::model::{RecipientId, Topology};

/// The looks of everything in a world.
pub(super) struct Looks<'a> {
    marks: Marks,
    /// Which domains are alike.
    alike: Domains,
    /// Of each recipient.
    recipients: Vec<u64>,
    /// What every message may meet because a rule brings it in: its place there.
    ruled: HashMap<Point<'a>, u64>,
}

impl<'a> Looks<'a> {
    /// Looks at every recipient.
    pub(in crate::verify) fn new(topology: &'a Topology, marks: Marks, alike: Domains) -> Self {
        let recipients = topology.parts().recipients.par_iter();
        let recipients = recipients.map(|recipient| {
            let mut hasher = DefaultHasher::new();
            describe(recipient, &alike, &mut hasher);
            marks.write(recipient.primary(), &mut hasher);
            hasher.finish()
        });
        let recipients = recipients.collect();
        Self {
            marks,
            alike,
            recipients,
            ruled: HashMap::new(),
        }
    }

    /// Sets points that rules bring in apart, by a word for their place there.
    pub(super) fn set_apart(&mut self, ruled: HashMap<Point<'a>, u64>) {
        self.ruled = ruled;
    }

    /// What routing reads of a point.
    pub(in crate::verify) fn of(&self, point: Point<'a>) -> u64 {
        let own = match point {
            Point::Address(spot) => self.of_address(spot.address),
            Point::Recipient(id) => self.of_recipient(id),
        };
        match self.ruled.get(&point) {
            Some(place) if !self.ruled.is_empty() => word(&(own, place)),
            _ => own,
        }
    }

    fn of_recipient(&self, id: RecipientId) -> u64 {
        self.recipients[id.index()]
    }

    fn of_address(&self, address: &Mailbox) -> u64 {
        let mut hasher = DefaultHasher::new();
        "@".hash(&mut hasher);
        self.of_domain(&address.domain, &mut hasher);
        self.marks.write(address, &mut hasher);
        hasher.finish()
    }

    fn of_domain(&self, domain: &Domain, hasher: &mut DefaultHasher) {
        self.alike.write(domain, hasher);
    }
}
