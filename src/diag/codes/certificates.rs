//! Rules about certificates.

use super::row::Code;
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[Code {
    code: "hybrid-certificate-unusable",
    severity: Severity::Error,
    summary: "a certificate that the hybrid connectors name is missing, out of date, or not trusted",
    matters: "sending waits with 4.7.5, the cloud refuses to send with 4.4.317, and the tenant does not recognise the servers",
    fix: "install a valid certificate of a public authority on every hybrid server, and name it in the connectors",
    source: "Exchange hybrid, \"Certificate requirements for hybrid deployments\"",
    live: "",
}];
