//! Recipient resolution and expansion: what an address stands for in this organization (Exchange
//! Server, "Recipient resolution"; "Configure Microsoft 365 Groups with on-premises Exchange
//! hybrid").

use super::item::{Arrival, Failure, MailItem, Suppressed};
use super::step::{Event, Reason, Step, Subject};
use crate::mail::{AuthAs, Mailbox, Status};
use crate::model::{
    DomainType, Member, Organization, Recipient, RecipientId, RecipientKind, ServerId, Topology,
    replies,
};

/// Where a recipient is to be found once it is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a mailbox on this server.
    Mailbox(ServerId, RecipientId),
    /// Elsewhere: to be routed by its domain.
    Elsewhere,
    /// On this host, which takes every address of its domains.
    AnyoneHere,
}

/// A recipient that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    /// The envelope recipient from now on.
    pub(super) recipient: Mailbox,
    /// Where it is.
    pub(super) place: Place,
    /// The group it comes from.
    pub(super) expanded_from: Option<RecipientId>,
    /// What was decided on the way.
    pub(super) steps: Vec<Step>,
}

/// Everything that a recipient of a message becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolution {
    /// What goes on.
    pub(super) resolved: Vec<Resolved>,
    /// What fails.
    pub(super) failures: Vec<Failure>,
    /// What is dropped by design.
    pub(super) suppressed: Vec<Suppressed>,
}

/// Resolves one recipient at a server that has the directory.
#[must_use]
pub(super) fn resolve(topology: &Topology, item: &MailItem, recipient: &Mailbox) -> Resolution {
    let mut resolver = Resolver {
        topology,
        item,
        seen: Vec::new(),
        resolution: Resolution::default(),
    };
    resolver.resolve(recipient, None, Vec::new());
    resolver.resolution
}

/// A recipient that another server of the organization resolved: only its mailbox is looked for.
#[must_use]
pub(super) fn locate(topology: &Topology, item: &MailItem, recipient: &Mailbox) -> Resolved {
    let place = match topology.recipients_at(item.organization, recipient) {
        [id] => match topology.recipient(*id).kind {
            RecipientKind::Mailbox { server, .. } => Place::Mailbox(server, *id),
            RecipientKind::MailUser { .. }
            | RecipientKind::Group { .. }
            | RecipientKind::RemoteGroup { .. } => Place::Elsewhere,
        },
        _ => Place::Elsewhere,
    };
    Resolved {
        recipient: recipient.clone(),
        place,
        expanded_from: None,
        steps: Vec::new(),
    }
}

/// A host without a directory: an Edge server passes everything on, an Internet host takes what its
/// domains say.
#[must_use]
pub(super) fn resolve_without_directory(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: &Mailbox,
) -> Resolved {
    let here = topology.server(server).takes_every_address()
        && topology
            .accepted_domain_for(item.organization, &recipient.domain)
            .is_some();
    let place = if here {
        Place::AnyoneHere
    } else {
        Place::Elsewhere
    };
    Resolved {
        recipient: recipient.clone(),
        place,
        expanded_from: None,
        steps: Vec::new(),
    }
}

struct Resolver<'a> {
    topology: &'a Topology,
    item: &'a MailItem,
    /// Recipients met in this expansion.
    seen: Vec<RecipientId>,
    resolution: Resolution,
}

impl Resolver<'_> {
    fn resolve(&mut self, address: &Mailbox, group: Option<RecipientId>, steps: Vec<Step>) {
        match self.topology.recipients_at(self.item.organization, address) {
            [] => self.unknown(address, group, steps, Reason::NotFound),
            [id] => self.known(*id, address, group, steps),
            several => {
                let step = Step::new(Event::Fail, address)
                    .because(Reason::AmbiguousAddress(several.len()));
                self.fail(address, replies::AMBIGUOUS.clone(), false, steps, step);
            }
        }
    }

    /// Nobody here has the address: the accepted domain decides.
    fn unknown(
        &mut self,
        address: &Mailbox,
        group: Option<RecipientId>,
        steps: Vec<Step>,
        why: Reason,
    ) {
        let accepted = self
            .topology
            .accepted_domain_for(self.item.organization, &address.domain);
        let Some(id) = accepted else {
            return self.elsewhere(address, group, steps);
        };
        let kind = self.topology.accepted_domain(id).kind;
        match kind {
            DomainType::Authoritative => {
                let step = Step::new(Event::Fail, address)
                    .chosen(Subject::AcceptedDomain(id))
                    .because(why)
                    .because(Reason::DomainIs(address.domain.clone(), kind));
                let status = self.organization().profile.recipient_not_found.clone();
                self.fail(address, status, false, steps, step);
            }
            DomainType::ExternalRelay | DomainType::InternalRelay => {
                let mut steps = steps;
                steps.push(
                    Step::new(Event::Resolve, address)
                        .chosen(Subject::AcceptedDomain(id))
                        .because(why)
                        .because(Reason::DomainIs(address.domain.clone(), kind)),
                );
                self.elsewhere(address, group, steps);
            }
        }
    }

    fn known(
        &mut self,
        id: RecipientId,
        address: &Mailbox,
        group: Option<RecipientId>,
        mut steps: Vec<Step>,
    ) {
        let recipient = self.topology.recipient(id);
        if let RecipientKind::RemoteGroup {
            mail_enabled: false,
            ..
        } = recipient.kind
        {
            return self.unknown(address, group, steps, Reason::NotMailEnabled);
        }
        if self.seen.contains(&id) {
            let step = Step::new(Event::DuplicateExpand, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::AlreadyExpanded);
            steps.push(step);
            self.resolution.suppressed.push(Suppressed {
                recipient: address.clone(),
                steps,
            });
            return;
        }
        self.seen.push(id);
        // A copy that a group makes was judged when the group was.
        if group.is_none()
            && recipient.require_sender_authentication
            && self.item.auth_as != AuthAs::Internal
        {
            let step = Step::new(Event::Fail, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::SenderNotAuthenticated);
            let status = self.refusal(recipient);
            return self.fail(address, status, self.in_dialogue(), steps, step);
        }
        if recipient.primary() != address {
            let step = Step::new(Event::Resolve, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::PrimaryAddress(recipient.primary().clone()));
            steps.push(step);
        }
        self.follow(id, recipient, address, group, steps);
    }

    /// What the kind of recipient makes of it.
    fn follow(
        &mut self,
        id: RecipientId,
        recipient: &Recipient,
        address: &Mailbox,
        group: Option<RecipientId>,
        steps: Vec<Step>,
    ) {
        match &recipient.kind {
            RecipientKind::Mailbox { server, .. } => self.resolution.resolved.push(Resolved {
                recipient: recipient.primary().clone(),
                place: Place::Mailbox(*server, id),
                expanded_from: group,
                steps,
            }),
            RecipientKind::MailUser { target_address, .. } => match target_address {
                Some(target) => self.redirect(id, target, address, group, steps),
                // Choice: an object without a target address is no recipient.
                None => {
                    let step = Step::new(Event::Fail, address)
                        .chosen(Subject::Recipient(id))
                        .because(Reason::NotFound);
                    let status = self.organization().profile.recipient_not_found.clone();
                    self.fail(address, status, false, steps, step);
                }
            },
            // Never expanded on premises: its members are the cloud's business.
            RecipientKind::RemoteGroup { target_address, .. } => match target_address {
                Some(target) => self.redirect(id, target, address, group, steps),
                None => {
                    let mut steps = steps;
                    steps.push(
                        Step::new(Event::Resolve, address)
                            .chosen(Subject::Recipient(id))
                            .because(Reason::PrimaryAddress(recipient.primary().clone())),
                    );
                    self.elsewhere(recipient.primary(), group, steps);
                }
            },
            RecipientKind::Group {
                members,
                subscribers,
            } => {
                self.expand(id, recipient, members.len(), subscribers, steps);
            }
        }
    }

    /// Mail for somebody who is elsewhere goes to the target address; if that is another recipient
    /// here, resolution goes on with it.
    fn redirect(
        &mut self,
        id: RecipientId,
        target: &Mailbox,
        address: &Mailbox,
        group: Option<RecipientId>,
        mut steps: Vec<Step>,
    ) {
        steps.push(
            Step::new(Event::Redirect, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::TargetAddress(target.clone())),
        );
        let holders = self.topology.recipients_at(self.item.organization, target);
        let another = holders
            .iter()
            .any(|holder| *holder != id && !self.seen.contains(holder));
        if another {
            self.resolve(target, group, steps)
        } else {
            self.elsewhere(target, group, steps)
        }
    }

    /// The group mailbox and every subscriber, each once.
    fn expand(
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
        for member in subscribers {
            match member {
                Member::Nobody(address) => self.resolve(address, Some(id), steps.clone()),
                Member::Recipient(member) => self.subscriber(*member, id, steps.clone()),
            }
        }
    }

    fn subscriber(&mut self, member: RecipientId, group: RecipientId, mut steps: Vec<Step>) {
        let recipient = self.topology.recipient(member);
        let primary = recipient.primary().clone();
        if self.is_sender(recipient) {
            let echo = match &recipient.kind {
                RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } => *echo,
                RecipientKind::Group { .. } | RecipientKind::RemoteGroup { .. } => false,
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
        self.resolve(&primary, Some(group), steps);
    }

    fn is_sender(&self, recipient: &Recipient) -> bool {
        self.item
            .reverse_path
            .mailbox()
            .is_some_and(|sender| recipient.addresses.contains(sender))
    }

    fn elsewhere(&mut self, address: &Mailbox, group: Option<RecipientId>, steps: Vec<Step>) {
        let resolved = Resolved {
            recipient: address.clone(),
            place: Place::Elsewhere,
            expanded_from: group,
            steps,
        };
        self.resolution.resolved.push(resolved);
    }

    fn fail(
        &mut self,
        address: &Mailbox,
        status: Status,
        in_dialogue: bool,
        mut steps: Vec<Step>,
        step: Step,
    ) {
        steps.push(step);
        self.resolution.failures.push(Failure {
            recipient: address.clone(),
            status,
            in_dialogue,
            steps,
        });
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
            RecipientKind::Group { .. } | RecipientKind::RemoteGroup { .. } => {
                if self.item.reverse_path.domain().is_some_and(own) {
                    profile.group_refuses_own.clone()
                } else {
                    profile.group_refuses_foreign.clone()
                }
            }
        }
    }

    /// Whether the peer still waits for the reply to DATA.
    fn in_dialogue(&self) -> bool {
        self.organization().profile.restrictions_in_dialogue
            && self.item.arrival != Arrival::Submission
    }

    fn organization(&self) -> &Organization {
        self.topology.organization(self.item.organization)
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
