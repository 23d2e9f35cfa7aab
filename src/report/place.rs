//! What a step names: its kind, and its reasons in a line.

use crate::model::{MailUserFlavour, Matcher, OrganizationKind, RecipientKind, Topology};
use crate::route::{Reason, Subject};

/// The kind of a subject, as the reader calls it; empty where the name says it.
pub(super) fn kind(topology: &Topology, subject: &Subject) -> &'static str {
    match subject {
        Subject::AcceptedDomain(_) => "accepted domain",
        Subject::Certificate(_) => "certificate",
        Subject::Host(_) => "host",
        Subject::Mx(_) | Subject::UnreachableQueue => "",
        Subject::ReceiveConnector(id) => match topology.receive_connector(*id).matcher {
            Matcher::Endpoint { .. } => "Receive connector",
            Matcher::Peer { .. } => "inbound connector",
        },
        Subject::Recipient(id) => recipient_kind(&topology.recipient(*id).kind),
        Subject::SendConnector(id) => {
            let owner = topology.send_connector(*id).organization;
            match topology.organization(owner).kind {
                OrganizationKind::ExchangeOnline => "outbound connector",
                OrganizationKind::Internet | OrganizationKind::OnPremises => "Send connector",
            }
        }
        Subject::Rule(_) => "mail-flow rule",
        Subject::Server(_) => "server",
    }
}

/// Recipients as administrators speak of them.
fn recipient_kind(kind: &RecipientKind) -> &'static str {
    match kind {
        RecipientKind::Mailbox { .. } => "mailbox",
        RecipientKind::MailUser { flavour, .. } => match flavour {
            MailUserFlavour::Contact => "mail contact",
            MailUserFlavour::MailUser => "mail user",
            MailUserFlavour::RemoteMailbox => "remote mailbox",
        },
        RecipientKind::DistributionGroup(group) if group.dynamic => "dynamic distribution group",
        RecipientKind::DistributionGroup(_) => "distribution group",
        RecipientKind::Group { .. } => "Microsoft 365 Group",
        RecipientKind::RemoteGroup { .. } => "written-back group",
    }
}

/// Reasons as one line.
pub(super) fn because(reasons: &[Reason]) -> String {
    let words: Vec<String> = reasons.iter().map(Reason::to_string).collect();
    words.join("; ")
}
