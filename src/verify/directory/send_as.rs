//! Who may send as a Microsoft 365 Group (Exchange Server, "Configure Microsoft 365 Groups with
//! on-premises Exchange hybrid", known issues).

use crate::model::{Member, Recipient, RecipientKind, SendAsPermission, Topology};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Outcome, check)];

/// Permissions that Exchange on premises does not honour: one finding for each.
fn check(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        for permission in &topology.parts().send_as {
            if let Some((group, trustee)) = useless(topology, pair, permission) {
                found.push(useless_found(topology, pair, permission, group, trustee));
            }
        }
    }
    found
}

/// The group and the user, where the user's mailbox is on premises.
fn useless<'a>(
    topology: &'a Topology,
    pair: Pair,
    permission: &SendAsPermission,
) -> Option<(&'a Recipient, &'a Recipient)> {
    let Member::Recipient(trustee) = permission.trustee else {
        return None;
    };
    let ours = [pair.on_premises, pair.tenant].contains(&permission.organization);
    let (group, trustee) = (
        topology.recipient(permission.identity?),
        topology.recipient(trustee),
    );
    let is_group = matches!(
        group.kind,
        RecipientKind::Group { .. } | RecipientKind::RemoteGroup { .. }
    );
    let on_premises = people::has_mailbox(topology, pair.on_premises, trustee.primary());
    (ours && is_group && on_premises).then_some((group, trustee))
}

fn useless_found(
    topology: &Topology,
    pair: Pair,
    permission: &SendAsPermission,
    group: &Recipient,
    trustee: &Recipient,
) -> Found {
    let message = format!(
        "`{}` may send as the group `{}`, and has a mailbox on premises, from where that is refused",
        trustee.primary(),
        group.primary()
    );
    let (group, trustee) = (
        powershell::quoted(group.primary()),
        powershell::quoted(trustee.primary()),
    );
    let (side, script) = if permission.organization == pair.tenant {
        let script = format!(
            "Remove-RecipientPermission -Identity {group} -Trustee {trustee} -AccessRights SendAs"
        );
        (Side::ExchangeOnline, script)
    } else {
        let script = format!(
            "Remove-ADPermission -Identity {group} -User {trustee} -ExtendedRights \"Send As\""
        );
        (Side::OnPremises, script)
    };
    let all = topology.parts().send_as.iter();
    let siblings = all.filter(|other| other.organization == permission.organization);
    let edit = edit::remove_object(&permission.settings, siblings.map(|other| &other.settings));
    Finding::of(
        "send-as-by-on-premises-user",
        permission.settings.object.as_ref(),
        message,
    )
    .because("the user's submission ends with a permission error, in Outlook an NDR or a dialog, for SMTP clients `550 5.7.60`, and nothing leaves the premises")
    .help("move the mailbox to the cloud, or take the permission away")
    .fix(side, script, edit)
    .claims_nothing(1, None)
}
