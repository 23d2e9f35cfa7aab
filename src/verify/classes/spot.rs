//! An address as a point of the graph: known by its id, so that nobody looks for it twice.

use std::hash::{Hash, Hasher};

use crate::mail::Mailbox;
use crate::model::{AddressId, RecipientId, Topology};

/// An address. Two are one where somebody holds both under one id, or nobody holds either and their
/// texts are equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'a> {
    /// The address as it is written somewhere.
    pub(super) address: &'a Mailbox,
    /// Its id, where somebody holds it.
    pub(super) id: Option<AddressId>,
}

impl<'a> Spot<'a> {
    /// Looks for an address.
    pub(super) fn find(topology: &Topology, address: &'a Mailbox) -> Self {
        Self {
            address,
            id: topology.address_id(address),
        }
    }

    /// An address of a recipient, by its position there.
    pub(super) fn at(topology: &'a Topology, id: RecipientId, position: usize) -> Self {
        Self {
            address: &topology.recipient(id).addresses[position],
            id: Some(topology.address_at(id, position)),
        }
    }

    /// The primary address of a recipient.
    pub(super) fn primary(topology: &'a Topology, id: RecipientId) -> Self {
        Self::at(topology, id, 0)
    }

    /// The target address of a recipient.
    pub(super) fn target(topology: &'a Topology, id: RecipientId) -> Option<Self> {
        let address = topology.recipient(id).target_address()?;
        Some(Self {
            address,
            id: topology.target_id(id),
        })
    }

    /// Who holds it, in every organization.
    pub(super) fn holders(self, topology: &'a Topology) -> &'a [RecipientId] {
        self.id.map_or(&[], |id| topology.held_by(id))
    }
}

impl PartialEq for Spot<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.id, other.id) {
            (Some(one), Some(other)) => one == other,
            (None, None) => self.address == other.address,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl Eq for Spot<'_> {}

impl Hash for Spot<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.id {
            Some(id) => id.hash(state),
            None => self.address.hash(state),
        }
    }
}
