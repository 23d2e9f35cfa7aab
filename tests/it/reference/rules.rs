//! Mail-flow rules for one recipient of a message (Exchange Server, "Mail flow rules in Exchange
//! Server"; New-TransportRule), by plain comparison.

use hybridmx::mail::{AuthAs, Domain, Mailbox};
use hybridmx::model::{
    Condition, DomainPattern, DomainType, MailUserFlavour, Member, Parts, RecipientKind, Scope,
    TransportRule,
};
use hybridmx::route::MailItem;

use super::names::{domain_type, within};

/// Somebody, and the positions of the recipients of the organization that he is.
pub(crate) struct Person {
    pub(crate) address: Mailbox,
    pub(crate) objects: Vec<usize>,
}

/// The rules of the message's organization that are at work, in their order.
pub(crate) fn in_order<'a>(parts: &'a Parts, item: &MailItem) -> Vec<&'a TransportRule> {
    let mut rules: Vec<&TransportRule> = parts
        .rules
        .iter()
        .filter(|rule| rule.organization == item.organization && rule.enabled && rule.enforced)
        .collect();
    rules.sort_by_key(|rule| (rule.priority, rule.name.to_lowercase()));
    rules
}

/// Whether a rule surely applies.
pub(crate) fn applies(
    parts: &Parts,
    item: &MailItem,
    rule: &TransportRule,
    recipient: &Person,
) -> bool {
    let test = |condition: &Condition| met(parts, item, condition, recipient);
    rule.conditions.iter().all(|each| test(each) == Some(true))
        && rule.exceptions.iter().all(|each| test(each) == Some(false))
}

/// Whether a condition is met, as far as a world can tell.
fn met(parts: &Parts, item: &MailItem, condition: &Condition, recipient: &Person) -> Option<bool> {
    let sender = item.reverse_path.mailbox().map(|address| {
        let mut objects = Vec::new();
        for (index, candidate) in parts.recipients.iter().enumerate() {
            if candidate.organization == item.organization && candidate.addresses.contains(address)
            {
                objects.push(index);
            }
        }
        Person {
            address: address.clone(),
            objects,
        }
    });
    let somebody = |test: &dyn Fn(&Person) -> bool| match &sender {
        Some(sender) => test(sender),
        None => false,
    };
    Some(match condition {
        Condition::From(list) => somebody(&|who| list.iter().any(|member| same(member, who))),
        Condition::FromMemberOf(list) => {
            somebody(&|who| list.iter().any(|group| belongs(parts, group, who, 9)))
        }
        Condition::FromScope(scope) => somebody(&|who| {
            let own = own_domain(parts, item, &who.address.domain);
            let trusted = item.auth_as == AuthAs::Internal;
            match scope {
                Scope::Inside => trusted && (own || is_ours(parts, who)),
                Scope::Outside => !(own || trusted && is_ours(parts, who)),
            }
        }),
        Condition::SenderDomainIs(list) => {
            somebody(&|who| list.iter().any(|domain| comes_from(parts, who, domain)))
        }
        Condition::SentTo(list) => list.iter().any(|member| same(member, recipient)),
        Condition::SentToMemberOf(list) => {
            list.iter().any(|group| belongs(parts, group, recipient, 9))
        }
        Condition::SentToScope(scope) => {
            let inside = own_domain(parts, item, &recipient.address.domain)
                || is_ours(parts, recipient)
                || counts_as_ours(parts, item, &recipient.address.domain);
            inside == (*scope == Scope::Inside)
        }
        Condition::RecipientDomainIs(list) => list
            .iter()
            .any(|domain| comes_from(parts, recipient, domain)),
        Condition::MessageSizeOver(size) => item.size >= *size,
        Condition::Content(_) => return None,
    })
}

fn same(member: &Member, who: &Person) -> bool {
    match member {
        Member::Recipient(id) => who.objects.contains(&id.index()),
        Member::Nobody(address) => *address == who.address,
    }
}

/// Whether somebody is in a group, or in a group in it, so many levels deep.
fn belongs(parts: &Parts, group: &Member, who: &Person, levels: usize) -> bool {
    let Member::Recipient(id) = group else {
        return false;
    };
    let members: &[Member] = match &parts.recipients[id.index()].kind {
        RecipientKind::DistributionGroup(group) => &group.members,
        RecipientKind::Group { members, .. } | RecipientKind::RemoteGroup { members, .. } => {
            members
        }
        RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } => &[],
    };
    members.iter().any(|member| same(member, who))
        || levels > 0
            && members
                .iter()
                .any(|member| belongs(parts, member, who, levels - 1))
}

/// By the primary address of whoever it is, else by the address.
fn comes_from(parts: &Parts, who: &Person, domain: &Domain) -> bool {
    let own = match who.objects.as_slice() {
        [only] => &parts.recipients[*only].addresses[0].domain,
        _ => &who.address.domain,
    };
    within(own.as_str(), domain.as_str())
}

fn own_domain(parts: &Parts, item: &MailItem, domain: &Domain) -> bool {
    matches!(
        domain_type(parts, item.organization, domain),
        Some(DomainType::Authoritative | DomainType::InternalRelay)
    )
}

fn is_ours(parts: &Parts, who: &Person) -> bool {
    who.objects.iter().any(|index| {
        !matches!(
            parts.recipients[*index].kind,
            RecipientKind::MailUser {
                flavour: MailUserFlavour::Contact,
                ..
            }
        )
    })
}

/// The remote domain that fits best says so.
fn counts_as_ours(parts: &Parts, item: &MailItem, domain: &Domain) -> bool {
    let mut best: Vec<((u8, usize), bool)> = Vec::new();
    for remote in &parts.remote_domains {
        let vague = match &remote.pattern {
            DomainPattern::Exact(exact) if exact == domain => (0, 0),
            DomainPattern::WithSubdomains(parent) if within(domain.as_str(), parent.as_str()) => {
                (1, usize::MAX - parent.as_str().len())
            }
            DomainPattern::Any => (2, 0),
            _ => continue,
        };
        if remote.organization == item.organization {
            best.push((vague, remote.is_internal));
        }
    }
    best.sort_unstable();
    best.first().is_some_and(|(_, yes)| *yes)
}
