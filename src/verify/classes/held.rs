//! Addresses with their holders, looked up once for each portrait.

use std::collections::HashMap;

use crate::mail::Mailbox;
use crate::model::{RecipientId, Topology};

/// Who holds the addresses of one portrait: each is looked up once.
#[derive(Debug)]
pub(in crate::verify) struct Held<'a> {
    topology: &'a Topology,
    few: Vec<(&'a Mailbox, &'a [RecipientId])>,
    /// What does not go there.
    many: HashMap<&'a Mailbox, &'a [RecipientId]>,
}

impl<'a> Held<'a> {
    /// So many addresses are looked through.
    const FEW: usize = 8;

    /// Nothing is looked up yet.
    pub(in crate::verify) fn new(topology: &'a Topology) -> Self {
        Self {
            topology,
            few: Vec::with_capacity(Self::FEW),
            many: HashMap::new(),
        }
    }

    /// The world.
    pub(in crate::verify) fn topology(&self) -> &'a Topology {
        self.topology
    }

    /// Begins anew, with what is known already.
    pub(in crate::verify) fn begin(&mut self, address: &'a Mailbox, holders: &'a [RecipientId]) {
        self.few.clear();
        self.many.clear();
        self.few.push((address, holders));
    }

    /// The holders of an address, in every organization.
    pub(in crate::verify) fn by(&mut self, address: &'a Mailbox) -> &'a [RecipientId] {
        let known = self.few.iter().find(|(known, _)| *known == address);
        if let Some((_, holders)) = known {
            return holders;
        }
        if self.few.len() < Self::FEW {
            let holders = self.topology.holders(address);
            self.few.push((address, holders));
            return holders;
        }
        let topology = self.topology;
        self.many
            .entry(address)
            .or_insert_with(|| topology.holders(address))
    }
}
