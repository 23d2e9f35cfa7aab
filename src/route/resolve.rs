//! Recipient resolution and expansion: what an address stands for in this organization (Exchange
//! Server, "Recipient resolution"; "Configure Microsoft 365 Groups with on-premises Exchange
//! hybrid").

use std::collections::HashSet;

use super::foreign::{self, foreign_address};
use super::imcea::{self, Encapsulated};
use super::item::{Failure, LoopKind, Looped, MailItem, Suppressed};
use super::step::{Event, Reason, Step, Subject};
use crate::mail::{AuthAs, Domain, Mailbox, ReversePath, Status};
use crate::model::{
    DomainType, ForeignAddress, Organization, Profile, Recipient, RecipientId, RecipientKind,
    ServerId, Topology, replies,
};

/// Where a recipient is to be found once it is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a mailbox on this server.
    Mailbox(ServerId, RecipientId),
    /// Elsewhere: to be routed by its domain.
    Elsewhere,
    /// Elsewhere, at an address that is not of type SMTP; whose it is, where it is a recipient's.
    Foreign(ForeignAddress, Option<RecipientId>),
    /// On this host, which takes every address of its domains.
    AnyoneHere,
    /// A group that this server alone expands.
    ExpansionServer(ServerId, RecipientId),
    /// In a mailbox that has no database.
    NoDatabase(RecipientId),
}

/// What a copy has that its message has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Who gets its failure reports instead of the sender.
    pub(super) reverse_path: Option<ReversePath>,
    /// Who vouches for its sender, where it is a message of its own.
    pub(super) auth_as: Option<AuthAs>,
    /// Whether nobody gets failure reports.
    pub(super) notify_never: bool,
    /// The address that was rewritten.
    pub(super) original: Option<Mailbox>,
    /// The mailboxes that forwarded it and would not do so again.
    pub(super) forwarded_for: Vec<Mailbox>,
    /// The mailboxes whose Inbox rules sent it on.
    pub(super) redirected_by: Vec<Mailbox>,
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
    /// What its copy has differently.
    pub(super) changes: Changes,
    /// What was decided on the way.
    pub(super) steps: Vec<Step>,
}

/// Everything that the recipients of a message become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolution {
    /// What goes on.
    pub(super) resolved: Vec<Resolved>,
    /// What fails.
    pub(super) failures: Vec<Failure>,
    /// What is dropped by design.
    pub(super) suppressed: Vec<Suppressed>,
}

/// Resolves the envelope of a message at a server that has the directory: one expansion for all of
/// its recipients, in their order, each address once.
#[must_use]
pub(super) fn resolve(topology: &Topology, server: ServerId, item: &MailItem) -> Resolution {
    let mut resolver = Resolver::new(topology, server, item);
    let mut met = HashSet::new();
    let envelope: Vec<&Mailbox> = item
        .recipients
        .iter()
        .filter(|each| met.insert(*each))
        .collect();
    let refusal = resolver.refused_as_a_whole(item.envelope());
    for recipient in envelope {
        let way = Way {
            original: Some(recipient.clone()),
            ..Way::default()
        };
        match &refusal {
            None => resolver.resolve(recipient, way),
            Some((status, reason)) => {
                let step = Step::new(Event::Fail, recipient).because(reason.clone());
                resolver.refuse(recipient, status.clone(), way, step);
            }
        }
    }
    resolver.resolution
}

/// Resolves an address that a mail-flow rule adds to a message, on behalf of a recipient whose copy has
/// these changes.
///
/// Choice: groups are expanded where the rule runs, whichever server should: rules would be asked again
/// there, and could bring in the same group for ever.
#[must_use]
pub(super) fn resolve_added(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    address: &Mailbox,
    changes: &Changes,
) -> Resolution {
    let mut resolver = Resolver::new(topology, server, item);
    resolver.expands_all = true;
    let way = Way {
        original: Some(address.clone()),
        changes: Changes {
            original: None,
            ..changes.clone()
        },
        ..Way::default()
    };
    resolver.resolve(address, way);
    resolver.resolution
}

/// The sender as a recipient of the organization: only one who is vouched for is looked up.
fn sender(topology: &Topology, item: &MailItem) -> Option<RecipientId> {
    let address = item
        .reverse_path
        .mailbox()
        .filter(|_| item.auth_as == AuthAs::Internal)?;
    match holders(topology, item, address).as_slice() {
        [id] => Some(*id),
        _ => None,
    }
}

/// A recipient that another server of the organization resolved: only its mailbox is looked for.
#[must_use]
pub(super) fn locate(topology: &Topology, item: &MailItem, recipient: &Mailbox) -> Resolved {
    let place = match holders(topology, item, recipient).as_slice() {
        [id] => match topology.recipient(*id).kind {
            RecipientKind::Mailbox { server, .. } => mailbox_place(topology, *id, server),
            RecipientKind::MailUser {
                target_address: None,
                ..
            } => foreign_place(topology, *id).unwrap_or(Place::Elsewhere),
            RecipientKind::MailUser { .. }
            | RecipientKind::DistributionGroup(_)
            | RecipientKind::Group { .. }
            | RecipientKind::RemoteGroup { .. } => Place::Elsewhere,
        },
        [] => imcea::foreign(topology, item.organization, recipient)
            .map_or(Place::Elsewhere, |address| Place::Foreign(address, None)),
        _ => Place::Elsewhere,
    };
    Resolved {
        recipient: recipient.clone(),
        place,
        expanded_from: None,
        changes: Changes::default(),
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
        changes: Changes::default(),
        steps: Vec::new(),
    }
}

/// Where the copy for somebody goes whose address is of another type than SMTP.
fn foreign_place(topology: &Topology, id: RecipientId) -> Option<Place> {
    let address = foreign_address(topology, id)?;
    Some(Place::Foreign(address.clone(), Some(id)))
}

/// Where the copy for a mailbox goes.
pub(super) fn mailbox_place(topology: &Topology, id: RecipientId, server: ServerId) -> Place {
    if topology.recipient(id).policy().has_database {
        Place::Mailbox(server, id)
    } else {
        Place::NoDatabase(id)
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
        .filter(|id| is_found_by(topology, *id, &address.domain))
        .collect()
}

/// Whether mail to a domain finds a recipient that has an address in it.
///
/// Choice: a mailbox or group of a tenant with an address outside the accepted domains is what a world says
/// of a domain that was never added or is gone; nobody there answers to the address, as mail for a domain
/// that is not added to the tenant is refused (Exchange Online, "Fix NDR error 550 5.7.64
/// TenantAttribution"). Mail users stand for people elsewhere, whose domains are their own affair.
fn is_found_by(topology: &Topology, id: RecipientId, domain: &Domain) -> bool {
    let recipient = topology.recipient(id);
    let organization = topology.organization(recipient.organization);
    let elsewhere = match recipient.kind {
        RecipientKind::MailUser { .. } | RecipientKind::RemoteGroup { .. } => true,
        RecipientKind::Mailbox { .. }
        | RecipientKind::DistributionGroup(_)
        | RecipientKind::Group { .. } => false,
    };
    elsewhere
        || !organization.profile.found_in_accepted_domains
        || topology
            .accepted_domain_for(recipient.organization, domain)
            .is_some()
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

/// By what a recipient is come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum By {
    /// It is in the envelope.
    #[default]
    Envelope,
    /// It is a member of a group.
    Member,
    /// Somebody's mail goes to it.
    Redirect,
}

/// The way to a recipient.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    pub(super) by: By,
    /// The group it was expanded from.
    pub(super) group: Option<RecipientId>,
    /// The envelope recipient whose mail it is, unless a group was expanded since.
    pub(super) original: Option<Mailbox>,
    pub(super) changes: Changes,
    pub(super) steps: Vec<Step>,
}

/// A recipient whose mail goes to another one and to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) id: RecipientId,
    pub(super) by: LoopKind,
}

/// A resolution under way; expansion, forwarding and restrictions are files of their own.
pub(super) struct Resolver<'a> {
    pub(super) topology: &'a Topology,
    pub(super) server: ServerId,
    pub(super) item: &'a MailItem,
    /// The sender, where it is known who that is.
    pub(super) sender: Option<RecipientId>,
    /// Recipients met in this expansion.
    pub(super) seen: HashSet<RecipientId>,
    /// Recipients whose mail goes on to the present one alone.
    pub(super) chain: Vec<Link>,
    /// Whether groups are expanded that another server should expand.
    pub(super) expands_all: bool,
    pub(super) resolution: Resolution,
}

impl<'a> Resolver<'a> {
    fn new(topology: &'a Topology, server: ServerId, item: &'a MailItem) -> Self {
        Self {
            topology,
            server,
            item,
            sender: sender(topology, item),
            seen: HashSet::new(),
            chain: Vec::new(),
            expands_all: false,
            resolution: Resolution::default(),
        }
    }
}

impl Resolver<'_> {
    pub(super) fn resolve(&mut self, address: &Mailbox, way: Way) {
        match imcea::decapsulate(self.topology, self.item.organization, address) {
            Some(encapsulated) => self.encapsulated(encapsulated, address, way),
            None => self.held_by(&holders(self.topology, self.item, address), address, way),
        }
    }

    fn held_by(&mut self, holders: &[RecipientId], address: &Mailbox, way: Way) {
        match holders {
            [] => self.unknown(address, way),
            [id] => self.known(*id, address, way),
            several => {
                let step = Step::new(Event::Fail, address)
                    .because(Reason::AmbiguousAddress(several.len()));
                self.fail(address, replies::AMBIGUOUS.clone(), way, step);
            }
        }
    }

    /// An address of another type (Exchange Server, "Recipient resolution", Encapsulated addresses).
    fn encapsulated(&mut self, encapsulated: Encapsulated, address: &Mailbox, way: Way) {
        let Encapsulated {
            kind,
            address: inner,
        } = encapsulated;
        let reason = Reason::Encapsulated(kind.clone(), inner.clone());
        match kind.as_str() {
            "SMTP" | "X500" => {
                let step = Step::new(Event::Fail, address).because(reason);
                self.fail(address, replies::INVALID_IN_SMTP.clone(), way, step);
            }
            "EX" => {
                match imcea::holders(self.topology, self.item.organization, &inner).as_slice() {
                    [] => {
                        let step = Step::new(Event::Fail, address)
                            .because(Reason::NotFound)
                            .because(reason);
                        self.fail(address, replies::EX_NOT_FOUND.clone(), way, step);
                    }
                    found => self.held_by(found, address, way),
                }
            }
            // Choice: looked for as it stands first, then as the address of a recipient that has no
            // other.
            _ => {
                let foreign = ForeignAddress {
                    kind,
                    address: inner,
                };
                let organization = self.item.organization;
                let mut found = holders(self.topology, self.item, address);
                if found.is_empty() {
                    found = foreign::holders(self.topology, organization, &foreign);
                }
                match found.as_slice() {
                    [] => self.at_foreign_address(foreign, address, way),
                    found => self.held_by(found, address, way),
                }
            }
        }
    }

    /// Nobody has an address of another type: whoever carries the type knows it.
    fn at_foreign_address(&mut self, foreign: ForeignAddress, address: &Mailbox, mut way: Way) {
        if let Some((status, reason)) = self.too_large_to_leave() {
            let step = Step::new(Event::Fail, address).because(reason);
            return self.refuse(address, status, way, step);
        }
        let reason = Reason::Encapsulated(foreign.kind.clone(), foreign.address.clone());
        way.steps
            .push(Step::new(Event::Resolve, address).because(reason));
        self.go_on(address, Place::Foreign(foreign, None), way);
    }

    /// Nobody here has the address: the accepted domain decides.
    fn unknown(&mut self, address: &Mailbox, mut way: Way) {
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
        let kind = accepted.map(|id| (id, self.topology.accepted_domain(id).kind));
        let Some((id, kind)) = kind else {
            return self.outside(address, way);
        };
        match kind {
            DomainType::Authoritative => {
                let step = Step::new(Event::Fail, address)
                    .chosen(Subject::AcceptedDomain(id))
                    .because(why)
                    .because(Reason::DomainIs(address.domain.clone(), kind));
                let status = self.profile().not_found(address);
                self.fail(address, status, way, step);
            }
            DomainType::ExternalRelay | DomainType::InternalRelay => {
                way.steps.push(
                    Step::new(Event::Resolve, address)
                        .chosen(Subject::AcceptedDomain(id))
                        .because(why)
                        .because(Reason::DomainIs(address.domain.clone(), kind)),
                );
                self.outside(address, way);
            }
        }
    }

    /// Somebody who is no recipient here.
    fn outside(&mut self, address: &Mailbox, way: Way) {
        match self.too_large_to_leave() {
            Some((status, reason)) => {
                let step = Step::new(Event::Fail, address).because(reason);
                self.refuse(address, status, way, step);
            }
            None => self.elsewhere(address, way),
        }
    }

    pub(super) fn known(&mut self, id: RecipientId, address: &Mailbox, mut way: Way) {
        let recipient = self.topology.recipient(id);
        if let Some(at) = self.chain.iter().position(|link| link.id == id) {
            return match self.stops_going_round(at) {
                true => self.follow(id, recipient, address, way),
                false => self.round(at, address, way),
            };
        }
        if self.seen.contains(&id) {
            return self.again(id, address, way);
        }
        if let Some((status, reason)) = self.refused(recipient, &way) {
            let step = Step::new(Event::Fail, address)
                .chosen(Subject::Recipient(id))
                .because(reason);
            return self.refuse(address, status, way, step);
        }
        self.seen.insert(id);
        if let Some(moderation) = self.moderated(recipient) {
            return self.hold(id, moderation, address, way);
        }
        if recipient.primary() != address {
            let step = Step::new(Event::Resolve, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::PrimaryAddress(recipient.primary().clone()));
            way.steps.push(step);
        }
        self.follow(id, recipient, address, way);
    }

    /// Met before in this expansion: nothing more becomes of it.
    fn again(&mut self, id: RecipientId, address: &Mailbox, mut way: Way) {
        let event = match way.by {
            By::Envelope | By::Member => Event::DuplicateExpand,
            By::Redirect => Event::DuplicateRedirect,
        };
        way.steps.push(
            Step::new(event, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::AlreadyExpanded),
        );
        self.suppress(address, way);
    }

    /// Whether a mailbox in the round does not forward a second time, so that the mail ends in it
    /// (Exchange Online, "Loop detection": X-MS-Exchange-ForwardingLoop).
    fn stops_going_round(&self, at: usize) -> bool {
        let forwards = |link: &Link| link.by == LoopKind::Forwarding;
        self.organization().profile.stops_forwarding_again && self.chain[at..].iter().any(forwards)
    }

    /// Recipients whose mail goes to each other and to nobody else (Exchange Server, "Recipient
    /// resolution", broken recipient loops).
    fn round(&mut self, at: usize, address: &Mailbox, way: Way) {
        let links = &self.chain[at..];
        let forwards = links.iter().any(|link| link.by == LoopKind::Forwarding);
        let kind = if forwards {
            LoopKind::Forwarding
        } else {
            LoopKind::Recipient
        };
        let primary = |link: &Link| self.topology.recipient(link.id).primary().clone();
        let cycle: Vec<Mailbox> = links.iter().map(primary).collect();
        let step = Step::new(Event::Fail, address)
            .chosen(Subject::Recipient(links[0].id))
            .because(Reason::RecipientLoop(cycle.clone()));
        self.push_failure(
            Failure {
                looped: Some(Box::new(Looped { kind, cycle })),
                ..Failure::new(address.clone(), replies::FORWARDING_LOOP.clone())
            },
            way,
            step,
        );
    }

    /// What the kind of recipient makes of it.
    fn follow(&mut self, id: RecipientId, recipient: &Recipient, address: &Mailbox, mut way: Way) {
        match &recipient.kind {
            RecipientKind::Mailbox { server, .. } => self.mailbox(id, *server, address, way),
            RecipientKind::MailUser { target_address, .. } => match target_address {
                Some(target) => self.redirect(id, target, address, way),
                None => match foreign_place(self.topology, id) {
                    Some(place) => self.go_on(recipient.primary(), place, way),
                    // Choice: an object without a target address is no recipient.
                    None => {
                        let step = Step::new(Event::Fail, address)
                            .chosen(Subject::Recipient(id))
                            .because(Reason::NotFound);
                        let status = self.profile().not_found(address);
                        self.fail(address, status, way, step);
                    }
                },
            },
            // Never expanded on premises: its members are the cloud's business.
            RecipientKind::RemoteGroup { target_address, .. } => match target_address {
                Some(target) => self.redirect(id, target, address, way),
                None => {
                    way.steps.push(
                        Step::new(Event::Resolve, address)
                            .chosen(Subject::Recipient(id))
                            .because(Reason::PrimaryAddress(recipient.primary().clone())),
                    );
                    self.elsewhere(recipient.primary(), way);
                }
            },
            RecipientKind::Group {
                members,
                subscribers,
                details,
            } => self.expand(id, members, subscribers, details, way),
            RecipientKind::DistributionGroup(group) => {
                self.distribution_group(id, group, address, way);
            }
        }
    }

    pub(super) fn elsewhere(&mut self, address: &Mailbox, way: Way) {
        self.go_on(address, Place::Elsewhere, way);
    }

    pub(super) fn go_on(&mut self, recipient: &Mailbox, place: Place, way: Way) {
        let mut changes = way.changes;
        // RFC 3461 §4.2: the address under which the sender knows the recipient stays known.
        if let Some(original) = way.original {
            let first = self.item.properties.orcpt.get(&original);
            changes.original = first
                .or(Some(&original))
                .filter(|original| *original != recipient)
                .cloned();
        }
        self.resolution.resolved.push(Resolved {
            recipient: recipient.clone(),
            place,
            expanded_from: way.group,
            changes,
            steps: way.steps,
        });
    }

    pub(super) fn suppress(&mut self, recipient: &Mailbox, way: Way) {
        self.resolution.suppressed.push(Suppressed {
            recipient: recipient.clone(),
            steps: way.steps,
        });
    }

    pub(super) fn fail(&mut self, address: &Mailbox, status: Status, way: Way, step: Step) {
        self.push_failure(Failure::new(address.clone(), status), way, step);
    }

    /// A failure of which the peer hears at the end of DATA, where its server answers so.
    pub(super) fn refuse(&mut self, address: &Mailbox, status: Status, way: Way, step: Step) {
        let failure = Failure {
            in_dialogue: self.in_dialogue(),
            ..Failure::new(address.clone(), status)
        };
        self.push_failure(failure, way, step);
    }

    fn push_failure(&mut self, failure: Failure, way: Way, step: Step) {
        let mut steps = way.steps;
        steps.push(step);
        self.resolution.failures.push(Failure {
            told: way.changes.reverse_path.map(Box::new),
            notify_never: way.changes.notify_never,
            steps,
            ..failure
        });
    }

    /// The replies of this server, whose version may be older than that of others.
    pub(super) fn profile(&self) -> &'static Profile {
        self.topology.server(self.server).profile
    }

    pub(super) fn organization(&self) -> &Organization {
        self.topology.organization(self.item.organization)
    }
}
