//! Mail-flow rules that meet a message twice, or never (Exchange Online, "Mail flow rules (transport
//! rules) in Exchange Online"; Exchange PowerShell, "New-TransportRule").

use std::collections::{BTreeMap, BTreeSet};

use crate::flow::Fork;
use crate::mail::{Domain, EnhancedStatus, Limit};
use crate::model::{
    Action, Condition, Member, OrganizationId, RecipientKind, RuleId, Scope, Topology,
    TransportRule,
};
use crate::route::Subject;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::Finding;
use crate::verify::hybrid;
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Outcome, twice),
    Rule::new(Stage::Notes, never),
    Rule::new(Stage::Notes, disabled_connectors),
];

/// Rules that would change the recipients of a message once more after it has been elsewhere.
fn twice(context: &Context<'_>) -> Vec<Found> {
    let mut by_rule: BTreeMap<RuleId, Vec<usize>> = BTreeMap::new();
    for (index, asked) in context.open() {
        let forks = asked.answers.iter().flat_map(|(_, flow)| &flow.forks);
        let rules: BTreeSet<RuleId> = forks.filter_map(once_too_often).collect();
        for rule in rules {
            by_rule.entry(rule).or_default().push(index);
        }
    }
    let found = by_rule
        .into_iter()
        .map(|(id, claims)| twice_found(context, id, claims));
    found.collect()
}

/// The rule that a fork fails by, because recipients were changed too often.
fn once_too_often(fork: &Fork) -> Option<RuleId> {
    const LOOP: EnhancedStatus = EnhancedStatus::new(5, 7, 128);
    fork.status
        .as_ref()
        .filter(|status| status.enhanced == LOOP)?;
    let steps = fork
        .hops
        .iter()
        .rev()
        .flat_map(|hop| hop.steps.iter().rev());
    steps.into_iter().find_map(|step| match step.chosen {
        Some(Subject::Rule(id)) => Some(id),
        _ => None,
    })
}

fn twice_found(context: &Context<'_>, id: RuleId, claims: Vec<usize>) -> Found {
    const KEY: &str = "ExceptIfRecipientDomainIs";
    let topology = context.topology;
    let rule = topology.rule(id);
    let message = format!(
        "the mail-flow rule `{}` meets a message twice, and may change its recipients once",
        rule.name
    );
    let mut spared: BTreeSet<&Domain> = excepted(rule).collect();
    let asked = claims.iter().map(|index| &context.survey.asked[*index]);
    spared.extend(asked.flat_map(|asked| written_to(context, asked)));
    let spared: Vec<String> = spared.into_iter().map(ToString::to_string).collect();
    let script = format!(
        "Set-TransportRule -Identity {} -{KEY} {}",
        powershell::quoted(&rule.name),
        powershell::list(&spared)
    );
    let edit = edit::set_key(&rule.settings, KEY, &edit::list(spared));
    Finding::of("rule-runs-twice", rule.settings.object.as_ref(), message)
        .help("spare the domains whose mail comes back, or let the rule set a header and spare messages with it")
        .fix(hybrid::side(context.topology, rule.organization), script, edit)
        .claims(context, claims)
}

/// The domains that a rule spares already.
fn excepted(rule: &TransportRule) -> impl Iterator<Item = &Domain> {
    let lists = rule
        .exceptions
        .iter()
        .filter_map(|exception| match exception {
            Condition::RecipientDomainIs(domains) => Some(domains),
            _ => None,
        });
    lists.flatten()
}

/// The domains that the failing copies of a question are for.
fn written_to<'a>(context: &'a Context<'_>, asked: &'a Asked) -> impl Iterator<Item = &'a Domain> {
    let members = &context.survey.recipients[asked.to].members;
    members.iter().map(|address| &address.domain)
}

/// Rules in use that no message can meet.
fn never(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for (organization, _) in topology.organizations() {
        let mut stopped: Option<&TransportRule> = None;
        for id in topology.rules_of(organization) {
            let rule = topology.rule(*id);
            if !rule.enabled || !rule.enforced {
                continue;
            }
            let why = match stopped {
                Some(by) => Some(format!(
                    "`{}` ends the processing of every message before it",
                    by.name
                )),
                None => contradiction(topology, rule),
            };
            if let Some(why) = why {
                found.push(never_found(context, rule, why));
            } else if stopped.is_none() && ends_everything(rule) {
                stopped = Some(rule);
            }
        }
    }
    found
}

fn never_found(context: &Context<'_>, rule: &TransportRule, why: String) -> Found {
    let message = format!("no message can meet the mail-flow rule `{}`", rule.name);
    let script = format!(
        "Disable-TransportRule -Identity {}",
        powershell::quoted(&rule.name)
    );
    let edit = edit::set_key(&rule.settings, "State", &edit::quoted("Disabled"));
    Finding::of("rule-never-applies", rule.settings.object.as_ref(), message)
        .because(why)
        .help("correct its conditions, or disable it")
        .fix(
            hybrid::side(context.topology, rule.organization),
            script,
            edit,
        )
        // What no message meets concerns nobody's.
        .claims_nothing(0, None)
}

/// Whether no rule after this one sees any message.
fn ends_everything(rule: &TransportRule) -> bool {
    let everything = rule.conditions.is_empty() && rule.exceptions.is_empty();
    let ends = |action: &Action| matches!(action, Action::Delete | Action::Reject { .. });
    everything && (rule.stops || rule.actions.iter().any(ends))
}

/// Why the conditions of a rule cannot all hold.
fn contradiction(topology: &Topology, rule: &TransportRule) -> Option<String> {
    let excluded = |condition: &&Condition| {
        !matches!(condition, Condition::Content(_)) && rule.exceptions.contains(condition)
    };
    if rule.conditions.iter().any(|condition| excluded(&condition)) {
        return Some("an exception spares everything that a condition is about".to_owned());
    }
    rule.conditions.iter().find_map(|condition| {
        let own = |domain: &Domain| {
            topology
                .accepted_domain_for(rule.organization, domain)
                .is_some()
        };
        match condition {
            Condition::SentTo(members) if all_nobody(topology, rule.organization, members) => {
                Some("nobody whom it is for exists".to_owned())
            }
            Condition::From(members) if all_nobody(topology, rule.organization, members) => {
                Some("nobody whose messages it is for exists".to_owned())
            }
            Condition::FromMemberOf(groups) | Condition::SentToMemberOf(groups)
                if groups.iter().all(|group| is_empty(topology, group)) =>
            {
                Some("the groups that it is about have no members".to_owned())
            }
            Condition::RecipientDomainIs(domains)
                if domains.iter().all(own)
                    && rule
                        .conditions
                        .contains(&Condition::SentToScope(Scope::Outside)) =>
            {
                Some(
                    "its domains are the organization's own, and its recipients are to be outside"
                        .to_owned(),
                )
            }
            Condition::MessageSizeOver(size) => {
                let transport = &topology.organization(rule.organization).transport;
                let limit = transport.max_send_size.max(transport.max_receive_size);
                matches!(limit, Limit::Bytes(most) if *size > most)
                    .then(|| format!("no message may be larger than {limit}"))
            }
            _ => None,
        }
    })
}

/// Whether a list names addresses of the organization's own domains alone, and nobody has them.
fn all_nobody(topology: &Topology, organization: OrganizationId, members: &[Member]) -> bool {
    members.iter().all(|member| match member {
        Member::Recipient(_) => false,
        Member::Nobody(address) => {
            let accepted = topology.accepted_domain_for(organization, &address.domain);
            accepted.is_some()
        }
    })
}

fn is_empty(topology: &Topology, group: &Member) -> bool {
    let Member::Recipient(id) = group else {
        return true;
    };
    match &topology.recipient(*id).kind {
        RecipientKind::DistributionGroup(group) => group.members.is_empty(),
        RecipientKind::Group { members, .. } | RecipientKind::RemoteGroup { members, .. } => {
            members.is_empty()
        }
        RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } => true,
    }
}

/// Rules that choose a connector that is switched off.
fn disabled_connectors(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let ids = (0..).map(RuleId::new);
    let in_use = ids.zip(&topology.parts().rules);
    let in_use = in_use.filter(|(_, rule)| rule.enabled && rule.enforced);
    let chosen = in_use.flat_map(|(id, rule)| {
        let connectors = rule.actions.iter().filter_map(|action| match action {
            Action::Route(id) => Some(topology.send_connector(*id)),
            _ => None,
        });
        connectors.map(move |connector| (id, rule, connector))
    });
    let found = chosen
        .filter(|(.., connector)| !connector.enabled)
        .map(|(id, rule, connector)| {
            let met = context.all_where(|asked| meets(asked, id));
            let message = format!(
                "the mail-flow rule `{}` chooses the connector `{}`, which is disabled",
                rule.name, connector.name
            );
            let identity = powershell::quoted(&connector.name);
            Finding::of(
                "rule-chooses-disabled-connector",
                rule.settings.at("RouteMessageOutboundConnector"),
                message,
            )
            .help("enable the connector, or take the action out of the rule")
            .fix(
                hybrid::side(context.topology, rule.organization),
                format!("Set-OutboundConnector -Identity {identity} -Enabled $true"),
                edit::set_key(&connector.settings, "Enabled", "true"),
            )
            .claims_nothing(context.affected(&met), None)
        });
    found.collect()
}

/// Whether a rule applies to a message.
fn meets(asked: &Asked, id: RuleId) -> bool {
    let forks = asked.answers.iter().flat_map(|(_, flow)| &flow.forks);
    let mut steps = forks.flat_map(|fork| &fork.hops).flat_map(|hop| &hop.steps);
    steps.any(|step| step.chosen == Some(Subject::Rule(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Settings;

    fn rule(conditions: Vec<Condition>, stops: bool) -> TransportRule {
        TransportRule {
            organization: OrganizationId::new(0),
            name: "All".to_owned(),
            priority: 0,
            enabled: true,
            enforced: true,
            conditions,
            exceptions: Vec::new(),
            actions: vec![Action::RequireTls],
            stops,
            settings: Settings::default(),
        }
    }

    #[test]
    fn only_a_rule_for_every_message_ends_everything() {
        assert!(ends_everything(&rule(Vec::new(), true)));
        assert!(!ends_everything(&rule(Vec::new(), false)));
        let some = vec![Condition::FromScope(Scope::Outside)];
        assert!(!ends_everything(&rule(some, true)));
        let mut refusing = rule(Vec::new(), false);
        refusing.actions = vec![Action::Delete];
        assert!(ends_everything(&refusing));
    }
}
