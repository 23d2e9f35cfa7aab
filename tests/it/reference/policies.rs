//! What recipients and organizations let through (Exchange Server, "Recipient resolution", "Message
//! size and recipient limits", "Manage message approval", "Remote domains"; Exchange Online, "Control
//! automatic external email forwarding"), decided by going through whole lists.

use hybridmx::mail::{AuthAs, ByteSize, Domain, Limit, Mailbox, ReversePath, Status};
use hybridmx::model::{
    AutoForwarding, DomainPattern, EXCHANGE_ONLINE, EXCHANGE_SERVER, MailUserFlavour, Member,
    Moderation, Parts, Profile, Recipient, RecipientKind, SizesBind, replies,
};
use hybridmx::route::MailItem;

use super::names::accepted;

/// A message in the hands of the organization it is attributed to.
pub(super) struct Policies<'a> {
    pub(super) parts: &'a Parts,
    pub(super) item: &'a MailItem,
    /// The replies of the server that decides.
    pub(super) profile: &'static Profile,
    /// Who sent it, where somebody vouches for that and one recipient has the address.
    pub(super) sender: Option<usize>,
}

impl Policies<'_> {
    /// A message that the organization itself wrote.
    pub(super) fn is_system(&self) -> bool {
        if self.item.auth_as != AuthAs::Internal {
            return false;
        }
        let transport = &self.parts.organizations[self.item.organization.index()].transport;
        match &self.item.reverse_path {
            ReversePath::Null => true,
            ReversePath::Mailbox(sender) => {
                sender
                    .to_string()
                    .to_lowercase()
                    .starts_with("microsoftexchange329e71ec88ae")
                    || Some(sender) == transport.external_postmaster.as_ref()
            }
        }
    }

    pub(crate) fn smallest_size(&self) -> u64 {
        let now = self.item.size.0;
        match self.item.properties.original_size {
            Some(ByteSize(before)) if before < now => before,
            Some(_) | None => now,
        }
    }

    fn exceeds(&self, limit: Limit) -> bool {
        match limit {
            Limit::Unlimited => false,
            Limit::Bytes(ByteSize(limit)) => self.smallest_size() > limit,
        }
    }

    fn exceeds_either(&self) -> bool {
        let transport = &self.parts.organizations[self.item.organization.index()].transport;
        self.exceeds(transport.max_send_size) || self.exceeds(transport.max_receive_size)
    }

    /// What the first server says of the message as a whole.
    pub(super) fn whole(&self, recipients: usize) -> Option<Status> {
        if self.is_system() || self.item.properties.original_size.is_some() {
            return None;
        }
        let transport = &self.parts.organizations[self.item.organization.index()].transport;
        let policy = self
            .sender
            .map(|index| self.parts.recipients[index].policy());
        let own = policy.map_or(Limit::Unlimited, |policy| policy.max_send_size);
        if self.exceeds(own) {
            return Some(replies::SENDER_SIZE.clone());
        }
        let internal = self.item.auth_as == AuthAs::Internal;
        if own == Limit::Unlimited && internal && self.exceeds(transport.max_send_size) {
            match (transport.sizes_bind, policy) {
                (SizesBind::Messages, _) => return Some(replies::ORGANIZATION_SIZE.clone()),
                (SizesBind::Recipients, Some(_)) => return Some(replies::SENDER_SIZE.clone()),
                (SizesBind::Recipients, None) => {}
            }
        }
        // What the sender named, though only a part of it is here.
        let before = self.item.properties.envelope.unwrap_or(0);
        let allowed = match policy.and_then(|policy| policy.recipient_limit) {
            Some(own) => Some(own),
            None => transport.max_recipients,
        };
        match allowed {
            Some(allowed) if recipients.max(before) > usize::try_from(allowed).expect("small") => {
                Some(replies::RECIPIENT_COUNT.clone())
            }
            Some(_) | None => None,
        }
    }

    /// Whether a message to nobody of the organization is too large for it.
    pub(super) fn too_large_to_leave(&self) -> bool {
        let transport = &self.parts.organizations[self.item.organization.index()].transport;
        let whole = transport.sizes_bind == SizesBind::Messages;
        whole && !self.is_system() && self.exceeds_either()
    }

    /// What a recipient says of sender and size; the sender matters only where it is addressed.
    pub(super) fn refusal(&self, recipient: &Recipient, addressed: bool) -> Option<Status> {
        if self.is_system() {
            return None;
        }
        if addressed && let Some(status) = self.unauthenticated(recipient) {
            return Some(status);
        }
        let policy = recipient.policy();
        let rejected = self.lists(&policy.reject_from);
        let allowed = policy.accept_only_from.is_empty() || self.lists(&policy.accept_only_from);
        if addressed && (rejected || !allowed) {
            return Some(match &recipient.kind {
                RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } => {
                    replies::RECIPIENT_RESTRICTED.clone()
                }
                RecipientKind::DistributionGroup(_)
                | RecipientKind::Group { .. }
                | RecipientKind::RemoteGroup { .. } => self.profile.group_restricted.clone(),
            });
        }
        let transport = &self.parts.organizations[self.item.organization.index()].transport;
        let internal = self.item.auth_as == AuthAs::Internal;
        let explicit = policy.max_receive_size != Limit::Unlimited;
        let whole = transport.sizes_bind == SizesBind::Messages;
        let too_large = match (internal || !whole, explicit) {
            (true, true) => self.exceeds(policy.max_receive_size),
            (true, false) => self.exceeds(transport.max_receive_size),
            (false, _) => self.exceeds(policy.max_receive_size) || self.exceeds_either(),
        };
        too_large.then(|| replies::RECIPIENT_SIZE.clone())
    }

    fn unauthenticated(&self, recipient: &Recipient) -> Option<Status> {
        let always = matches!(recipient.kind, RecipientKind::RemoteGroup { .. });
        if self.item.auth_as == AuthAs::Internal
            || !(recipient.require_sender_authentication || always)
        {
            return None;
        }
        let profile = self.profile;
        let own =
            self.item.reverse_path.domain().is_some_and(|domain| {
                accepted(self.parts, recipient.organization, domain).is_some()
            });
        Some(match &recipient.kind {
            RecipientKind::Mailbox { .. } => profile.mailbox_refuses.clone(),
            RecipientKind::MailUser {
                flavour: MailUserFlavour::Contact,
                ..
            } => profile.contact_refuses.clone(),
            RecipientKind::MailUser { .. } => profile.mail_user_refuses.clone(),
            RecipientKind::Group { .. } if own => profile.group_refuses.clone(),
            RecipientKind::Group { .. } => profile.unified_group_refuses_foreign.clone(),
            RecipientKind::DistributionGroup(_) | RecipientKind::RemoteGroup { .. } => {
                profile.group_refuses.clone()
            }
        })
    }

    /// Whether the sender, or a group with the sender in it, is in a list: everybody whom the list
    /// comes to, until nobody new is found.
    fn lists(&self, list: &[Member]) -> bool {
        let Some(sender) = self.sender else {
            return false;
        };
        let positions = |list: &[Member]| -> Vec<usize> {
            list.iter()
                .filter_map(|member| match member {
                    Member::Recipient(id) => Some(id.index()),
                    Member::Nobody(_) => None,
                })
                .collect()
        };
        let mut everybody = positions(list);
        let mut at = 0;
        while at < everybody.len() {
            let inside = match &self.parts.recipients[everybody[at]].kind {
                RecipientKind::DistributionGroup(group) => positions(&group.members),
                RecipientKind::Group { members, .. }
                | RecipientKind::RemoteGroup { members, .. } => positions(members),
                RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } => Vec::new(),
            };
            for one in inside {
                if !everybody.contains(&one) {
                    everybody.push(one);
                }
            }
            at += 1;
        }
        everybody.contains(&sender)
    }

    /// The moderation that holds the message up.
    pub(super) fn moderation<'a>(&self, recipient: &'a Recipient) -> Option<&'a Moderation> {
        let moderation = recipient.policy().moderation.as_ref()?;
        let moderators = if !moderation.moderators.is_empty() {
            moderation.moderators.clone()
        } else {
            match &recipient.kind {
                RecipientKind::DistributionGroup(group) => group.managed_by.clone(),
                RecipientKind::Group { details, .. } => details.owners.clone(),
                _ => Vec::new(),
            }
        };
        let free = self.is_system() || self.lists(&moderators) || self.lists(&moderation.bypass);
        if free { None } else { Some(moderation) }
    }

    /// What becomes of mail that is forwarded automatically: `None`: it goes; a status: an NDR;
    /// nothing: it is dropped.
    pub(super) fn forwarding_stopped(&self, target: &Mailbox) -> Option<Option<Status>> {
        let organization = &self.parts.organizations[self.item.organization.index()];
        if accepted(self.parts, self.item.organization, &target.domain).is_some() {
            return None;
        }
        let tenant = std::ptr::eq(organization.profile, &raw const EXCHANGE_ONLINE);
        if tenant && organization.tenant.auto_forwarding != AutoForwarding::On {
            return Some(Some(Status::new(550, (5, 7, 520), "")));
        }
        let forest = std::ptr::eq(organization.profile, &raw const EXCHANGE_SERVER);
        let goes = self.remote_domain_allows(&target.domain).unwrap_or(!forest);
        if goes { None } else { Some(None) }
    }

    /// `AutoForwardEnabled` of the remote domain that is nearest to a domain.
    fn remote_domain_allows(&self, domain: &Domain) -> Option<bool> {
        let mut name = domain.to_string();
        let own = |pattern: &DomainPattern| {
            self.parts
                .remote_domains
                .iter()
                .find(|remote| {
                    remote.organization == self.item.organization && remote.pattern == *pattern
                })
                .map(|remote| remote.auto_forward)
        };
        if let Some(allows) = own(&DomainPattern::Exact(domain.clone())) {
            return Some(allows);
        }
        loop {
            let parent = Domain::parse(&name).expect("a domain");
            if let Some(allows) = own(&DomainPattern::WithSubdomains(parent)) {
                return Some(allows);
            }
            match name.split_once('.') {
                Some((_, rest)) => name = rest.to_owned(),
                None => return own(&DomainPattern::Any),
            }
        }
    }
}
