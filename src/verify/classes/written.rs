//! Which addresses people write to, and the documented word for each.

use std::collections::BTreeSet;

use super::census::Written;
use super::spot::Spot;
use crate::mail::{Domain, Mailbox};
use crate::model::{DomainType, Recipient, RecipientId, RecipientKind, Topology};
use crate::verify::hybrid;

/// The word for groups that take mail from inside.
pub(super) const GROUPS: &str = "groups";

/// The word for groups that take mail from everywhere.
pub(super) const OPEN_GROUPS: &str = "groups open to external senders";

/// An address that nobody has in every domain that some organization relays: where nobody says no, it
/// may go round.
pub(super) fn unknown_recipients(topology: &Topology) -> BTreeSet<Mailbox> {
    let relayed = topology
        .accepted_domains()
        .filter(|(_, accepted)| accepted.kind == DomainType::InternalRelay);
    let nobody = |domain: &Domain| {
        let free = |address: &Mailbox| {
            topology
                .organizations()
                .all(|(id, _)| topology.recipients_at(id, address).is_empty())
        };
        (0..)
            .map_while(|number: u32| Mailbox::parse(&format!("nobody{number}@{domain}")).ok())
            .find(free)
    };
    relayed
        .filter_map(|(_, accepted)| nobody(&accepted.domain))
        .collect()
}

/// Whether people write to an address that somebody holds. Routing addresses are none of them: what lies
/// in a tenant's own `onmicrosoft.com` domains is for servers, not for people.
pub(super) fn is_written(topology: &Topology, written: &Written) -> bool {
    let primary = |id: &RecipientId| Some(topology.address_at(*id, 0)) == written.spot.id;
    !is_routing_address(written.spot.address) || written.holders.iter().any(primary)
}

/// The addresses of people outside that no recipient has, or that only servers write to otherwise; and
/// those that nobody has.
pub(super) fn unheld<'a>(
    topology: &'a Topology,
    unknown: &'a BTreeSet<Mailbox>,
) -> Vec<Written<'a>> {
    let parts = topology.parts();
    let senders = parts.outside_senders.iter().map(|(address, _)| address);
    let outside: BTreeSet<&Mailbox> = senders.chain(&parts.outside_recipients).collect();
    let outside = outside.into_iter().map(|address| {
        let spot = Spot::find(topology, address);
        let holders = spot.holders(topology);
        let kind = None;
        Written {
            spot,
            holders,
            kind,
        }
    });
    let outside = outside.filter(|each| each.holders.is_empty() || !is_written(topology, each));
    let unknown = unknown.iter().map(|address| Written {
        spot: Spot { address, id: None },
        holders: &[],
        kind: Some("unknown recipients"),
    });
    outside.chain(unknown).collect()
}

/// Whether an address lies in a domain of Microsoft's that every tenant has.
pub(in crate::verify) fn is_routing_address(address: &Mailbox) -> bool {
    is_routing_domain(&address.domain)
}

/// Whether a domain is one of Microsoft's that every tenant has.
pub(in crate::verify) fn is_routing_domain(domain: &Domain) -> bool {
    domain.as_str().ends_with(".onmicrosoft.com")
}

/// The documented word for what an address is: the organization that has the mailbox says.
pub(super) fn recipient_word(topology: &Topology, holders: &[RecipientId]) -> &'static str {
    let recipients = || holders.iter().map(|id| topology.recipient(*id));
    if let Some(group) = recipients().find(|recipient| is_group(recipient)) {
        return if group.require_sender_authentication {
            GROUPS
        } else {
            OPEN_GROUPS
        };
    }
    let mailbox =
        recipients().find(|recipient| matches!(recipient.kind, RecipientKind::Mailbox { .. }));
    match mailbox {
        Some(mailbox) => hybrid::mailboxes_word(topology, mailbox.organization),
        None if holders.is_empty() => "external recipients",
        None if recipients()
            .any(|recipient| matches!(recipient.kind, RecipientKind::RemoteGroup { .. })) =>
        {
            "written-back groups without a group"
        }
        None => "mail users",
    }
}

/// Whether a recipient is a Microsoft 365 Group.
pub(in crate::verify) fn is_group(recipient: &Recipient) -> bool {
    matches!(recipient.kind, RecipientKind::Group { .. })
}
