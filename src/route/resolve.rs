//! Recipient resolution and expansion: what an address stands for in this organization (Exchange
//! Server, "Recipient resolution"; "Configure Microsoft 365 Groups with on-premises Exchange
//! hybrid").

use super::foreign::foreign_address;
use super::item::{Failure, MailItem, Suppressed};
use super::step::{Event, Reason, Step, Subject};
use crate::mail::{Mailbox, Status};
use crate::model::{
    DomainType, Organization, Recipient, RecipientId, RecipientKind, ServerId, Topology, replies,
};

/// Where a recipient is to be found once it is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a mailbox on this server.
    Mailbox(ServerId, RecipientId),
    /// Elsewhere: to be routed by its domain.
    Elsewhere,
    /// Elsewhere, at an address that is not of type SMTP.
    Foreign(RecipientId),
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
        redirected: Vec::new(),
        resolution: Resolution::default(),
    };
    resolver.resolve(recipient, None, Vec::new());
    resolver.resolution
}

/// A recipient that another server of the organization resolved: only its mailbox is looked for.
#[must_use]
pub(super) fn locate(topology: &Topology, item: &MailItem, recipient: &Mailbox) -> Resolved {
    let place = match holders(topology, item, recipient).as_slice() {
        [id] => match topology.recipient(*id).kind {
            RecipientKind::Mailbox { server, .. } => Place::Mailbox(server, *id),
            RecipientKind::MailUser {
                target_address: None,
                ..
            } if foreign_address(topology, *id).is_some() => Place::Foreign(*id),
            RecipientKind::MailUser { .. }
            | RecipientKind::DistributionGroup(_)
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

/// The recipients that hold an address. A written-back group that is not mail-enabled is none, so it
/// makes nobody else's address ambiguous either.
pub(super) fn holders(topology: &Topology, item: &MailItem, address: &Mailbox) -> Vec<RecipientId> {
    let found = topology.recipients_at(item.organization, address);
    found
        .iter()
        .copied()
        .filter(|id| !is_not_mail_enabled(topology, *id))
        .collect()
}

fn is_not_mail_enabled(topology: &Topology, id: RecipientId) -> bool {
    matches!(
        topology.recipient(id).kind,
        RecipientKind::RemoteGroup {
            mail_enabled: false,
            ..
        }
    )
}

/// A resolution under way; expansion, forwarding and restrictions are files of their own.
pub(super) struct Resolver<'a> {
    pub(super) topology: &'a Topology,
    pub(super) item: &'a MailItem,
    /// Recipients met in this expansion.
    pub(super) seen: Vec<RecipientId>,
    /// Recipients whose target addresses led to the present one.
    pub(super) redirected: Vec<RecipientId>,
    pub(super) resolution: Resolution,
}

impl Resolver<'_> {
    pub(super) fn resolve(
        &mut self,
        address: &Mailbox,
        group: Option<RecipientId>,
        steps: Vec<Step>,
    ) {
        match holders(self.topology, self.item, address).as_slice() {
            [] => self.unknown(address, group, steps),
            [id] => self.known(*id, address, group, steps),
            several => {
                let step = Step::new(Event::Fail, address)
                    .because(Reason::AmbiguousAddress(several.len()));
                self.fail(address, replies::AMBIGUOUS.clone(), false, steps, step);
            }
        }
    }

    /// Nobody here has the address: the accepted domain decides.
    fn unknown(&mut self, address: &Mailbox, group: Option<RecipientId>, steps: Vec<Step>) {
        // Whoever holds the address all the same is not mail-enabled.
        let held = self.topology.recipients_at(self.item.organization, address);
        let why = if held.is_empty() {
            Reason::NotFound
        } else {
            Reason::NotMailEnabled
        };
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

    pub(super) fn known(
        &mut self,
        id: RecipientId,
        address: &Mailbox,
        group: Option<RecipientId>,
        mut steps: Vec<Step>,
    ) {
        let recipient = self.topology.recipient(id);
        if self.redirected.contains(&id) {
            // Exchange Server "Recipient resolution", broken recipient loops.
            let step = Step::new(Event::Fail, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::AlreadyExpanded);
            return self.fail(
                address,
                replies::FORWARDING_LOOP.clone(),
                false,
                steps,
                step,
            );
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
            && let Some((status, reason)) = self.restricted(recipient)
        {
            let step = Step::new(Event::Fail, address)
                .chosen(Subject::Recipient(id))
                .because(reason);
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
                None if foreign_address(self.topology, id).is_some() => {
                    self.resolution.resolved.push(Resolved {
                        recipient: recipient.primary().clone(),
                        place: Place::Foreign(id),
                        expanded_from: group,
                        steps,
                    });
                }
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
                ..
            } => {
                self.expand(id, recipient, members.len(), subscribers, steps);
            }
            RecipientKind::DistributionGroup(members) => {
                self.expand_distribution_group(id, recipient, members, steps);
            }
        }
    }

    pub(super) fn elsewhere(
        &mut self,
        address: &Mailbox,
        group: Option<RecipientId>,
        steps: Vec<Step>,
    ) {
        let resolved = Resolved {
            recipient: address.clone(),
            place: Place::Elsewhere,
            expanded_from: group,
            steps,
        };
        self.resolution.resolved.push(resolved);
    }

    pub(super) fn fail(
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

    pub(super) fn organization(&self) -> &Organization {
        self.topology.organization(self.item.organization)
    }
}
