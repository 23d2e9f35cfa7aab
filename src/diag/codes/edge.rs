//! Rules about Edge Transport servers.

use super::row::Code;
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
    Code {
        code: "edge-build-rejects-valid-recipients",
        severity: Severity::Error,
        summary: "an Edge server that looks recipients up is of a build that does not find them all",
        matters: "Edge servers of Exchange 2016 CU1 refuse valid recipients with 5.1.10",
        fix: "install a later cumulative update, or Set-RecipientFilterConfig -RecipientValidationEnabled $false until then",
        source: "Exchange Server, \"Recipient filtering on Edge Transport servers\", and KB 3152396",
        live: "which recipients are refused is not documented, so a prediction lets them all through",
    },
    Code {
        code: "edge-not-subscribed",
        severity: Severity::Error,
        summary: "hybrid mail passes an Edge server that is not subscribed to a site",
        matters: "the server knows neither the organization's domains nor its recipients, has no connectors inside or out, and the organization does not take it for one of its own: mail waits at it, or loses its organization headers",
        fix: "New-EdgeSubscription for the server, Start-EdgeSynchronization, then run the hybrid wizard",
        source: "Exchange hybrid, \"Edge Transport servers with hybrid deployments\"",
        live: "",
    },
    Code {
        code: "edge-not-synchronized",
        severity: Severity::Warning,
        summary: "EdgeSync has not written to an Edge server for more than a day",
        matters: "accepted domains, connectors and recipients that are new since are unknown to the Edge server: it sends their mail the old way, or refuses it",
        fix: "Test-EdgeSynchronization, then Start-EdgeSynchronization",
        source: "Exchange Server, \"Edge Subscriptions in Exchange Server\"",
        live: "a world says what an Edge server should know, and mail goes by that",
    },
    Code {
        code: "edge-subscription-newer-than-wizard",
        severity: Severity::Warning,
        summary: "an Edge server was subscribed again, and the hybrid wizard has not run since",
        matters: "the wizard writes settings of the Edge server that a new subscription does not bring: its mail may arrive as Anonymous, or wait",
        fix: "run the Hybrid Configuration wizard",
        source: "Exchange hybrid, \"Edge Transport servers with hybrid deployments\"",
        live: "a world describes what the wizard wrote, and mail goes by that",
    },
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
