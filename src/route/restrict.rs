//! Who may write to a recipient, how much, and what a moderator sees first (Exchange Server,
//! "Recipient resolution", delivery restrictions; "Message size and recipient limits"; "Manage
//! message approval").

use std::collections::HashSet;

use super::item::Arrival;
use super::resolve::{Resolver, Way, mailbox_place};
use super::step::{Event, Reason, Step, Subject};
use crate::mail::{AuthAs, Limit, Mailbox, Status};
use crate::model::{
    MailUserFlavour, Member, Moderation, Recipient, RecipientId, RecipientKind, SizesBind, replies,
};

/// The local-part of the recipient in whose name an organization writes its own reports.
const MICROSOFT_EXCHANGE: &str = "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e";

impl Resolver<'_> {
    /// The reply and the reason, where a recipient does not take the message: sender authentication,
    /// then the lists, then the size.
    ///
    /// Choice: a copy that a group makes is judged when the group is, as to the sender; its size is
    /// judged again, because a mailbox keeps no more for having been in a group.
    pub(super) fn refused(&self, recipient: &Recipient, way: &Way) -> Option<(Status, Reason)> {
        if self.is_exempt() {
            return None;
        }
        let sender = || {
            self.not_authenticated(recipient)
                .or_else(|| self.not_listed(recipient))
        };
        let addressed = way.group.is_none();
        let refused = addressed.then(sender).flatten();
        refused.or_else(|| self.too_large_for(recipient))
    }

    fn not_authenticated(&self, recipient: &Recipient) -> Option<(Status, Reason)> {
        let refused =
            recipient.require_sender_authentication && self.item.auth_as != AuthAs::Internal;
        refused.then(|| (self.refusal(recipient), Reason::SenderNotAuthenticated))
    }

    /// The reply of a recipient that wants authenticated senders.
    fn refusal(&self, recipient: &Recipient) -> Status {
        let profile = self.profile();
        let own = |domain| {
            self.topology
                .accepted_domain_for(self.item.organization, domain)
                .is_some()
        };
        match &recipient.kind {
            RecipientKind::Mailbox { .. } => profile.mailbox_refuses.clone(),
            RecipientKind::MailUser {
                flavour: MailUserFlavour::Contact,
                ..
            } => profile.contact_refuses.clone(),
            RecipientKind::MailUser { .. } => profile.mail_user_refuses.clone(),
            RecipientKind::Group { .. } if !self.item.reverse_path.domain().is_some_and(own) => {
                profile.unified_group_refuses_foreign.clone()
            }
            RecipientKind::DistributionGroup(_)
            | RecipientKind::Group { .. }
            | RecipientKind::RemoteGroup { .. } => profile.group_refuses.clone(),
        }
    }

    /// The lists of senders: who is rejected stays so, whoever else is allowed.
    fn not_listed(&self, recipient: &Recipient) -> Option<(Status, Reason)> {
        let policy = recipient.policy();
        let reason = if self.names_sender(&policy.reject_from) {
            Reason::SenderRejected
        } else if policy.accept_only_from.is_empty() || self.names_sender(&policy.accept_only_from)
        {
            return None;
        } else {
            Reason::SenderNotAllowed
        };
        let status = match &recipient.kind {
            RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } => {
                replies::RECIPIENT_RESTRICTED.clone()
            }
            RecipientKind::DistributionGroup(_)
            | RecipientKind::Group { .. }
            | RecipientKind::RemoteGroup { .. } => self.profile().group_restricted.clone(),
        };
        Some((status, reason))
    }

    /// Whether a list names the sender, or a group that the sender is in. A sender for whom nobody
    /// vouches is in no list.
    fn names_sender(&self, list: &[Member]) -> bool {
        let Some(sender) = self.sender.map(Member::Recipient) else {
            return false;
        };
        // Two passes: senders named themselves, then the members of groups.
        list.contains(&sender) || self.is_within(&sender, list, &mut HashSet::new())
    }

    fn is_within(
        &self,
        sender: &Member,
        list: &[Member],
        visited: &mut HashSet<RecipientId>,
    ) -> bool {
        list.iter().any(|member| {
            let Member::Recipient(id) = member else {
                return false;
            };
            if member == sender {
                return true;
            }
            let members = match &self.topology.recipient(*id).kind {
                RecipientKind::DistributionGroup(group) => &group.members,
                RecipientKind::Group { members, .. }
                | RecipientKind::RemoteGroup { members, .. } => members,
                RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } => return false,
            };
            visited.insert(*id) && self.is_within(sender, members, visited)
        })
    }

    /// Whether no restriction and no limit holds for the message: the organization's own reports.
    ///
    /// Choice: only where somebody vouches for them, because anybody can use the null reverse-path.
    fn is_exempt(&self) -> bool {
        let transport = &self.organization().transport;
        let own = |sender: &Mailbox| {
            sender
                .local_part
                .as_str()
                .eq_ignore_ascii_case(MICROSOFT_EXCHANGE)
                || transport.external_postmaster.as_ref() == Some(sender)
        };
        self.item.auth_as == AuthAs::Internal && self.item.reverse_path.mailbox().is_none_or(own)
    }

    fn above(
        &self,
        limit: Limit,
        setting: &'static str,
        status: &Status,
    ) -> Option<(Status, Reason)> {
        let size = self.item.limited_size();
        let reason = Reason::TooLarge {
            size,
            limit,
            setting,
        };
        (!limit.admits(size)).then(|| (status.clone(), reason))
    }

    /// Limits of the sender, at the first server of the organization alone: its size limit, else the
    /// organization's, and how many recipients a message may have before groups are expanded.
    pub(super) fn refused_as_a_whole(&self, count: usize) -> Option<(Status, Reason)> {
        if self.item.properties.original_size.is_some() || self.is_exempt() {
            return None;
        }
        let transport = &self.organization().transport;
        let sender = self.sender.map(|id| self.topology.recipient(id).policy());
        let own = sender.map_or(Limit::Unlimited, |sender| sender.max_send_size);
        let too_large = match (own, transport.sizes_bind) {
            (Limit::Bytes(_), _) => {
                self.above(own, "MaxSendSize of the sender", &replies::SENDER_SIZE)
            }
            (Limit::Unlimited, _) if self.item.auth_as != AuthAs::Internal => None,
            (Limit::Unlimited, SizesBind::Messages) => self.above(
                transport.max_send_size,
                "MaxSendSize of TransportConfig",
                &replies::ORGANIZATION_SIZE,
            ),
            (Limit::Unlimited, SizesBind::Recipients) => sender.and_then(|_| {
                self.above(
                    transport.max_send_size,
                    "MaxSendSize of the sender",
                    &replies::SENDER_SIZE,
                )
            }),
        };
        let limit = sender
            .and_then(|sender| sender.recipient_limit)
            .or(transport.max_recipients);
        too_large.or_else(|| {
            let limit =
                limit.filter(|limit| u32::try_from(count).is_ok_and(|count| count > *limit))?;
            let reason = Reason::TooManyRecipients { count, limit };
            Some((replies::RECIPIENT_COUNT.clone(), reason))
        })
    }

    /// A recipient's own limit; between members of the organization it stands for the organization's.
    fn too_large_for(&self, recipient: &Recipient) -> Option<(Status, Reason)> {
        let own = recipient.policy().max_receive_size;
        let internal = self.item.auth_as == AuthAs::Internal;
        let binds = self.organization().transport.sizes_bind;
        let organization = match own {
            Limit::Bytes(_) if internal || binds == SizesBind::Recipients => Limit::Unlimited,
            Limit::Bytes(_) | Limit::Unlimited => self.organization_limit(),
        };
        let of_recipient = "MaxReceiveSize of the recipient";
        let of_all = match binds {
            SizesBind::Messages => "a limit of TransportConfig",
            SizesBind::Recipients => of_recipient,
        };
        self.above(own, of_recipient, &replies::RECIPIENT_SIZE)
            .or_else(|| self.above(organization, of_all, &replies::RECIPIENT_SIZE))
    }

    /// The organization's limit for a recipient that is none of its own.
    pub(super) fn too_large_to_leave(&self) -> Option<(Status, Reason)> {
        let binds = self.organization().transport.sizes_bind;
        if self.is_exempt() || binds == SizesBind::Recipients {
            return None;
        }
        self.above(
            self.smaller_limit(),
            "a limit of TransportConfig",
            &replies::ORGANIZATION_SIZE,
        )
    }

    fn organization_limit(&self) -> Limit {
        let transport = &self.organization().transport;
        let internal = self.item.auth_as == AuthAs::Internal;
        if internal || transport.sizes_bind == SizesBind::Recipients {
            transport.max_receive_size
        } else {
            self.smaller_limit()
        }
    }

    /// Choice: documents name the two limits for mail from and to others the one way and the other,
    /// so the smaller one holds in both directions.
    fn smaller_limit(&self) -> Limit {
        let transport = &self.organization().transport;
        match (transport.max_send_size, transport.max_receive_size) {
            (Limit::Bytes(send), Limit::Bytes(receive)) => Limit::Bytes(send.min(receive)),
            (Limit::Unlimited, other) | (other, Limit::Unlimited) => other,
        }
    }

    /// Whether the peer still waits for the reply to DATA.
    pub(super) fn in_dialogue(&self) -> bool {
        self.organization().profile.restrictions_in_dialogue
            && self.item.arrival != Arrival::Submission
    }

    /// The moderation that the message has to pass: its moderators, the owners where there are none,
    /// and whoever is named besides need no approval.
    ///
    /// Choice: recipients met in an expansion are moderated too (`BypassNestedModerationEnabled` is
    /// false by default).
    pub(super) fn moderated<'a>(&self, recipient: &'a Recipient) -> Option<&'a Moderation> {
        let moderation = recipient.policy().moderation.as_ref()?;
        let owners: &[Member] = match &recipient.kind {
            RecipientKind::DistributionGroup(group) => &group.managed_by,
            RecipientKind::Group { details, .. } => &details.owners,
            RecipientKind::Mailbox { .. }
            | RecipientKind::MailUser { .. }
            | RecipientKind::RemoteGroup { .. } => &[],
        };
        let moderators = if moderation.moderators.is_empty() {
            owners
        } else {
            &moderation.moderators
        };
        let passes = self.is_exempt()
            || self.names_sender(moderators)
            || self.names_sender(&moderation.bypass);
        (!passes).then_some(moderation)
    }

    /// Keeps a message until a moderator approves it.
    ///
    /// Choice: a prediction ends here, with a copy in the arbitration mailbox where the world says
    /// which mailbox that is; the request for approval and what follows are messages of their own.
    pub(super) fn hold(
        &mut self,
        id: RecipientId,
        moderation: &Moderation,
        address: &Mailbox,
        mut way: Way,
    ) {
        way.steps.push(
            Step::new(Event::InitMessageCreated, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::AwaitsApproval),
        );
        let arbitration = moderation.arbitration_mailbox.as_ref();
        let holders = arbitration.map_or(&[][..], |mailbox| {
            self.topology.recipients_at(self.item.organization, mailbox)
        });
        if let [keeper] = *holders
            && let RecipientKind::Mailbox { server, .. } = self.topology.recipient(keeper).kind
            && self.seen.insert(keeper)
        {
            let kept = Way {
                steps: way.steps.clone(),
                ..Way::default()
            };
            let place = mailbox_place(self.topology, keeper, server);
            self.go_on(self.topology.recipient(keeper).primary(), place, kept);
        }
        self.suppress(address, way);
    }
}
