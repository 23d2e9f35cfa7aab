//! What the two sessions are told: their configuration, and the envelope of a message to be sent.

use std::time::Duration;

use crate::mail::{Domain, Mailbox, ReversePath};

use super::auth::Credentials;
use super::command::Body;
use super::path::HelloName;

/// What a server session is told before it begins. `new` has Exchange's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The name in the greeting and in the reply to EHLO.
    pub hostname: Domain,
    /// The whole first line instead of Exchange's; heeded if it begins with `220`.
    pub banner: Option<String>,
    /// Where `<postmaster>` without a domain is (RFC 5321 §4.5.1).
    pub postmaster_domain: Domain,
    /// The largest message in octets; without it SIZE is offered without a value.
    pub size_max: Option<u64>,
    /// Recipients of one message.
    pub recipients_max: usize,
    /// Whether STARTTLS is offered.
    pub starttls: bool,
    /// Whether AUTH is offered; it is so only under TLS.
    pub auth: bool,
    /// Whether nothing but hello, STARTTLS, NOOP and QUIT is allowed before TLS.
    pub require_tls: bool,
    /// Whether the parameters of RFC 3461 are offered and passed on.
    pub dsn: bool,
    /// Protocol errors that are answered.
    pub protocol_errors_max: u32,
    /// Refused logons that are answered.
    pub logon_failures_max: u32,
    /// How long the client may say nothing.
    pub inactivity_max: Duration,
    /// Octets of a command line without CRLF.
    pub command_line_max: usize,
    /// Octets of a line of AUTH without CRLF.
    pub auth_line_max: usize,
    /// Octets of a line of message text without CRLF.
    pub text_line_max: usize,
}

impl ServerConfig {
    /// The defaults of an Exchange Receive connector.
    #[must_use]
    pub fn new(hostname: Domain) -> Self {
        Self {
            postmaster_domain: hostname.clone(),
            hostname,
            banner: None,
            size_max: Some(36 * 1024 * 1024),
            recipients_max: 200,
            starttls: false,
            auth: false,
            require_tls: false,
            dsn: false,
            protocol_errors_max: 5,
            logon_failures_max: 3,
            inactivity_max: Duration::from_secs(5 * 60),
            // RFC 5321 §4.5.3.1.4 asks for 512; SIZE adds 26 (RFC 1870), BODY 17 (RFC 6152), AUTH
            // 500 (RFC 4954), RET and ENVID 115, NOTIFY and ORCPT 528 (RFC 3461).
            command_line_max: 2048,
            // RFC 4954 §4.
            auth_line_max: 12_288,
            // RFC 5321 §4.5.3.1.6 asks for 1000 with CRLF. Choice: more, because senders exceed it.
            text_line_max: 65_536,
        }
    }
}

/// What a client session is told before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The name it gives itself.
    pub hello_name: HelloName,
    /// Whether it uses TLS.
    pub tls: TlsUse,
    /// Whether it says HELO at once, and so forgoes every extension.
    pub helo_only: bool,
    /// Who it logs on as; without, it does not log on.
    pub credentials: Option<Credentials>,
    /// Octets of a line of a reply without CRLF. RFC 5321 §4.5.3.1.5 asks for 512.
    pub reply_line_max: usize,
}

impl ClientConfig {
    /// A client that uses TLS if it is offered, and does not log on.
    #[must_use]
    pub fn new(hello_name: HelloName) -> Self {
        Self {
            hello_name,
            tls: TlsUse::IfOffered,
            helo_only: false,
            credentials: None,
            reply_line_max: 2048,
        }
    }
}

/// Whether a client session begins TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsUse {
    /// No, whatever is offered.
    Never,
    /// If it is offered.
    IfOffered,
    /// Always: without TLS the session fails.
    Required,
}

/// Who a message is from and for, and what the server is told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub(super) reverse_path: ReversePath,
    pub(super) recipients: Vec<Mailbox>,
    pub(super) size: Option<u64>,
    pub(super) body: Option<Body>,
}

/// Why an envelope cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Nobody is to get the message.
    NoRecipient,
    /// The address is not ASCII, and SMTPUTF8 is not spoken here (RFC 6531 §3.4).
    NotAscii(Mailbox),
}

impl Envelope {
    /// An envelope for a message of `size` octets, if that is known; `body` as RFC 6152 has it.
    ///
    /// # Errors
    /// When no server could take it.
    pub fn new(
        reverse_path: ReversePath,
        recipients: Vec<Mailbox>,
        size: Option<u64>,
        body: Option<Body>,
    ) -> Result<Self, EnvelopeError> {
        if recipients.is_empty() {
            return Err(EnvelopeError::NoRecipient);
        }
        let mut all = recipients.iter().chain(reverse_path.mailbox());
        if let Some(mailbox) = all.find(|mailbox| !mailbox.local_part.as_str().is_ascii()) {
            return Err(EnvelopeError::NotAscii(mailbox.clone()));
        }
        Ok(Self {
            reverse_path,
            recipients,
            size,
            body,
        })
    }

    /// The recipients, in the order of their replies.
    #[must_use]
    pub fn recipients(&self) -> &[Mailbox] {
        &self.recipients
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_can_be_sent() {
        let mailbox = |text: &str| text.parse::<Mailbox>().expect("an address");
        let envelope = |recipients| Envelope::new(ReversePath::Null, recipients, None, None);
        assert!(envelope(vec![mailbox("a@b"), mailbox("a@b\u{fc}cher.example")]).is_ok());
        assert_eq!(envelope(vec![]), Err(EnvelopeError::NoRecipient));
        let not_ascii = mailbox("j\u{f6}rg@contoso.com");
        let refused = Err(EnvelopeError::NotAscii(not_ascii.clone()));
        assert_eq!(envelope(vec![mailbox("a@b"), not_ascii]), refused);
    }
}
