//! Groups that nobody can write to.

use crate::flow::Disposition;
use crate::model::{Member, Recipient, RecipientKind};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Centralized, check)];

/// The parameter that says who alone may write to a group: `Set-UnifiedGroup` knows no other (Exchange
/// PowerShell, "Set-UnifiedGroup").
const PARAMETER: &str = "AcceptMessagesOnlyFromSendersOrMembers";

/// The properties that show what it says.
const LISTS: [&str; 3] = [
    PARAMETER,
    "AcceptMessagesOnlyFrom",
    "AcceptMessagesOnlyFromDLMembers",
];

/// One finding for each class of groups: what no other rule explains, and no sender gets through to.
fn check(context: &Context<'_>) -> Vec<Found> {
    let classes = context.survey.recipients.iter().enumerate();
    let found = classes.filter_map(|(index, class)| {
        let group = context
            .topology
            .recipient(class.groups(context.topology).next()?);
        // A second address that does not work is another matter.
        let own = matches!(group.kind, RecipientKind::Group { .. })
            && group.primary() == class.members[0];
        let all = context
            .survey
            .asked
            .iter()
            .filter(|asked| asked.to == index);
        let open = context.open_where(|asked| asked.to == index);
        let only = &group.policy().accept_only_from;
        let is_nobody = |member: &Member| matches!(member, Member::Nobody(_));
        // What the list says holds beside every other fault.
        let closed = !only.is_empty() && only.iter().all(is_nobody);
        let nobody = open.len() == all.clone().count() && !all.clone().any(arrives);
        (own && (closed || nobody && !open.is_empty()))
            .then(|| unreachable_found(context, group, open))
    });
    found.collect()
}

/// Whether a post gets into the group's own mailbox.
fn arrives(asked: &Asked) -> bool {
    let flow = asked.ordinary();
    let into = |recipient| flow.question.to.contains(recipient);
    let delivered = |disposition| matches!(disposition, Disposition::Delivered);
    let mut forks = flow.forks.iter();
    forks.any(|fork| delivered(fork.disposition) && into(&fork.recipient))
}

fn unreachable_found(context: &Context<'_>, group: &Recipient, claims: Vec<usize>) -> Found {
    let settings = &group.settings;
    let key = LISTS
        .into_iter()
        .find(|key| settings.written(key).is_some());
    let place = key.and_then(|key| settings.written(key));
    let message = format!("nobody can write to the group `{}`", group.primary());
    let draft = Finding::of(
        "group-unreachable",
        place.or(settings.object.as_ref()),
        message,
    );
    let Some(key) = key else {
        return draft
            .help("look at what refuses each sender: `hybridmx trace` shows it")
            .claims(context, claims);
    };
    let script = format!(
        "Set-UnifiedGroup -Identity {} -{PARAMETER} $null",
        powershell::quoted(group.primary())
    );
    draft
        .because(format!(
            "{PARAMETER} names nobody who is an authenticated sender of the deployment"
        ))
        .help("let somebody write to it: correct the list, or empty it")
        .fix(
            Side::ExchangeOnline,
            script,
            edit::remove_key(settings, key),
        )
        .claims(context, claims)
}
