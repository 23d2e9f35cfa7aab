//! Rules about Send, Receive, inbound and outbound connectors.

use super::row::Code;
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
    Code {
        code: "cloud-services-mail-disabled",
        severity: Severity::Error,
        summary: "a connector between the two organizations leaves the organization headers behind",
        matters: "mail of the own users arrives on the other side as Anonymous: it is filtered, and groups and recipients that require authenticated senders refuse it",
        fix: "set CloudServicesMailEnabled to true on the connector",
        source: "Exchange hybrid, \"Transport routing in Exchange hybrid deployments\"",
        live: "",
    },
    Code {
        code: "hybrid-connector-disabled",
        severity: Severity::Error,
        summary: "a hybrid Send connector is disabled, and nothing stands in its place",
        matters: "mail for the cloud leaves by the Internet connector without organization headers, or not at all",
        fix: "Set-SendConnector -Enabled $true",
        source: "Exchange Server, \"Send connectors in Exchange Server\"",
        live: "",
    },
    Code {
        code: "inbound-connector-matches-no-certificate",
        severity: Severity::Error,
        summary: "no certificate that the hybrid Send connectors present satisfies the inbound connector",
        matters: "Exchange Online Protection does not attribute the session to the tenant: everything from on premises arrives as mail from the Internet, Anonymous, and groups that require authenticated senders refuse it with 5.7.133",
        fix: "Set-InboundConnector -TlsSenderCertificateName with a name of the certificate that the Send connector presents",
        source: "Exchange Online, \"Configure a certificate-based connector to relay email messages through Microsoft 365\"",
        live: "",
    },
    Code {
        code: "open-relay",
        severity: Severity::Error,
        summary: "an unauthenticated stranger may relay to any domain",
        matters: "the server will be found and used to send spam",
        fix: "narrow RemoteIPRanges of the Receive connector, or take the permission Ms-Exch-SMTP-Accept-Any-Recipient away",
        source: "Exchange Server, \"Allow anonymous relay on Exchange servers\"",
        live: "nothing fails: the message of a stranger to a stranger is taken and carried, as the witness shows",
    },
    Code {
        code: "receive-connector-lacks-capability",
        severity: Severity::Error,
        summary: "the Receive connector that serves the cloud does not accept its organization headers",
        matters: "mail of cloud users arrives on premises as Anonymous, and the cloud may not relay",
        fix: "Set-ReceiveConnector -TlsDomainCapabilities mail.protection.outlook.com:AcceptCloudServicesMail",
        source: "Exchange hybrid, \"Transport routing in Exchange hybrid deployments\"",
        live: "",
    },
    Code {
        code: "target-domain-not-on-hybrid-connector",
        severity: Severity::Error,
        summary: "no hybrid Send connector covers the domain of the target addresses",
        matters: "mail from on premises to moved mailboxes leaves by the Internet connector without organization headers and arrives as Anonymous",
        fix: "Set-SendConnector with the domain among AddressSpaces; the parameter replaces the list, so repeat what is there",
        source: "Exchange hybrid, \"Transport routing in Exchange hybrid deployments\"",
        live: "",
    },
];
