//! Certificates: who holds which, and until when.

use jiff::Timestamp;

use super::id::ServerId;
use super::place::Settings;
use crate::mail::NamePattern;

/// A certificate of one or several servers.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Distinguished name of its subject, such as `CN=mail.contoso.com`.
    pub subject: String,
    /// Distinguished name of its issuer.
    pub issuer: String,
    /// Its names: the subject's CN and the alternative names (`CertificateDomains`).
    pub names: Vec<NamePattern>,
    /// Start of its validity.
    pub not_before: Option<Timestamp>,
    /// End of its validity.
    pub not_after: Option<Timestamp>,
    /// Whether its issuer is one that others trust.
    pub trusted: bool,
    /// Whether its servers send the certificates between it and its root; nobody trusts it otherwise.
    pub chain_complete: bool,
    /// The servers that hold it with its private key.
    pub servers: Vec<ServerId>,
    /// Where it is described.
    pub settings: Settings,
}

impl Certificate {
    /// The value that `TlsCertificateName` has for it.
    #[must_use]
    pub fn tls_certificate_name(&self) -> String {
        format!("<I>{}<S>{}", self.issuer, self.subject)
    }

    /// Whether it is from an authority of its owner's: the chain is whole, and nobody else trusts it.
    #[must_use]
    pub fn has_private_root(&self) -> bool {
        !self.trusted && self.chain_complete && self.issuer != self.subject
    }

    /// Whether it is in date.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= now)
            && self.not_after.is_none_or(|end| now <= end)
    }
}
