//! What is wrong with a fork or notable about it: trust, ways that are not prescribed, echo.

use super::leg::Walk;
use crate::flow::flag::FlagKind;
use crate::flow::misroute::misroutes;
use crate::flow::path::Path;
use crate::mail::{AuthAs, Mailbox};
use crate::model::{RecipientId, RecipientKind, ServerId};
use crate::route::{Admission, Copy, MailItem};

impl Walk<'_> {
    /// A sender's own message that comes back, by way of a group or of a mail-flow rule.
    pub(super) fn flag_echo(&self, id: Option<RecipientId>, copy: &Copy, path: &mut Path) {
        let (Some(id), Some(sender)) = (id, copy.transfer.reverse_path.mailbox()) else {
            return;
        };
        let addresses = &self.topology.recipient(id).addresses;
        if !addresses.contains(sender) {
            return;
        }
        let to_oneself = || self.addressed.iter().any(|to| addresses.contains(to));
        // The group that made this copy, whichever groups it stands in.
        let expected = match path.expanded.last().copied() {
            Some(group) => match self.topology.recipient(group).kind {
                // A distribution group always sends its members their own posts.
                RecipientKind::DistributionGroup(_) => return,
                _ => self.asked_for_echo(group, sender),
            },
            // Choice: the administrator who wrote the rule asked for it.
            None if path.ruled && !to_oneself() => true,
            None => return,
        };
        let reason = if expected { "true" } else { "false" };
        path.raise(FlagKind::EchoBack, expected, path.server(), reason);
    }

    /// Whether the sender, as the group's organization knows it, wants its own posts back.
    fn asked_for_echo(&self, group: RecipientId, sender: &Mailbox) -> bool {
        let organization = self.topology.recipient(group).organization;
        self.topology
            .recipients_at(organization, sender)
            .iter()
            .any(|id| match self.topology.recipient(*id).kind {
                RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } => echo,
                RecipientKind::DistributionGroup(_)
                | RecipientKind::Group { .. }
                | RecipientKind::RemoteGroup { .. } => false,
            })
    }

    /// Compares who vouches for the sender with who should.
    pub(super) fn flag_trust(
        &self,
        item: &MailItem,
        recipient: &Mailbox,
        admission: &Admission,
        path: &mut Path,
    ) {
        let server = path.server();
        let accepted = |id| self.topology.accepted_domain_for(id, &recipient.domain);
        match self.sender {
            Some(own) => {
                let family = own == item.organization
                    || self
                        .topology
                        .organization(own)
                        .partners
                        .contains(&item.organization);
                let for_own = accepted(item.organization).is_some();
                if family && item.auth_as != AuthAs::Internal && for_own {
                    path.raise(
                        FlagKind::WrongTrust,
                        false,
                        server,
                        "anonymous_expected_internal",
                    );
                }
            }
            None => {
                let connector = self.topology.receive_connector(admission.connector);
                let secured = connector.externally_secured || admission.treat_as_internal;
                // Whom the first server trusts, those after it do.
                path.sent_anew |= secured && path.hops.len() <= 1;
                if item.auth_as == AuthAs::Internal && !path.sent_anew {
                    path.raise(
                        FlagKind::WrongTrust,
                        false,
                        server,
                        "internal_expected_anonymous",
                    );
                }
            }
        }
    }

    /// Compares the way out of an organization with the one its premises prescribe.
    pub(super) fn flag_misrouted(&self, copy: &Copy, next: ServerId, path: &mut Path) {
        let server = path.server();
        for reason in misroutes(self.topology, server, Some(next), copy) {
            path.raise(FlagKind::Misrouted, false, server, reason);
        }
    }

    /// The same for a host outside the world.
    pub(super) fn flag_group_domain(&self, copy: &Copy, path: &mut Path) {
        let server = path.server();
        for reason in misroutes(self.topology, server, None, copy) {
            path.raise(FlagKind::Misrouted, false, server, reason);
        }
    }
}
