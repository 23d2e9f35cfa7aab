//! Rules about accepted domains.

use super::row::Code;
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
    Code {
        code: "accepted-domain-parent-only-by-wildcard",
        severity: Severity::Warning,
        summary: "a domain is accepted only through the wildcard entry of its subdomains",
        matters: "documents disagree on whether `*.contoso.com` covers `contoso.com`; this product takes it that it does",
        fix: "add an accepted domain of its own for the parent",
        source: "Exchange Server, \"Accepted domains in Exchange Server\"",
        live: "mail for the parent arrives where the wildcard is read as it is here",
    },
    Code {
        code: "cloud-domain-relayed-nowhere",
        severity: Severity::Error,
        summary: "the tenant relays a domain (InternalRelay), and no outbound connector takes it anywhere",
        matters: "mail for an address that nobody has follows the MX record back into the tenant, goes round there, and is refused with 5.4.14 instead of 5.1.10; Directory-Based Edge Blocking is off for the domain",
        fix: "Set-AcceptedDomain -DomainType Authoritative where the tenant knows every recipient; New-OutboundConnector for the domain where others have some of them",
        source: "Exchange Online, \"Fix email delivery issues for error code 5.4.6 or 5.4.14 in Exchange Online\"",
        live: "",
    },
    Code {
        code: "domain-relayed-by-both-sides",
        severity: Severity::Error,
        summary: "a domain is InternalRelay on both sides, and each side sends what it does not know to the other",
        matters: "mail for an address that nobody has goes back and forth until a loop detector ends it: with 5.4.14 where the tenant counts first, with 5.4.6 where a server on premises reaches MaxLocalHopCount",
        fix: "Set-AcceptedDomain -DomainType Authoritative on the side that knows every recipient of the domain; synchronize first where neither does",
        source: "Exchange Online, \"Manage accepted domains in Exchange Online\"",
        live: "",
    },
];
