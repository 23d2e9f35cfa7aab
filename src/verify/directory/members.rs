//! Members of Microsoft 365 Groups with a mailbox on premises, or with one that was moved (Exchange
//! Server, "Configure Microsoft 365 Groups with on-premises Exchange hybrid").

use std::collections::BTreeSet;

use crate::flow::Flow;
use crate::model::{MemberSince, Recipient, RecipientId, RecipientKind, Topology};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people::{self, MENDED_MAX};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Notes, not_subscribed),
    Rule::new(Stage::Notes, navigation_bar),
    Rule::new(Stage::Notes, footer_links),
    Rule::new(Stage::Notes, moved_members),
];

/// Whether a recipient of the tenant stands for somebody with a mailbox on premises.
fn is_on_premises(topology: &Topology, pair: Pair, id: RecipientId) -> bool {
    let recipient = topology.recipient(id);
    let mail_user = matches!(recipient.kind, RecipientKind::MailUser { .. });
    mail_user
        && !recipient.policy().guest
        && people::any_mailbox(topology, topology.namesakes(pair.on_premises, id))
}

/// Members on premises whom an administrator has unsubscribed: they get nothing, and see nothing of
/// the group otherwise.
fn not_subscribed(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        // Choice: with centralized transport a copy of a post that came from the premises does not
        // get back there with its trust, so to leave members unsubscribed is a decision, no oversight.
        if is_centralized(topology, pair) {
            continue;
        }
        for group in people::groups(context, pair.tenant) {
            let RecipientKind::Group {
                members,
                subscribers,
                ..
            } = &group.kind
            else {
                continue;
            };
            let readers: BTreeSet<RecipientId> = people::known(topology, subscribers)
                .map(|(id, _)| id)
                .collect();
            let silent: Vec<&Recipient> = people::known(topology, members)
                .filter(|(id, _)| !readers.contains(id) && is_on_premises(topology, pair, *id))
                .map(|(_, member)| member)
                .collect();
            found.extend(silent_found(context, group, &silent));
        }
    }
    found
}

/// Whether everything that leaves the tenant takes the way by the premises, or is meant to.
fn is_centralized(topology: &Topology, pair: Pair) -> bool {
    let mut told = topology.parts().hybrid_configurations.iter();
    if told.any(|told| told.organization == pair.on_premises && told.centralized) {
        return true;
    }
    let connectors = topology.send_connectors_of(pair.tenant).iter();
    connectors
        .map(|id| topology.send_connector(*id))
        .any(|connector| connector.enabled && connector.via_on_premises)
}

fn silent_found(context: &Context<'_>, group: &Recipient, silent: &[&Recipient]) -> Option<Found> {
    let first = silent.first()?;
    let message = format!(
        "mail of `{}` does not reach the on-premises member {}, for want of a subscription",
        group.primary(),
        people::and_others(first.primary(), silent.len())
    );
    let RecipientKind::Group { subscribers, .. } = &group.kind else {
        return None;
    };
    let links = silent
        .iter()
        .take(MENDED_MAX)
        .map(|member| member.primary());
    let script = format!(
        "Add-UnifiedGroupLinks -Identity {} -LinkType Subscribers -Links {}",
        powershell::quoted(group.primary()),
        powershell::list(links.clone())
    );
    let known = people::known(context.topology, subscribers).map(|(_, one)| one.primary());
    let all = known.chain(links).map(ToString::to_string);
    let edit = edit::set_key(&group.settings, "Subscribers", &edit::list(all));
    let draft = Finding::of(
        "on-premises-member-not-subscribed",
        group.settings.at("Subscribers"),
        message,
    )
    .help("subscribe the member again: who has no mailbox in the cloud cannot do it, and cannot read the group there")
    .fix(Side::ExchangeOnline, script, edit);
    Some(draft.claims_nothing(silent.len(), post(context, group)))
}

/// A post to a group, as somebody of the deployment writes it.
fn post(context: &Context<'_>, group: &Recipient) -> Option<Flow> {
    let classes = &context.survey.recipients;
    let to_it = |to: usize| classes[to].members.contains(&group.primary());
    let asked = context.survey.asked.iter().enumerate();
    let posts: Vec<usize> = asked
        .filter(|(_, asked)| to_it(asked.to))
        .map(|(index, _)| index)
        .collect();
    context.witness(&posts)
}

/// The members of a tenant's groups with a mailbox on premises, each once.
fn on_premises_members<'a>(
    context: &Context<'a>,
    pair: Pair,
    subscribed: bool,
) -> Vec<&'a Recipient> {
    let topology = context.topology;
    let mut found: Vec<RecipientId> = Vec::new();
    for group in people::groups(context, pair.tenant) {
        if let RecipientKind::Group {
            members,
            subscribers,
            ..
        } = &group.kind
        {
            let list = if subscribed { subscribers } else { members };
            found.extend(people::known(topology, list).map(|(id, _)| id));
        }
    }
    found.sort_unstable();
    found.dedup();
    let members = found.into_iter();
    members
        .filter(|id| is_on_premises(topology, pair, *id))
        .map(|id| topology.recipient(id))
        .collect()
}

/// No group shows in Outlook for a mailbox on premises: by design, and asked often.
fn navigation_bar(context: &Context<'_>) -> Vec<Found> {
    let pairs = hybrid::pairs(context.topology).into_iter();
    let found = pairs.filter_map(|pair| {
        let members = on_premises_members(context, pair, false);
        let first = members.first()?;
        let message = format!(
            "groups do not show in the navigation bar of {}, whose mailbox is on premises",
            people::and_others(first.primary(), members.len())
        );
        let draft = Finding::of(
            "group-not-in-navigation-bar",
            first.settings.object.as_ref(),
            message,
        )
        .help("nothing is broken: mail reaches them; only a mailbox in the cloud has all that groups offer");
        Some(draft.claims_nothing(members.len(), None))
    });
    found.collect()
}

/// The links at the foot of a post lead to the cloud's pages, where a user on premises has no mailbox.
fn footer_links(context: &Context<'_>) -> Vec<Found> {
    let pairs = hybrid::pairs(context.topology).into_iter();
    let found = pairs.filter_map(|pair| {
        let readers = on_premises_members(context, pair, true);
        let first = readers.first()?;
        let message = format!(
            "{} cannot use the links at the foot of posts, as the mailbox is on premises: an administrator unsubscribes them",
            people::and_others(first.primary(), readers.len())
        );
        let draft = Finding::of(
            "group-footer-links-unusable",
            first.settings.object.as_ref(),
            message,
        )
        .help("nothing is broken: tell them whom to ask");
        Some(draft.claims_nothing(readers.len(), None))
    });
    found.collect()
}

/// Mailboxes that were moved after they became members: Outlook on the web leaves the groups out.
fn moved_members(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        for group in people::groups(context, pair.tenant) {
            let RecipientKind::Group { details, .. } = &group.kind else {
                continue;
            };
            let since = details.member_since.iter();
            let moved = since.filter_map(|entry| moved_later(topology, entry));
            found.extend(moved.map(|(entry, member)| moved_found(topology, group, entry, member)));
        }
    }
    found
}

/// The member, where its mailbox came to the tenant after it had joined.
fn moved_later<'a>(
    topology: &'a Topology,
    entry: &'a MemberSince,
) -> Option<(&'a MemberSince, &'a Recipient)> {
    let [(_, member)] =
        people::known(topology, std::slice::from_ref(&entry.member)).collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let moved_at = member.policy().moved_at?;
    let mailbox = matches!(member.kind, RecipientKind::Mailbox { .. });
    (mailbox && moved_at > entry.since).then_some((entry, member))
}

fn moved_found(
    topology: &Topology,
    group: &Recipient,
    entry: &MemberSince,
    member: &Recipient,
) -> Found {
    let message = format!(
        "`{}` joined `{}` before the mailbox was moved: Outlook does not show the group",
        member.primary(),
        group.primary()
    );
    let (identity, links) = (
        powershell::quoted(group.primary()),
        powershell::quoted(member.primary()),
    );
    let script = ["Remove", "Add"].map(|verb| {
        format!("{verb}-UnifiedGroupLinks -Identity {identity} -LinkType Members -Links {links}")
    });
    let now = edit::quoted(&topology.as_of().to_string());
    let at = entry.settings.written("Since");
    Finding::of("groups-missing-in-navigation-pane", at, message)
        .help("take the member out and in again, then look at the subscription: it is made anew")
        .fix(
            Side::ExchangeOnline,
            script.join("\n"),
            at.map(|at| edit::replace(at, now)),
        )
        .claims_nothing(1, None)
}
