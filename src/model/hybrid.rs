//! What administrators said beside the flow of mail: email address policies, the settings of the
//! hybrid wizard, and who may send as whom. Rules ask it.

use super::id::{OrganizationId, RecipientId, ServerId};
use super::organization::Member;
use super::place::Settings;
use crate::mail::Domain;

/// An email address policy (Exchange Server, "Email address policies").
#[derive(Clone, Debug)]
pub struct EmailAddressPolicy {
    /// Whose it is.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// Lower ones go first; `None`: the lowest, which applies to everybody else.
    pub priority: Option<u32>,
    /// `EnabledEmailAddressTemplates`, such as `SMTP:@contoso.com`.
    pub templates: Vec<String>,
    /// `RecipientFilter`, as it is written.
    pub filter: Option<String>,
    /// Where it is described.
    pub settings: Settings,
}

/// What the hybrid wizard was last told (Exchange PowerShell, "Set-HybridConfiguration").
#[derive(Clone, Debug)]
pub struct HybridConfiguration {
    /// Whose it is.
    pub organization: OrganizationId,
    /// `Features` that are on.
    pub features: Vec<String>,
    /// Whether centralized mail transport is among them, in either of its spellings.
    pub centralized: bool,
    /// `TlsCertificateName`, as `<I>issuer<S>subject`.
    pub tls_certificate_name: Option<String>,
    /// `SendingTransportServers`.
    pub sending: Vec<ServerId>,
    /// `ReceivingTransportServers`.
    pub receiving: Vec<ServerId>,
    /// `EdgeTransportServers`.
    pub edge: Vec<ServerId>,
    /// `OnPremisesSmartHost`.
    pub smart_host: Option<Domain>,
    /// `Domains`, without the mark of the autodiscover domain.
    pub domains: Vec<Domain>,
    /// Where it is described.
    pub settings: Settings,
}

/// That somebody may send as a recipient (`Add-RecipientPermission`, `Add-ADPermission` Send As).
#[derive(Clone, Debug)]
pub struct SendAsPermission {
    /// In whose directory.
    pub organization: OrganizationId,
    /// As whom; `None`: an address that nobody has.
    pub identity: Option<RecipientId>,
    /// Who may.
    pub trustee: Member,
    /// Where it is described.
    pub settings: Settings,
}
