//! What holds for a whole organization: `Get-TransportConfig` on premises, the policies of a tenant.

use super::place::Settings;
use super::range::IpRange;
use crate::mail::{ByteSize, Domain, EnhancedStatus, Limit, Mailbox};

/// `TransportConfig` (Exchange PowerShell, "Set-TransportConfig").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportConfig {
    /// `MaxSendSize`: larger messages of senders inside fail.
    pub max_send_size: Limit,
    /// `MaxReceiveSize`: larger messages for recipients inside fail.
    pub max_receive_size: Limit,
    /// Whom the two bind.
    pub sizes_bind: SizesBind,
    /// `MaxRecipientEnvelopeLimit`: recipients of one message, a group counting as one; `None`: any
    /// number.
    pub max_recipients: Option<u32>,
    /// `TLSSendDomainSecureList`.
    pub send_domain_secure: Vec<Domain>,
    /// `TLSReceiveDomainSecureList`.
    pub receive_domain_secure: Vec<Domain>,
    /// `InternalSMTPServers`.
    pub internal_servers: Vec<IpRange>,
    /// `ExternalPostmasterAddress`: who reports failures to senders outside.
    pub external_postmaster: Option<Mailbox>,
    /// `GenerateCopyOfDSNFor`.
    pub copy_reports_of: Vec<EnhancedStatus>,
    /// `InternalDsnMaxMessageAttachSize`.
    pub report_attachment_max: ByteSize,
    /// Where it is described.
    pub settings: Settings,
}

/// Whom the size limits of an organization bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizesBind {
    /// Every message, by whomever it is and wherever it goes (Exchange Server, "Message size and
    /// recipient limits").
    Messages,
    /// Senders and recipients of its directory that have no limit of their own, as in a tenant
    /// (Exchange Online, "Exchange Online limits").
    Recipients,
}

impl TransportConfig {
    /// What a tenant has: no such object, and sizes that new mailboxes may send and receive.
    #[must_use]
    pub fn of_tenant() -> Self {
        Self {
            max_send_size: Limit::megabytes(35),
            max_receive_size: Limit::megabytes(36),
            sizes_bind: SizesBind::Recipients,
            ..Self::unlimited()
        }
    }

    /// No limit, for organizations that have no such object.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            max_send_size: Limit::Unlimited,
            max_receive_size: Limit::Unlimited,
            max_recipients: None,
            ..Self::default()
        }
    }
}

impl Default for TransportConfig {
    /// As setup leaves it.
    fn default() -> Self {
        Self {
            max_send_size: Limit::megabytes(10),
            max_receive_size: Limit::megabytes(10),
            sizes_bind: SizesBind::Messages,
            max_recipients: Some(500),
            send_domain_secure: Vec::new(),
            receive_domain_secure: Vec::new(),
            internal_servers: Vec::new(),
            external_postmaster: None,
            copy_reports_of: Vec::new(),
            report_attachment_max: ByteSize(10 << 20),
            settings: Settings::default(),
        }
    }
}

/// `AutoForwardingMode` of the outbound spam policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum AutoForwarding {
    /// System-controlled, which means off.
    #[default]
    Automatic,
    /// Nothing is forwarded to others automatically.
    Off,
    /// Remote domains decide.
    On,
}

/// What holds for a whole tenant; [`TenantPolicy::default`] for organizations that are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantPolicy {
    /// `RejectDirectSend`: whether anonymous mail from an own domain is refused.
    pub reject_direct_send: bool,
    /// Whether the tenant may receive mail at all.
    pub has_mail_license: bool,
    /// The region whose endpoints serve it, where the world says so.
    pub mail_flow_region: Option<String>,
    /// Automatic forwarding to other organizations.
    pub auto_forwarding: AutoForwarding,
}

impl Default for TenantPolicy {
    fn default() -> Self {
        Self {
            reject_direct_send: false,
            has_mail_license: true,
            mail_flow_region: None,
            auto_forwarding: AutoForwarding::Automatic,
        }
    }
}
