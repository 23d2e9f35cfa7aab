//! Moderation that nobody can end (Exchange Server, "Manage message approval").

use crate::flow::Disposition;
use crate::model::{Member, Moderation, Recipient, RecipientKind, Topology};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::Finding;
use crate::verify::hybrid;
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Outcome, check)];

/// Why a message that is held is never let go: the key that says so, and what is wrong with it.
type Fault = (&'static str, String);

/// Recipients whose messages wait for somebody, or in a mailbox, that is not there.
fn check(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let moderated = topology.recipients().filter_map(|(_, recipient)| {
        let moderation = recipient.policy().moderation.as_ref()?;
        Some((recipient, fault(topology, recipient, moderation)?))
    });
    moderated
        .map(|(recipient, fault)| found(context, recipient, fault))
        .collect()
}

fn fault(topology: &Topology, recipient: &Recipient, moderation: &Moderation) -> Option<Fault> {
    let (key, moderators): (_, &[Member]) = match &recipient.kind {
        _ if !moderation.moderators.is_empty() => ("ModeratedBy", &moderation.moderators),
        RecipientKind::DistributionGroup(group) => ("ManagedBy", &group.managed_by),
        RecipientKind::Group { details, .. } => ("Owners", &details.owners),
        RecipientKind::Mailbox { .. }
        | RecipientKind::MailUser { .. }
        | RecipientKind::RemoteGroup { .. } => ("ModeratedBy", &[]),
    };
    if people::known(topology, moderators).next().is_none() {
        let named = moderators.iter().filter_map(|member| match member {
            Member::Nobody(address) => Some(format!("`{address}`")),
            Member::Recipient(_) => None,
        });
        let named: Vec<String> = named.collect();
        return Some(match named.is_empty() {
            true => (key, "it has no moderator".to_owned()),
            false => (key, format!("its moderator {} is nobody", named.join(", "))),
        });
    }
    let keeper = moderation.arbitration_mailbox.as_ref()?;
    (!people::has_mailbox(topology, recipient.organization, keeper)).then(|| {
        let what = format!("its arbitration mailbox `{keeper}` does not exist");
        ("ArbitrationMailbox", what)
    })
}

fn found(context: &Context<'_>, recipient: &Recipient, (key, what): Fault) -> Found {
    let topology = context.topology;
    let address = recipient.primary();
    let identity = powershell::quoted(address);
    let noun = people::cmdlet(recipient).unwrap_or("Recipient");
    let settings = &recipient.settings;
    let (help, script, edits) = match key {
        "ArbitrationMailbox" => (
            "name an arbitration mailbox that exists, or none, for the organization's",
            format!("Set-{noun} -Identity {identity} -ArbitrationMailbox $null"),
            edit::remove_key(settings, key),
        ),
        _ => (
            "name somebody who can approve messages, or switch moderation off",
            format!("Set-{noun} -Identity {identity} -ModerationEnabled $false"),
            edit::set_key(settings, "ModerationEnabled", "false"),
        ),
    };
    let classes = &context.survey.recipients;
    let message = format!("messages for `{address}` are held, and {what}");
    let place = settings.written(key).or(settings.at("ModerationEnabled"));
    Finding::of("moderator-missing", place, message)
        .help(help)
        .fix(
            hybrid::side(topology, recipient.organization),
            script,
            edits,
        )
        .explains(context, |asked| {
            let mut forks = asked.ordinary().forks.iter();
            classes[asked.to].members.contains(&address)
                && forks.any(|fork| fork.disposition == Disposition::Suppressed)
        })
}
