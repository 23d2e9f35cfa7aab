//! Who may write to a recipient (Exchange Server, "Recipient resolution", delivery restrictions).

use super::item::Arrival;
use super::resolve::Resolver;
use super::step::Reason;
use crate::mail::{AuthAs, Status};
use crate::model::{Recipient, RecipientKind, replies};

impl Resolver<'_> {
    /// The reply and the reason, where a recipient does not take the message.
    pub(super) fn restricted(&self, recipient: &Recipient) -> Option<(Status, Reason)> {
        let refused =
            recipient.require_sender_authentication && self.item.auth_as != AuthAs::Internal;
        refused.then(|| (self.refusal(recipient), Reason::SenderNotAuthenticated))
    }

    /// The reply of a recipient that wants authenticated senders.
    fn refusal(&self, recipient: &Recipient) -> Status {
        let profile = self.organization().profile;
        let own = |domain| {
            self.topology
                .accepted_domain_for(self.item.organization, domain)
                .is_some()
        };
        match &recipient.kind {
            RecipientKind::Mailbox { .. } => replies::MAILBOX_REFUSES.clone(),
            RecipientKind::MailUser { .. } => replies::MAIL_USER_REFUSES.clone(),
            RecipientKind::DistributionGroup(_)
            | RecipientKind::Group { .. }
            | RecipientKind::RemoteGroup { .. } => {
                if self.item.reverse_path.domain().is_some_and(own) {
                    profile.group_refuses_own.clone()
                } else {
                    profile.group_refuses_foreign.clone()
                }
            }
        }
    }

    /// Whether the peer still waits for the reply to DATA.
    pub(super) fn in_dialogue(&self) -> bool {
        self.organization().profile.restrictions_in_dialogue
            && self.item.arrival != Arrival::Submission
    }
}
