//! Who holds the addresses that recipients lead to: found once for a world, because every flow to a
//! mail user asks it.

use rayon::prelude::*;

use super::addresses::AddressIndex;
use super::directory::Recipient;
use super::id::{AddressId, RecipientId};

/// The target address of each recipient, as four bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    numbers: Vec<u32>,
}

/// The number of no address.
const NONE: u32 = u32::MAX;

impl Targets {
    /// Looks every target address up. Most are an address of the recipient itself: the routing address
    /// of a remote mailbox is one of its proxy addresses, and directory synchronization gives a mail
    /// user of the tenant the primary address as its target.
    pub(super) fn new(recipients: &[Recipient], index: &AddressIndex) -> Self {
        let each = |(at, recipient): (usize, &Recipient)| {
            let target = recipient.target_address()?;
            let mut own = recipient.addresses.iter();
            match own.position(|own| own == target) {
                Some(position) => Some(index.at(RecipientId::new(at), position)),
                None => index.find(recipients, target),
            }
        };
        let all = recipients.par_iter().enumerate().map(each);
        let number = |id: AddressId| u32::try_from(id.index()).unwrap_or(NONE);
        Self {
            numbers: all.map(|id| id.map_or(NONE, number)).collect(),
        }
    }

    /// The address that a recipient leads to, where somebody holds it.
    pub(super) fn of(&self, id: RecipientId) -> Option<AddressId> {
        let number = self.numbers[id.index()];
        (number != NONE).then(|| AddressId::new(number as usize))
    }
}
