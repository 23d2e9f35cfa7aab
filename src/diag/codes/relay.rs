//! Mistakes in the settings of a relay, and in the files that they name.

use super::row::{Code, IN_FILES};
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
    Code {
        code: "certificate-differs",
        severity: Severity::Warning,
        summary: "a relay's certificate file is not quite the certificate that the world describes",
        matters: "predictions are about the certificate of the world: what peers see may match another connector, or end on another day",
        fix: "describe the certificate in the world as it is",
        source: "",
        live: IN_FILES,
    },
    Code {
        code: "certificate-names-missing",
        severity: Severity::Error,
        summary: "a relay's certificate file lacks names that the world says its certificate has",
        matters: "peers choose connectors by these names and refuse a certificate without them, so the relay would not do what the world predicts",
        fix: "name the file of the right certificate, or correct CertificateDomains in the world",
        source: "",
        live: IN_FILES,
    },
    Code {
        code: "certificate-out-of-date",
        severity: Severity::Warning,
        summary: "a relay's certificate has run out, or is not valid yet",
        matters: "peers that validate it refuse the relay's mail, and send none",
        fix: "renew the certificate",
        source: "",
        live: IN_FILES,
    },
    Code {
        code: "certificate-without-file",
        severity: Severity::Warning,
        summary: "a relay's settings name no file for a certificate that the world gives its server",
        matters: "the relay shows a self-signed certificate in its place: peers that validate it refuse its mail, and nobody takes it for a server of its organization",
        fix: "add the certificate and its key to the settings",
        source: "",
        live: IN_FILES,
    },
    Code {
        code: "secret-file-readable",
        severity: Severity::Warning,
        summary: "a file with passwords or a private key can be read by other users of the machine",
        matters: "whoever can read it can send as the users, or be this server to others",
        fix: "chmod 600 FILE",
        source: "",
        live: IN_FILES,
    },
    Code {
        code: "unusable-certificate",
        severity: Severity::Error,
        summary: "a certificate or a private key of a relay's settings cannot be used",
        matters: "without it the relay could not show who it is, or would trust nobody",
        fix: "give certificate and key in PEM, the key being the certificate's own and not encrypted",
        source: "RFC 7468",
        live: IN_FILES,
    },
    Code {
        code: "user-without-mailbox",
        severity: Severity::Warning,
        summary: "the file of users names an address that is no mailbox of the server's organization",
        matters: "the relay takes mail of a user whom Exchange would not let log on, and predictions do not know him",
        fix: "correct the address, or take the line out of the file",
        source: "",
        live: IN_FILES,
    },
    Code {
        code: "users-cannot-submit",
        severity: Severity::Warning,
        summary: "a relay has users and no place where they submit, or a file of users without users",
        matters: "nobody can log on to the relay",
        fix: "give SubmissionListen an address, or write users into the file",
        source: "",
        live: IN_FILES,
    },
];
