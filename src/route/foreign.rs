//! Recipients whose addresses are not of type SMTP (Exchange Server, "Send connectors in Exchange
//! Server", "Recipient resolution in Exchange Server").
//!
//! On the wire they have an encapsulated address, IMCEA, in the default domain.

use crate::mail::{LocalPart, Mailbox};
use crate::model::{ForeignAddress, OrganizationId, RecipientId, Topology};

/// The address of another type that mail for a recipient goes to, where it has one and no other.
#[must_use]
pub(super) fn foreign_address(topology: &Topology, id: RecipientId) -> Option<&ForeignAddress> {
    topology.recipient(id).policy().foreign_address.as_ref()
}

/// The recipients of an organization whose mail goes to an address of another type.
#[must_use]
pub(super) fn holders(
    topology: &Topology,
    organization: OrganizationId,
    address: &ForeignAddress,
) -> Vec<RecipientId> {
    let same = |own: &ForeignAddress| {
        own.kind.eq_ignore_ascii_case(&address.kind)
            && own.address.eq_ignore_ascii_case(&address.address)
    };
    topology
        .recipients()
        .filter(|(_, recipient)| recipient.organization == organization)
        .filter(|(id, _)| foreign_address(topology, *id).is_some_and(same))
        .map(|(id, _)| id)
        .collect()
}

/// Whether an address space of another type covers an address: `*`, or how the address begins.
///
/// Choice: the beginning is compared as text, in any case; documents give the syntax of such spaces
/// and leave their meaning to each type.
#[must_use]
pub(super) fn is_covered(kind: &str, space: &str, address: &ForeignAddress) -> bool {
    let begins = |text: &str| {
        let start = address.address.get(..text.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(text))
    };
    kind.eq_ignore_ascii_case(&address.kind) && (space == "*" || begins(space))
}

/// `IMCEA<type>-<address>` in the organization's default domain; `None` where there is none.
#[must_use]
pub(super) fn encapsulated(
    topology: &Topology,
    organization: OrganizationId,
    address: &ForeignAddress,
) -> Option<Mailbox> {
    let default = topology
        .accepted_domains()
        .map(|(_, accepted)| accepted)
        .find(|accepted| accepted.organization == organization && accepted.default)?;
    let mut text = format!("IMCEA{}-", address.kind);
    for byte in address.address.bytes() {
        match byte {
            b'/' => text.push('_'),
            b'-' | b'=' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => text.push_str(&format!("+{byte:02X}")),
        }
    }
    Some(Mailbox {
        local_part: LocalPart::parse(&text).ok()?,
        domain: default.domain.clone(),
    })
}
