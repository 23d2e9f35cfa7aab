//! Rules about a tenant's ways in and out, centralized mail transport above all.

use super::row::Code;
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
    Code {
        code: "centralized-transport-not-in-force",
        severity: Severity::Error,
        summary: "the hybrid wizard was told to centralize mail transport, and no outbound connector does",
        matters: "mail between the tenant and the Internet goes past the servers on premises, and past whatever they keep, sign or filter",
        fix: "Set-OutboundConnector -RouteAllMessagesViaOnPremises $true -RecipientDomains *, or run the wizard without centralized mail transport",
        source: "Exchange hybrid, \"Transport routing in Exchange hybrid deployments\"",
        live: "mail arrives, by another way than was meant",
    },
    Code {
        code: "centralized-transport-without-connector",
        severity: Severity::Error,
        summary: "centralized mail transport is on, and its outbound connector is not for every domain",
        matters: "what comes from the Internet for another domain of the tenant is to pass the premises, finds no connector, follows the MX record back into the tenant and ends with 5.4.14; what the tenant sends to the Internet leaves past the premises",
        fix: "Set-OutboundConnector -RecipientDomains *",
        source: "Exchange Online, \"Fix email delivery issues for error code 5.4.6 or 5.4.14 in Exchange Online\"",
        live: "",
    },
    Code {
        code: "cloud-open-beside-the-mx",
        severity: Severity::Warning,
        summary: "the MX record of a tenant's domain leads elsewhere, and Exchange Online Protection takes the domain's mail from everybody",
        matters: "whoever knows the name of the endpoint, which follows from the domain, gets past the filter that the MX record names",
        fix: "New-InboundConnector -ConnectorType Partner -SenderDomains * with RestrictDomainsToIPAddresses or RestrictDomainsToCertificate, for the hosts that the MX record names",
        source: "Exchange PowerShell, \"New-InboundConnector\"",
        live: "mail that is sent by the MX record arrives as it should; `trace --at EOP` shows the other way in",
    },
    Code {
        code: "groups-with-centralized-transport",
        severity: Severity::Error,
        summary: "a group takes mail from outside, and centralized mail transport takes that through the premises first",
        matters: "the group as it is written back takes mail of authenticated senders only: senders outside get 5.7.133 from a server on premises",
        fix: "Set-UnifiedGroup -RequireSenderAuthenticationEnabled $true, or do without centralized mail transport; groups that take mail from outside are not supported with it",
        source: "Microsoft 365, \"Email delivery to Microsoft 365 Groups fails in hybrid configuration\"",
        live: "",
    },
];
