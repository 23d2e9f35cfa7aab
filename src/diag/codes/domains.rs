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
        code: "accepted-domain-stops-transport",
        severity: Severity::Error,
        summary: "every domain (`*`) is accepted as InternalRelay by servers whose transport service does not run with it",
        matters: "from Exchange 2016 CU22 and Exchange 2019 CU11 on the service ends with a System.FormatException in AcceptedDomainTable: no mail flows at all; older builds are an open relay",
        fix: "Remove-AcceptedDomain, and name the domains that are relayed",
        source: "Exchange Health Checker, \"Open Relay Wildcard Domain\"",
        live: "a lab runs this product's relay, which does not end; predictions say what the settings would do if the service ran",
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
    Code {
        code: "relayed-domain-leads-nowhere",
        severity: Severity::Error,
        summary: "the premises relay a domain (InternalRelay), and nothing takes what they do not know of it anywhere",
        matters: "mail for a recipient that is not on premises waits in the Unreachable queue until it expires, or fails because the domain has no MX record; where nobody has the address the sender should hear 5.1.10 at once",
        fix: "New-SendConnector for the domain, to where its other recipients are; Set-AcceptedDomain -DomainType Authoritative where there are none",
        source: "Exchange Server, \"Accepted domains in Exchange Server\"",
        live: "",
    },
];
