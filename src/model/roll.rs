//! The few among many recipients: a directory of a million has some thousand groups, and most of its
//! users have no setting of their own.

use std::collections::{BTreeSet, HashSet};

use super::directory::{Recipient, RecipientKind};
use super::id::RecipientId;
use crate::mail::Domain;

/// The recipients that rules look for, in the order of the directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Roll {
    /// Groups of every kind, written-back ones too.
    pub(super) groups: Vec<RecipientId>,
    /// Those of whom something particular is said.
    pub(super) exceptions: Vec<RecipientId>,
    /// By organization, the domains of its mail users' target addresses.
    pub(super) target_domains: Vec<BTreeSet<Domain>>,
}

impl Roll {
    pub(super) fn new(recipients: &[Recipient], organizations: usize) -> Self {
        let mut roll = Self {
            target_domains: vec![BTreeSet::new(); organizations],
            ..Self::default()
        };
        // Addresses share the texts of their domains, so that most are known by where these lie.
        let mut seen = HashSet::new();
        for (index, recipient) in recipients.iter().enumerate() {
            let id = RecipientId::new(index);
            if recipient.exceptions.is_some() {
                roll.exceptions.push(id);
            }
            match &recipient.kind {
                RecipientKind::DistributionGroup(_)
                | RecipientKind::Group { .. }
                | RecipientKind::RemoteGroup { .. } => roll.groups.push(id),
                RecipientKind::MailUser {
                    target_address: Some(target),
                    ..
                } => {
                    let organization = recipient.organization.index();
                    let text = target.domain.as_str().as_ptr().addr();
                    if seen.insert((organization, text)) {
                        roll.target_domains[organization].insert(target.domain.clone());
                    }
                }
                RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } => {}
            }
        }
        roll
    }
}
