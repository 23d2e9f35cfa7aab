//! Groups as directory synchronization writes them to the premises (Exchange Server, "Configure
//! Microsoft 365 Groups with on-premises Exchange hybrid"): there, with their members, mail-enabled.

use std::collections::BTreeSet;

use super::writeback;
use crate::model::{DomainType, Recipient, RecipientId, RecipientKind, Topology};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people::{self, MENDED_MAX};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Outcome, not_mail_enabled),
    Rule::new(Stage::Notes, not_written_back),
    Rule::new(Stage::Notes, members_differ),
];

const SYNCHRONIZE: &str = "Start-ADSyncSyncCycle -PolicyType Delta";

/// A group of the tenant with the object on premises that stands for it, if there is one.
type Both<'a> = (&'a Recipient, Option<&'a Recipient>);

fn groups<'a>(context: &Context<'a>, pair: Pair) -> Vec<Both<'a>> {
    let topology = context.topology;
    let remote =
        |recipient: &&Recipient| matches!(recipient.kind, RecipientKind::RemoteGroup { .. });
    let groups = people::groups(context, pair.tenant).into_iter();
    groups
        .map(|group| {
            let holders = topology.recipients_at(pair.on_premises, group.primary());
            let mut holders = holders.iter().map(|id| topology.recipient(*id));
            (group, holders.find(remote))
        })
        .collect()
}

/// Groups that `Update-Recipient` has not made recipients: nobody finds them in the address list.
fn not_mail_enabled(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        let hidden = |(_, object): &Both<'_>| {
            object.is_some_and(|object| {
                let accepted =
                    topology.accepted_domain_for(pair.on_premises, &object.primary().domain);
                // Of another type, the domain is the trouble.
                let relayed = accepted.is_some_and(|id| {
                    topology.accepted_domain(id).kind == DomainType::InternalRelay
                });
                let disabled = matches!(
                    object.kind,
                    RecipientKind::RemoteGroup {
                        mail_enabled: false,
                        ..
                    }
                );
                relayed && disabled
            })
        };
        let hidden: Vec<&Recipient> = groups(context, pair)
            .into_iter()
            .filter(hidden)
            .filter_map(|(_, object)| object)
            .collect();
        found.extend(hidden_found(&hidden));
    }
    found
}

fn hidden_found(hidden: &[&Recipient]) -> Option<Found> {
    let first = hidden.first()?;
    let message = format!(
        "Update-Recipient has not run for the written-back group {}: nobody on premises finds it in the address list",
        people::and_others(first.primary(), hidden.len())
    );
    let mended = hidden.iter().take(MENDED_MAX);
    let scripts = mended.clone().map(|object| {
        format!(
            "Update-Recipient -Identity {}",
            powershell::quoted(object.primary())
        )
    });
    let scripts: Vec<String> = scripts.collect();
    let edits = mended.filter_map(|object| edit::set_key(&object.settings, "MailEnabled", "true"));
    let draft = Finding::of(
        "group-not-mail-enabled",
        first.settings.at("MailEnabled"),
        message,
    )
    .help("run Update-Recipient for every new group, best by a scheduled task")
    .fix(Side::OnPremises, scripts.join("\n"), edits);
    Some(draft.claims_nothing(hidden.len(), None))
}

/// Groups that are not there at all.
fn not_written_back(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let pairs = hybrid::pairs(topology).into_iter();
    let found = pairs.filter_map(|pair| {
        // Where nothing can be written, that was said.
        if writeback::is_hindered(topology) {
            return None;
        }
        let all = groups(context, pair);
        let missing: Vec<&Recipient> = all
            .iter()
            .filter(|(_, object)| object.is_none())
            .map(|(group, _)| *group)
            .collect();
        let first = missing.first()?;
        let message = format!(
            "no object on premises stands for the group {}: nobody there can pick it or see its members",
            people::and_others(first.primary(), missing.len())
        );
        let mended = missing.iter().take(MENDED_MAX);
        let edits = mended.filter_map(|group| written(topology, pair, group));
        let draft = Finding::of(
            "group-not-written-back",
            first.settings.at("PrimarySmtpAddress"),
            message,
        )
        .help("switch group writeback on in Entra Connect, and let it run")
        .fix(Side::OnPremises, SYNCHRONIZE, edits);
        Some(draft.claims_nothing(missing.len(), None))
    });
    found.collect()
}

/// The object that synchronization would write.
fn written(topology: &Topology, pair: Pair, group: &Recipient) -> Option<Edit> {
    let keys = [
        ("Name", edit::quoted(&group.name)),
        (
            "PrimarySmtpAddress",
            edit::quoted(&group.primary().to_string()),
        ),
        ("Members", addresses(topology, &here(topology, pair, group))),
    ];
    let path = "OnPremises.WrittenBackGroups";
    people::insert(
        topology,
        pair.on_premises,
        path,
        "RemoteGroupMailbox",
        &keys,
    )
}

fn addresses(topology: &Topology, members: &BTreeSet<RecipientId>) -> String {
    let primary = |id: &RecipientId| topology.recipient(*id).primary().to_string();
    edit::list(members.iter().map(primary))
}

/// The members of a group that are in the forest: only they can be members there.
fn here(topology: &Topology, pair: Pair, group: &Recipient) -> BTreeSet<RecipientId> {
    let RecipientKind::Group { members, .. } = &group.kind else {
        return BTreeSet::new();
    };
    let members = people::known(topology, members);
    members
        .filter_map(|(id, _)| topology.namesakes(pair.on_premises, id).first().copied())
        .collect()
}

/// Groups that have other members on premises.
fn members_differ(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        if writeback::is_hindered(topology) {
            continue;
        }
        for (group, object) in groups(context, pair) {
            let Some(object) = object else { continue };
            let RecipientKind::RemoteGroup { members, .. } = &object.kind else {
                continue;
            };
            let expected = here(topology, pair, group);
            let written: BTreeSet<RecipientId> =
                people::known(topology, members).map(|(id, _)| id).collect();
            if written != expected {
                found.push(differing(topology, object, &written, &expected));
            }
        }
    }
    found
}

fn differing(
    topology: &Topology,
    object: &Recipient,
    written: &BTreeSet<RecipientId>,
    expected: &BTreeSet<RecipientId>,
) -> Found {
    let apart: Vec<RecipientId> = written.symmetric_difference(expected).copied().collect();
    let first = apart
        .first()
        .map(|id| topology.recipient(*id).primary().to_string());
    let message = format!(
        "the written-back group `{}` and the group differ by the member {}",
        object.primary(),
        people::and_others(first.unwrap_or_default(), apart.len())
    );
    let list = addresses(topology, expected);
    let draft = Finding::of(
        "group-members-differ",
        object.settings.at("Members"),
        message,
    )
    .help("let directory synchronization run; what it reports as an error says why a member is left out")
    .fix(
        Side::OnPremises,
        SYNCHRONIZE,
        edit::set_key(&object.settings, "Members", &list),
    );
    draft.claims_nothing(apart.len(), None)
}
