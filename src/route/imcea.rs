//! Addresses of other types in the form of SMTP addresses (Exchange Server, "Recipient resolution",
//! Encapsulated addresses).

use crate::mail::Mailbox;
use crate::model::{ForeignAddress, OrganizationId, RecipientId, Topology};

/// What an encapsulated address stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encapsulated {
    /// Its type in upper case, such as `EX`.
    pub(super) kind: String,
    /// What follows the type.
    pub(super) address: String,
}

/// Takes `IMCEA<TYPE>-<address>@<domain>` apart, where the domain is the organization's default one;
/// everywhere else it is an address like any other.
#[must_use]
pub(super) fn decapsulate(
    topology: &Topology,
    organization: OrganizationId,
    address: &Mailbox,
) -> Option<Encapsulated> {
    let rest = address
        .local_part
        .as_str()
        .get(..5)
        .filter(|prefix| prefix.eq_ignore_ascii_case("IMCEA"))
        .and(address.local_part.as_str().get(5..))?;
    let (kind, encoded) = rest.split_once('-')?;
    let accepted = topology.accepted_domain_for(organization, &address.domain)?;
    let accepted = topology.accepted_domain(accepted);
    if !accepted.default || accepted.domain != address.domain || kind.is_empty() {
        return None;
    }
    Some(Encapsulated {
        kind: kind.to_ascii_uppercase(),
        address: decode(encoded),
    })
}

/// An encapsulated address that no recipient is needed for: of a type that connectors may carry.
#[must_use]
pub(super) fn foreign(
    topology: &Topology,
    organization: OrganizationId,
    address: &Mailbox,
) -> Option<ForeignAddress> {
    let Encapsulated { kind, address } = decapsulate(topology, organization, address)?;
    let foreign = !matches!(kind.as_str(), "EX" | "SMTP" | "X500");
    foreign.then_some(ForeignAddress { kind, address })
}

/// Whether an address of another type is meant, in the form that it has on the wire.
#[must_use]
pub fn is_encapsulated(
    topology: &Topology,
    organization: OrganizationId,
    address: &Mailbox,
) -> bool {
    decapsulate(topology, organization, address).is_some()
}

/// `_` stands for `/`, `+XX` for the octet of that hexadecimal number.
fn decode(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hexadecimal = tail.first_chunk().filter(|_| *first == b'+');
        match hexadecimal.and_then(|[high, low]| octet(*high, *low)) {
            Some(octet) => {
                octets.push(octet);
                rest = &tail[2..];
            }
            None if *first == b'_' => octets.push(b'/'),
            None => octets.push(*first),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn octet(high: u8, low: u8) -> Option<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// The recipients with an X.500 name: by `LegacyExchangeDN`, else by a proxy address of type X500.
#[must_use]
pub(super) fn holders(
    topology: &Topology,
    organization: OrganizationId,
    name: &str,
) -> Vec<RecipientId> {
    let having = |has: &dyn Fn(&crate::model::Policy) -> bool| -> Vec<RecipientId> {
        topology
            .recipients()
            .filter(|(_, recipient)| recipient.organization == organization)
            .filter(|(_, recipient)| recipient.exceptions.as_deref().is_some_and(has))
            .map(|(id, _)| id)
            .collect()
    };
    let own = |text: &String| text.eq_ignore_ascii_case(name);
    let by_name = having(&|policy| policy.legacy_dn.as_ref().is_some_and(own));
    if by_name.is_empty() {
        having(&|policy| policy.x500.iter().any(own))
    } else {
        by_name
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn special_characters_are_read_back() {
        let text = "_o=Contoso_ou=First+20Group_cn=O+27Neil";
        assert_eq!(decode(text), "/o=Contoso/ou=First Group/cn=O'Neil");
    }

    #[test]
    fn a_plus_without_a_number_stands_for_itself() {
        assert_eq!(decode("a+zz+2"), "a+zz+2");
        assert_eq!(decode("+"), "+");
    }
}
