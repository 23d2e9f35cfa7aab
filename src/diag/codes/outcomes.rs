//! What is said about flows that no rule explains, and about expectations.

use super::row::Code;
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
    Code {
        code: "expectation-matches-nothing",
        severity: Severity::Error,
        summary: "an expectation names senders or recipients that do not exist",
        matters: "it would hold for ever without saying anything",
        fix: "name an address, a class as `hybridmx flows` prints it, or one of the documented words",
        source: "",
        live: "it speaks of no mail",
    },
    Code {
        code: "expectation-not-met",
        severity: Severity::Error,
        summary: "a flow does not end as its owner expects",
        matters: "what the world's owner wants to be true is not",
        fix: "compare the flow with the expectation; one of the two is wrong",
        source: "",
        live: "",
    },
    Code {
        code: "mail-loops",
        severity: Severity::Error,
        summary: "mail goes round in a loop",
        matters: "it is carried many times and then refused with 5.4.6 or 5.4.14",
        fix: "break the cycle that the finding names",
        source: "Exchange Server, \"DSNs and NDRs in Exchange Server\"",
        live: "",
    },
    Code {
        code: "mail-misrouted-by-size",
        severity: Severity::Warning,
        summary: "larger mail leaves its prescribed path",
        matters: "connectors that are too small are not chosen, so a large message falls through to a less specific connector and loses its trust",
        fix: "raise MaxMessageSize of the connector that should carry it",
        source: "Exchange Server, \"Connector selection in external message routing\"",
        live: "",
    },
    Code {
        code: "mail-not-delivered",
        severity: Severity::Error,
        summary: "mail between recipients of the two organizations does not arrive",
        matters: "people do not get mail that is meant for them",
        fix: "see the last step of the witness flow",
        source: "Exchange Server, \"Mail routing in Exchange Server\"",
        live: "",
    },
    Code {
        code: "trust-lost",
        severity: Severity::Warning,
        summary: "mail between the two organizations arrives as Anonymous",
        matters: "it is filtered as mail from the Internet, and recipients that require authenticated senders refuse it",
        fix: "see where the witness flow loses its organization headers",
        source: "Exchange hybrid, \"Transport routing in Exchange hybrid deployments\"",
        live: "",
    },
    Code {
        code: "unknown-fact",
        severity: Severity::Warning,
        summary: "a flow depends on a fact that the world does not contain",
        matters: "where the mail goes cannot be said; nothing is guessed",
        fix: "describe what the message names, such as a DNS zone",
        source: "",
        live: "the lab contains what the world contains, so what lies outside cannot be observed",
    },
];
