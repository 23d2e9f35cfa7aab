//! Expansion of groups (Exchange Server, "Recipient resolution", Expansion; "Configure Microsoft 365
//! Groups with on-premises Exchange hybrid").

use super::resolve::{By, Place, Resolver, Way};
use super::step::{Event, Reason, Step, Subject};
use crate::mail::{Mailbox, MessageKind, ReversePath};
use crate::model::{
    DistributionGroup, Member, Recipient, RecipientId, RecipientKind, ServerId, UnifiedGroup,
    replies,
};

impl Resolver<'_> {
    /// The group mailbox and every subscriber, each once.
    pub(super) fn expand(
        &mut self,
        id: RecipientId,
        members: &[Member],
        subscribers: &[Member],
        details: &UnifiedGroup,
        mut way: Way,
    ) {
        let group = self.topology.recipient(id);
        let copies = self.copies(subscribers, details);
        way.steps.push(
            Step::new(Event::Expand, group.primary())
                .chosen(Subject::Recipient(id))
                .because(Reason::GroupExpanded {
                    copies: copies.len(),
                    unsubscribed: members.len().saturating_sub(copies.len()),
                }),
        );
        let mut own = way.clone();
        own.group = None;
        self.go_on(group.primary(), Place::Mailbox(self.hub(), id), own);
        // Groups that contain each other are a harmless loop, whoever redirected to them.
        let chain = std::mem::take(&mut self.chain);
        let way = into_group(id, way);
        for (index, member) in copies.iter().enumerate() {
            match member {
                Member::Nobody(_) if copies[..index].contains(member) => {}
                Member::Nobody(address) => self.stranger(address, way.clone()),
                Member::Recipient(member) => self.subscriber(*member, way.clone()),
            }
        }
        self.chain = chain;
    }

    /// Who gets a copy: subscribers, or for an invitation those who want events. Users of the other
    /// premises cannot choose, so whoever of them subscribes gets invitations too.
    fn copies(&self, subscribers: &[Member], details: &UnifiedGroup) -> Vec<Member> {
        let mut copies = match (&details.event_subscribers, self.item.properties.kind) {
            (Some(wanted), MessageKind::Invitation) => wanted.clone(),
            (Some(_) | None, MessageKind::Invitation | MessageKind::Message) => {
                return subscribers.to_vec();
            }
        };
        for member in subscribers {
            if !copies.contains(member) && self.cannot_choose(member) {
                copies.push(member.clone());
            }
        }
        copies
    }

    fn cannot_choose(&self, member: &Member) -> bool {
        let Member::Recipient(id) = member else {
            return false;
        };
        let recipient = self.topology.recipient(*id);
        matches!(recipient.kind, RecipientKind::MailUser { .. }) && !recipient.policy().guest
    }

    /// A distribution group: here, where its expansion server is, or not at all.
    pub(super) fn distribution_group(
        &mut self,
        id: RecipientId,
        group: &DistributionGroup,
        address: &Mailbox,
        mut way: Way,
    ) {
        let primary = self.topology.recipient(id).primary();
        if let Some(server) = group
            .expansion_server
            .filter(|server| *server != self.server && !self.expands_all)
        {
            return self.go_on(primary, Place::ExpansionServer(server, id), way);
        }
        if group.broken {
            let step = Step::new(Event::Fail, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::BrokenFilter);
            return self.fail(address, replies::BROKEN_FILTER.clone(), way, step);
        }
        // A report is no mail for members. Choice: every message with the null reverse-path is taken
        // for an NDR, which goes to the manager where the group's own reports do.
        if self.item.reverse_path == ReversePath::Null {
            let step = Step::new(Event::Drop, address).chosen(Subject::Recipient(id));
            let manager = self.manager(group).filter(|_| group.report_to_manager);
            let Some(manager) = manager else {
                way.steps.push(step.because(Reason::ReportToGroup));
                return self.suppress(address, way);
            };
            way.steps.push(
                Step {
                    event: Event::Redirect,
                    ..step
                }
                .because(Reason::ReportsTo(Some(manager.clone()))),
            );
            way.by = By::Redirect;
            return self.resolve(&manager, way);
        }
        self.members(id, group, way);
    }

    /// Every member of a distribution group, each once; the group itself has no mailbox.
    fn members(&mut self, id: RecipientId, group: &DistributionGroup, mut way: Way) {
        let primary = self.topology.recipient(id).primary();
        let members = &group.members;
        let mut step = Step::new(Event::Expand, primary)
            .chosen(Subject::Recipient(id))
            .because(Reason::MembersExpanded(members.len()));
        // Choice: a nested group that reports to the originator leaves what the outer one said. Whoever
        // comes to stand in the reverse-path is the sender to the servers after this one, for echo and for
        // lists of senders too: documents say only that reports go there.
        if group.report_to_manager || !group.report_to_originator {
            let manager = self.manager(group).filter(|_| group.report_to_manager);
            way.changes.notify_never = manager.is_none();
            way.changes.reverse_path = manager.clone().map(ReversePath::Mailbox);
            step = step.because(Reason::ReportsTo(manager));
        }
        way.steps.push(step);
        if members.is_empty() {
            return self.suppress(primary, way);
        }
        // Groups that contain each other are a harmless loop, whoever redirected to them.
        let chain = std::mem::take(&mut self.chain);
        let way = into_group(id, way);
        for (index, member) in members.iter().enumerate() {
            match member {
                Member::Nobody(_) if members[..index].contains(member) => {}
                Member::Nobody(address) => self.resolve(address, way.clone()),
                Member::Recipient(member) => {
                    let primary = self.topology.recipient(*member).primary();
                    self.known(*member, primary, way.clone());
                }
            }
        }
        self.chain = chain;
    }

    /// The first of `ManagedBy`.
    fn manager(&self, group: &DistributionGroup) -> Option<Mailbox> {
        let manager = group.managed_by.first()?;
        Some(self.topology.address_of(manager).clone())
    }

    /// A subscriber who is in no directory, and so has no wish for the own posts.
    fn stranger(&mut self, address: &Mailbox, mut way: Way) {
        if self.item.reverse_path.mailbox() != Some(address) {
            return self.resolve(address, way);
        }
        way.steps
            .push(Step::new(Event::Drop, address).because(Reason::EchoOff));
        self.suppress(address, way);
    }

    fn subscriber(&mut self, member: RecipientId, mut way: Way) {
        let recipient = self.topology.recipient(member);
        let primary = recipient.primary();
        if self.is_sender(recipient) {
            let echo = match &recipient.kind {
                RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } => *echo,
                RecipientKind::DistributionGroup(_)
                | RecipientKind::Group { .. }
                | RecipientKind::RemoteGroup { .. } => false,
            };
            let (event, reason) = if echo {
                (Event::Expand, Reason::EchoOn)
            } else {
                (Event::Drop, Reason::EchoOff)
            };
            way.steps.push(
                Step::new(event, primary)
                    .chosen(Subject::Recipient(member))
                    .because(reason),
            );
            if !echo {
                return self.suppress(primary, way);
            }
        }
        // A group names objects: that an address of theirs is ambiguous does not matter.
        self.known(member, primary, way);
    }

    fn is_sender(&self, recipient: &Recipient) -> bool {
        self.item
            .reverse_path
            .mailbox()
            .is_some_and(|sender| recipient.addresses.contains(sender))
    }

    /// The server that holds the organization's group mailboxes.
    fn hub(&self) -> ServerId {
        let holds = |server: &crate::model::Server| {
            server.organization == self.item.organization
                && server.directory
                && !server.is_front_end()
        };
        self.topology
            .servers()
            .find(|(_, server)| holds(server))
            .map(|(id, _)| id)
            .unwrap_or_else(|| {
                unreachable!("an organization with groups has a server that holds them")
            })
    }
}

/// The way on to the members of a group: the sender knows none of them.
fn into_group(id: RecipientId, way: Way) -> Way {
    Way {
        by: By::Member,
        group: Some(id),
        original: None,
        ..way
    }
}
