//! Rules about certificates.

use super::row::Code;
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
    Code {
        code: "certificate-chain-incomplete",
        severity: Severity::Error,
        summary: "the servers show the hybrid certificate without the certificates that lead to its root",
        matters: "the cloud fetches nothing: it refuses to send with 4.4.317, and does not recognise the servers",
        fix: "install the intermediate certificates of the authority on every hybrid server",
        source: "Exchange Online, \"550 5.7.64 TenantAttribution when sending emails through Microsoft 365\"",
        live: "",
    },
    Code {
        code: "certificate-expires-soon",
        severity: Severity::Warning,
        summary: "a certificate of hybrid mail ends within sixty days",
        matters: "when it has ended, sending waits with 4.7.5, the cloud refuses to send, and the tenant does not recognise the servers",
        fix: "renew it in time, and run the Hybrid Configuration wizard so that the connectors name the new one",
        source: "Exchange hybrid, \"Certificate requirements for hybrid deployments\"",
        live: "nothing fails before it has ended",
    },
    Code {
        code: "certificate-name-too-long-for-edge",
        severity: Severity::Error,
        summary: "the TlsCertificateName of a connector with an Edge server as its source has more than 256 characters",
        matters: "EdgeSync leaves it out: the Edge server chooses a certificate by itself, and where that is another one the tenant does not recognise it",
        fix: "Set-SendConnector -TlsCertificateName $null, so that Fqdn chooses the certificate, then Start-EdgeSynchronization; a warning where it would choose the same",
        source: "Exchange hybrid, \"Emails sent from on-premises to Exchange Online appears to be external after running HCW\"",
        live: "",
    },
    Code {
        code: "hybrid-certificate-unusable",
        severity: Severity::Error,
        summary: "a certificate that the hybrid connectors name is missing, out of date, or not trusted",
        matters: "sending waits with 4.7.5, the cloud refuses to send with 4.4.317 and, to a certificate of a private authority, to take mail with 4.7.0; a warning where the cloud does not meet the server today",
        fix: "install a valid certificate of a public authority on every hybrid server, and name it in the connectors",
        source: "Exchange hybrid, \"Certificate requirements for hybrid deployments\"",
        live: "",
    },
    Code {
        code: "inbound-certificate-name-unregistered",
        severity: Severity::Error,
        summary: "the inbound connector waits for a name that is neither an accepted domain nor one label below one",
        matters: "Exchange Online Protection lets such a session send in the name of the tenant's domains only: reports and forwarded mail to others are refused with 5.7.64, and with centralized mail transport what strangers write goes round",
        fix: "Set-InboundConnector -TlsSenderCertificateName with another name of the certificate, or accept the domain",
        source: "Exchange Online, \"Configure a certificate-based connector to relay email messages through Microsoft 365\"",
        live: "",
    },
    Code {
        code: "internet-connector-presents-hybrid-certificate",
        severity: Severity::Warning,
        summary: "a Send connector to the Internet names the hybrid certificate and carries no organization headers",
        matters: "mail that it hands to the tenant is attributed as the organization's own and is Anonymous all the same, which hides that a domain is missing on the hybrid connector",
        fix: "Set-SendConnector -TlsCertificateName $null on the connector to the Internet",
        source: "Exchange hybrid, \"TLS Certificates in Exchange Hybrid\"",
        live: "it shows only where a domain of the tenant leaves by that connector, which is a finding of its own",
    },
    Code {
        code: "tenants-share-certificate",
        severity: Severity::Warning,
        summary: "inbound connectors of two tenants wait for one certificate",
        matters: "a session belongs to one tenant: mail of the other's servers is attributed to the wrong one and refused, or loses its trust",
        fix: "give the servers of each tenant a certificate of their own, and each connector its name",
        source: "Exchange Online, \"Office 365 Message Attribution\"",
        live: "mail goes wrong for servers of the second tenant, which the world does not have",
    },
    Code {
        code: "untrusted-certificate-chosen",
        severity: Severity::Error,
        summary: "the hybrid Send connector names no certificate, and a newer one that others do not trust is chosen",
        matters: "Exchange Online opens no channel to such a server: mail for the cloud waits with 4.7.0 until it expires with 4.4.7",
        fix: "Set-SendConnector -TlsCertificateName with the certificate of a public authority",
        source: "Exchange Server, \"Mail flow to Exchange Online stops and event ID 2004 is logged on the hybrid transport server\"",
        live: "",
    },
];
