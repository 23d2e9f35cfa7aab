//! Expansion of groups (Exchange Server, "Recipient resolution", Expansion; "Configure Microsoft 365
//! Groups with on-premises Exchange hybrid").

use super::item::Suppressed;
use super::resolve::{Place, Resolved, Resolver};
use super::step::{Event, Reason, Step, Subject};
use crate::mail::Mailbox;
use crate::model::{DistributionGroup, Member, Recipient, RecipientId, RecipientKind, ServerId};

impl Resolver<'_> {
    /// The group mailbox and every subscriber, each once.
    pub(super) fn expand(
        &mut self,
        id: RecipientId,
        group: &Recipient,
        members: usize,
        subscribers: &[Member],
        steps: Vec<Step>,
    ) {
        let expansion = Step::new(Event::Expand, group.primary())
            .chosen(Subject::Recipient(id))
            .because(Reason::GroupExpanded {
                copies: subscribers.len(),
                unsubscribed: members.saturating_sub(subscribers.len()),
            });
        let mut steps = steps;
        steps.push(expansion);
        let place = Place::Mailbox(self.hub(), id);
        let recipient = group.primary().clone();
        self.resolution.resolved.push(Resolved {
            recipient,
            place,
            expanded_from: None,
            steps: steps.clone(),
        });
        // Groups that contain each other are a harmless loop, whoever redirected to them.
        let redirected = std::mem::take(&mut self.redirected);
        for (index, member) in subscribers.iter().enumerate() {
            match member {
                Member::Nobody(_) if subscribers[..index].contains(member) => {}
                Member::Nobody(address) => self.stranger(address, id, steps.clone()),
                Member::Recipient(member) => self.subscriber(*member, id, steps.clone()),
            }
        }
        self.redirected = redirected;
    }

    /// Every member of a distribution group, each once; the group itself has no mailbox.
    pub(super) fn expand_distribution_group(
        &mut self,
        id: RecipientId,
        group: &Recipient,
        details: &DistributionGroup,
        mut steps: Vec<Step>,
    ) {
        let members = &details.members;
        steps.push(
            Step::new(Event::Expand, group.primary())
                .chosen(Subject::Recipient(id))
                .because(Reason::GroupExpanded {
                    copies: members.len(),
                    unsubscribed: 0,
                }),
        );
        if members.is_empty() {
            self.resolution.suppressed.push(Suppressed {
                recipient: group.primary().clone(),
                steps,
            });
            return;
        }
        // Groups that contain each other are a harmless loop, whoever redirected to them.
        let redirected = std::mem::take(&mut self.redirected);
        for (index, member) in members.iter().enumerate() {
            match member {
                Member::Nobody(_) if members[..index].contains(member) => {}
                Member::Nobody(address) => self.resolve(address, Some(id), steps.clone()),
                Member::Recipient(member) => {
                    let primary = self.topology.recipient(*member).primary().clone();
                    self.known(*member, &primary, Some(id), steps.clone());
                }
            }
        }
        self.redirected = redirected;
    }

    /// A subscriber who is in no directory, and so has no wish for the own posts.
    fn stranger(&mut self, address: &Mailbox, group: RecipientId, mut steps: Vec<Step>) {
        if self.item.reverse_path.mailbox() != Some(address) {
            return self.resolve(address, Some(group), steps);
        }
        steps.push(Step::new(Event::Drop, address).because(Reason::EchoOff));
        self.resolution.suppressed.push(Suppressed {
            recipient: address.clone(),
            steps,
        });
    }

    fn subscriber(&mut self, member: RecipientId, group: RecipientId, mut steps: Vec<Step>) {
        let recipient = self.topology.recipient(member);
        let primary = recipient.primary().clone();
        if self.is_sender(recipient) {
            let echo = match &recipient.kind {
                RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } => *echo,
                RecipientKind::DistributionGroup(_)
                | RecipientKind::Group { .. }
                | RecipientKind::RemoteGroup { .. } => false,
            };
            let reason = if echo {
                Reason::EchoOn
            } else {
                Reason::EchoOff
            };
            let event = if echo { Event::Expand } else { Event::Drop };
            steps.push(
                Step::new(event, &primary)
                    .chosen(Subject::Recipient(member))
                    .because(reason),
            );
            if !echo {
                self.resolution.suppressed.push(Suppressed {
                    recipient: primary,
                    steps,
                });
                return;
            }
        }
        // A group names objects: that an address of theirs is ambiguous does not matter.
        self.known(member, &primary, Some(group), steps);
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
