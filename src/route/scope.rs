//! Whether the conditions of a mail-flow rule hold for a message and one of its recipients (Exchange
//! PowerShell, "New-TransportRule").

use super::item::MailItem;
use super::resolve::{Place, Resolved};
use super::step::{Event, Reason, Step, Subject};
use crate::mail::{AuthAs, Domain, Mailbox};
use crate::model::{
    Condition, DomainType, MailUserFlavour, Member, OrganizationId, RecipientId, RecipientKind,
    Scope, Topology, TransportRule,
};

/// Whether a rule applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    /// And why not.
    No(Reason),
    /// A fact that the world does not say decides, in words.
    Unknown(String),
}

/// Somebody a rule asks about: a recipient as it is after resolution, or the sender.
#[derive(Clone, Debug)]
pub(super) struct Party {
    address: Mailbox,
    /// Who it is here, where somebody.
    objects: Vec<RecipientId>,
}

impl Party {
    /// A recipient: somebody who is elsewhere is known by the object whose target address was taken.
    pub(super) fn of(resolved: &Resolved) -> Self {
        let object = match resolved.place {
            Place::Mailbox(_, id) | Place::ExpansionServer(_, id) | Place::NoDatabase(id) => {
                Some(id)
            }
            Place::Foreign(_, id) => id,
            Place::AnyoneHere | Place::Elsewhere => resolved
                .steps
                .iter()
                .rev()
                // What a group, a rule or somebody's forwarding brought in begins anew.
                .take_while(|step| !begins_anew(step))
                .find_map(|step| match (step.event, &step.chosen) {
                    (Event::Redirect | Event::Resolve, Some(Subject::Recipient(id))) => Some(*id),
                    _ => None,
                }),
        };
        Self {
            address: resolved.recipient.clone(),
            objects: object.into_iter().collect(),
        }
    }

    /// The sender; nobody for the null reverse-path.
    fn sender(topology: &Topology, item: &MailItem) -> Option<Self> {
        let address = item.reverse_path.mailbox()?;
        Some(Self {
            address: address.clone(),
            objects: topology.recipients_at(item.organization, address).to_vec(),
        })
    }

    fn is(&self, member: &Member) -> bool {
        match member {
            Member::Recipient(id) => self.objects.contains(id),
            Member::Nobody(address) => *address == self.address,
        }
    }

    /// The domain it is known by: of the primary address, where it is somebody here.
    fn domain<'a>(&'a self, topology: &'a Topology) -> &'a Domain {
        match self.objects.as_slice() {
            [id] => &topology.recipient(*id).primary().domain,
            _ => &self.address.domain,
        }
    }

    fn is_member(&self, topology: &Topology, group: &Member, seen: &mut Vec<RecipientId>) -> bool {
        let Member::Recipient(id) = group else {
            return false;
        };
        if seen.contains(id) {
            return false;
        }
        seen.push(*id);
        let members = match &topology.recipient(*id).kind {
            RecipientKind::DistributionGroup(group) => &group.members,
            RecipientKind::Group { members, .. } | RecipientKind::RemoteGroup { members, .. } => {
                members
            }
            RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } => return false,
        };
        members
            .iter()
            .any(|member| self.is(member) || self.is_member(topology, member, seen))
    }
}

/// Whether a rule applies to a message for one recipient.
#[must_use]
pub(super) fn holds(
    topology: &Topology,
    item: &MailItem,
    rule: &TransportRule,
    recipient: &Party,
) -> Holds {
    if !rule.enabled {
        return Holds::No(Reason::RuleOff("State"));
    }
    if !rule.enforced {
        return Holds::No(Reason::RuleOff("Mode"));
    }
    let mut unknown = None;
    for (condition, wanted) in rule
        .conditions
        .iter()
        .map(|condition| (condition, true))
        .chain(rule.exceptions.iter().map(|condition| (condition, false)))
    {
        match is_met(topology, item, condition, recipient) {
            None => unknown = unknown.or(Some(condition)),
            Some(met) if met == wanted => {}
            Some(true) => return Holds::No(Reason::RuleExcepted(key(condition))),
            Some(false) => return Holds::No(Reason::RuleNotMet(key(condition))),
        }
    }
    match unknown {
        Some(condition) => Holds::Unknown(format!(
            "whether `{}` of the mail-flow rule `{}` holds, which the content decides",
            key(condition),
            rule.name
        )),
        None => Holds::Yes,
    }
}

/// Whether a condition is met; `None` where the content decides.
fn is_met(
    topology: &Topology,
    item: &MailItem,
    condition: &Condition,
    recipient: &Party,
) -> Option<bool> {
    let sender = Party::sender(topology, item);
    let sender_is = |test: &dyn Fn(&Party) -> bool| sender.as_ref().is_some_and(test);
    let in_domains = |party: &Party, domains: &[Domain]| {
        let own = party.domain(topology);
        domains.iter().any(|domain| own.is_within(domain))
    };
    let in_groups = |party: &Party, groups: &[Member]| {
        groups
            .iter()
            .any(|group| party.is_member(topology, group, &mut Vec::new()))
    };
    Some(match condition {
        Condition::From(members) => sender_is(&|sender| members.iter().any(|m| sender.is(m))),
        Condition::FromMemberOf(groups) => sender_is(&|sender| in_groups(sender, groups)),
        Condition::FromScope(scope) => {
            sender_is(&|sender| sender_scope(topology, item, sender) == Some(*scope))
        }
        Condition::SenderDomainIs(domains) => sender_is(&|sender| in_domains(sender, domains)),
        Condition::SentTo(members) => members.iter().any(|member| recipient.is(member)),
        Condition::SentToMemberOf(groups) => in_groups(recipient, groups),
        Condition::SentToScope(scope) => recipient_scope(topology, item, recipient) == *scope,
        Condition::RecipientDomainIs(domains) => in_domains(recipient, domains),
        // The admin center words it as greater than or equal.
        Condition::MessageSizeOver(size) => item.size >= *size,
        Condition::Content(_) => return None,
    })
}

/// Where a sender is: inside only over an authenticated connection. A sender of an own domain whom
/// nobody authenticated is neither inside nor outside.
fn sender_scope(topology: &Topology, item: &MailItem, sender: &Party) -> Option<Scope> {
    let organization = item.organization;
    let own = is_own_domain(topology, organization, &sender.address.domain);
    if item.auth_as == AuthAs::Internal && (own || is_somebody(topology, sender)) {
        Some(Scope::Inside)
    } else if own {
        None
    } else {
        Some(Scope::Outside)
    }
}

/// Where a recipient is. Choice: the connection that is asked for is the one between the servers that
/// deliver, so it is always authenticated.
fn recipient_scope(topology: &Topology, item: &MailItem, recipient: &Party) -> Scope {
    let organization = item.organization;
    let domain = &recipient.address.domain;
    // `IsInternal` (Exchange PowerShell, "Set-RemoteDomain").
    let internal = topology
        .remote_domain_for(organization, domain)
        .is_some_and(|remote| remote.is_internal);
    if internal || is_own_domain(topology, organization, domain) || is_somebody(topology, recipient)
    {
        Scope::Inside
    } else {
        Scope::Outside
    }
}

fn is_own_domain(topology: &Topology, organization: OrganizationId, domain: &Domain) -> bool {
    topology
        .accepted_domain_for(organization, domain)
        .is_some_and(|id| match topology.accepted_domain(id).kind {
            DomainType::Authoritative | DomainType::InternalRelay => true,
            DomainType::ExternalRelay => false,
        })
}

/// Whether the recipient after a step is somebody else than the one before it.
fn begins_anew(step: &Step) -> bool {
    let target = |reason: &Reason| matches!(reason, Reason::TargetAddress(_));
    match step.event {
        Event::Expand => true,
        Event::Redirect => !step.because.iter().any(target),
        _ => matches!(step.chosen, Some(Subject::Rule(_))),
    }
}

/// Whether a party is a mailbox, mail user or group of the organization; contacts are outside.
fn is_somebody(topology: &Topology, party: &Party) -> bool {
    party
        .objects
        .iter()
        .any(|id| match &topology.recipient(*id).kind {
            RecipientKind::MailUser { flavour, .. } => match flavour {
                MailUserFlavour::Contact => false,
                MailUserFlavour::MailUser | MailUserFlavour::RemoteMailbox => true,
            },
            RecipientKind::DistributionGroup(_)
            | RecipientKind::Group { .. }
            | RecipientKind::Mailbox { .. }
            | RecipientKind::RemoteGroup { .. } => true,
        })
}

/// The key of a condition.
fn key(condition: &Condition) -> &'static str {
    match condition {
        Condition::From(_) => "From",
        Condition::FromMemberOf(_) => "FromMemberOf",
        Condition::FromScope(_) => "FromScope",
        Condition::SenderDomainIs(_) => "SenderDomainIs",
        Condition::SentTo(_) => "SentTo",
        Condition::SentToMemberOf(_) => "SentToMemberOf",
        Condition::SentToScope(_) => "SentToScope",
        Condition::RecipientDomainIs(_) => "RecipientDomainIs",
        Condition::MessageSizeOver(_) => "MessageSizeOver",
        Condition::Content(key) => key,
    }
}
