//! Rules about Edge Transport servers.

use super::row::Code;
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
    Code {
        code: "edge-treats-subdomain-as-external",
        severity: Severity::Error,
        summary: "an Edge server sends mail for a subdomain out, because the subdomain is accepted through its parent alone",
        matters: "the address space -- of a subscribed Edge server covers accepted domains by their own names; mail for another subdomain follows its MX record, and where that leads to Exchange Online it comes back and goes round until 5.4.14",
        fix: "New-AcceptedDomain for the subdomain, of the type that the parent has, then Start-EdgeSynchronization",
        source: "Exchange Server, \"'554 5.4.14 Hop count exceeded' NDR for outgoing email sent to an on-premises application in Exchange Server\"",
        live: "",
    },
    Code {
        code: "target-delivery-domain-missing",
        severity: Severity::Error,
        summary: "an Edge server sends the domain of target addresses back inside, because no remote domain marks it",
        matters: "mail from on premises to moved mailboxes goes round between the Edge server and the Mailbox servers until 5.4.6",
        fix: "Set-RemoteDomain -TargetDeliveryDomain $true, then Start-EdgeSynchronization; the hybrid wizard does it as well",
        source: "Exchange hybrid, \"Edge Transport servers with hybrid deployments\"",
        live: "",
    },
];
