//! Which setting made a subject of a step win or lose, and where it stands in the world's files.

use crate::diag::Location;
use crate::model::{Settings, Topology};
use crate::route::{Reason, Subject};

/// Where the setting stands that made a subject win or lose: the one that the last of the reasons is
/// about, else the one such a subject is usually judged by, else the object; `None` for what nobody
/// wrote down.
#[must_use]
pub fn deciding_place<'a>(
    topology: &'a Topology,
    subject: &Subject,
    reasons: &[Reason],
) -> Option<&'a Location> {
    let settings = settings(topology, subject)?;
    let mut keys = reasons.iter().rev().flat_map(deciding_keys);
    if let Some(place) = keys.find_map(|key| settings.written(key)) {
        return Some(place);
    }
    if let Subject::SendConnector(id) = subject
        && let Some(space) = reasons.iter().find_map(address_space)
    {
        let spaces = &topology.send_connector(*id).address_spaces;
        let found = spaces.iter().find(|each| each.pattern.to_string() == space);
        if let Some(place) = found.and_then(|each| each.location.as_ref()) {
            return Some(place);
        }
    }
    let mut keys = usual_keys(subject).iter();
    keys.find_map(|key| settings.written(key))
        .or(settings.object.as_ref())
}

/// The settings of a subject, where the world describes it.
fn settings<'a>(topology: &'a Topology, subject: &Subject) -> Option<&'a Settings> {
    match subject {
        Subject::AcceptedDomain(id) => Some(&topology.accepted_domain(*id).settings),
        Subject::Certificate(id) => Some(&topology.certificate(*id).settings),
        Subject::ReceiveConnector(id) => Some(&topology.receive_connector(*id).settings),
        Subject::Recipient(id) => Some(&topology.recipient(*id).settings),
        Subject::SendConnector(id) => Some(&topology.send_connector(*id).settings),
        Subject::Rule(id) => Some(&topology.rule(*id).settings),
        Subject::Server(id) => Some(&topology.server(*id).settings),
        Subject::Host(_) | Subject::Mx(_) | Subject::UnreachableQueue => None,
    }
}

/// The address space that a reason speaks of.
fn address_space(reason: &Reason) -> Option<&str> {
    if let Reason::AddressSpace(space) | Reason::LessSpecific(space) = reason {
        Some(space)
    } else {
        None
    }
}

/// The keys that a subject is usually judged by.
fn usual_keys(subject: &Subject) -> &'static [&'static str] {
    match subject {
        Subject::AcceptedDomain(_) => &["DomainType"],
        Subject::ReceiveConnector(_) => &[
            "PermissionGroups",
            "TlsSenderCertificateName",
            "SenderIPAddresses",
        ],
        Subject::SendConnector(_) => &["AddressSpaces", "AllAcceptedDomains", "RecipientDomains"],
        Subject::Certificate(_)
        | Subject::Recipient(_)
        | Subject::Rule(_)
        | Subject::Host(_)
        | Subject::Mx(_)
        | Subject::Server(_)
        | Subject::UnreachableQueue => &[],
    }
}

/// The keys that a reason is about; empty where it is about the object, or about no setting.
fn deciding_keys(reason: &Reason) -> &'static [&'static str] {
    match reason {
        Reason::AddressNotInRange | Reason::NarrowestRange | Reason::WiderRange => {
            &["RemoteIPRanges", "SenderIPAddresses"]
        }
        Reason::CertificateDoesNotMatch(_)
        | Reason::CertificateDomainNotAccepted(_)
        | Reason::Attributed => &["TlsSenderCertificateName", "SenderIPAddresses"],
        Reason::AlreadyOnPremises => &["RouteAllMessagesViaOnPremises"],
        Reason::Disabled => &["Enabled"],
        Reason::DeadSources(_) => &["SourceTransportServers"],
        Reason::RuleOff(_) => &["State", "Mode"],
        Reason::RuleRoutes(_) => &["RouteMessageOutboundConnector"],
        Reason::RuleScoped => &["IsTransportRuleScoped"],
        Reason::DomainIs(..) => &["DomainType"],
        Reason::EchoOff | Reason::EchoOn => &["EchoGroupMessageBackToSubscribedSender"],
        Reason::ExternallySecured => &["AuthMechanism"],
        Reason::AutoForwardDisabled(_) => &["AutoForwardEnabled"],
        Reason::AutoForwardingOff => &["AutoForwardingMode"],
        Reason::AwaitsApproval => &["ModerationEnabled"],
        Reason::BrokenFilter => &["RecipientFilter"],
        Reason::ExpansionServer => &["ExpansionServer"],
        Reason::ForwardingAddress(_) => &["ForwardingAddress", "ForwardingSmtpAddress"],
        Reason::GroupExpanded { .. } => &["Subscribers", "Members"],
        Reason::MembersExpanded(_) => &["Members"],
        Reason::NoDatabase => &["Database"],
        Reason::HeadersNotCarried(_) | Reason::Promoted(_) => {
            &["CloudServicesMailEnabled", "TlsDomainCapabilities"]
        }
        Reason::HopCount { local: false, .. } => &["MaxHopCount"],
        Reason::HopCount { local: true, .. } => &["MaxLocalHopCount"],
        Reason::NotASource => &["SourceTransportServers"],
        Reason::NotMailEnabled => &["MailEnabled"],
        Reason::OtherAddress | Reason::OtherPort => &["Bindings"],
        Reason::RightMissing(_) => &["ADPermissions", "PermissionGroups"],
        Reason::AuthenticationFlag => &["ADPermissions"],
        Reason::DomainProved(_) | Reason::DomainNotProved(_) => &["DomainSecureEnabled"],
        Reason::ExchangeAuthenticationMissing => &["AuthMechanism", "PermissionGroups"],
        Reason::CertificateOutOfDate => &["NotAfter", "NotBefore"],
        Reason::TreatedAsInternal => &["TreatMessagesAsInternal"],
        Reason::PartnerRestricted("RestrictDomainsToCertificate") => {
            &["RestrictDomainsToCertificate"]
        }
        Reason::PartnerRestricted("RestrictDomainsToIPAddresses") => {
            &["RestrictDomainsToIPAddresses"]
        }
        Reason::PartnerRestricted(_) => &["RequireTls"],
        Reason::SenderDomainOther => &["SenderDomains"],
        Reason::DomainNotAssociated(_) => &["AssociatedAcceptedDomains"],
        Reason::ConnectorBlocked => &["Blocked"],
        Reason::OutOfScope => &["IsScopedConnector"],
        Reason::PermissionMissing(_) => &["PermissionGroups"],
        Reason::PrimaryAddress(_) => &["PrimarySmtpAddress", "EmailAddresses"],
        Reason::RecipientLoop(_) => &[
            "RemoteRoutingAddress",
            "ExternalEmailAddress",
            "ForwardingAddress",
            "ForwardingSmtpAddress",
        ],
        Reason::ReportsTo(_) => &["ReportToManagerEnabled", "ReportToOriginatorEnabled"],
        Reason::SenderNotAllowed => &[
            "AcceptMessagesOnlyFromSendersOrMembers",
            "AcceptMessagesOnlyFrom",
            "AcceptMessagesOnlyFromDLMembers",
        ],
        Reason::SenderRejected => &[
            "RejectMessagesFromSendersOrMembers",
            "RejectMessagesFrom",
            "RejectMessagesFromDLMembers",
        ],
        Reason::SenderNotAuthenticated => &["RequireSenderAuthenticationEnabled"],
        Reason::TargetAddress(_) => &["RemoteRoutingAddress", "ExternalEmailAddress"],
        Reason::TlsMissing => &["RequireTLS", "RequireTls"],
        Reason::TooLarge { .. } => &["MaxMessageSize", "MaxReceiveSize", "MaxSendSize"],
        _ => &[],
    }
}
