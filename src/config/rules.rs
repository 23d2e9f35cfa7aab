//! Mail-flow rules: what both dialects write alike (Exchange PowerShell, "New-TransportRule").

use super::build::{Build, unknown};
use super::keys::CONTENT_CONDITIONS;
use super::object::Object;
use super::policy::Directory;
use super::sending::conflict;
use crate::model::{
    Action, Condition, OrganizationId, OrganizationKind, Scope, SendConnectorId, TransportRule,
};

/// The keys of what a rule does.
const ACTIONS: &[&str] = &[
    "RedirectMessageTo",
    "AddToRecipients",
    "CopyTo",
    "BlindCopyTo",
    "RejectMessageReasonText",
    "RejectMessageEnhancedStatusCode",
    "DeleteMessage",
    "RouteMessageOutboundRequireTls",
    "RouteMessageOutboundConnector",
];

/// Adds the mail-flow rules of an organization; `first` is the index of its first recipient.
pub(super) fn lower(
    build: &mut Build,
    organization: OrganizationId,
    first: usize,
    objects: &[Object],
) {
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("mail-flow rule", names);
    let directory = Directory::of(build, first);
    for (index, object) in objects.iter().enumerate() {
        let Some(name) = object.text("Name") else {
            continue;
        };
        let place = u32::try_from(index).unwrap_or(u32::MAX);
        let actions = actions(build, organization, &directory, object);
        if actions.is_empty() && !ACTIONS.iter().any(|key| object.has(key)) {
            refuse_idle(build, object);
        }
        build.parts.rules.push(TransportRule {
            organization,
            name: name.to_owned(),
            priority: object.parse("Priority").unwrap_or(place),
            enabled: object.text("State") == Some("Enabled"),
            enforced: object.text("Mode") == Some("Enforce"),
            conditions: conditions(&directory, object, ""),
            exceptions: conditions(&directory, object, "ExceptIf"),
            actions,
            stops: object.flag("StopRuleProcessing"),
            settings: object.settings(),
        });
    }
}

fn refuse_idle(build: &mut Build, object: &Object) {
    let name = object.text("Name").unwrap_or_default();
    build.report(
        "missing-key",
        &object.location,
        format!("the rule `{name}` does nothing"),
        "add an action, such as `RedirectMessageTo` or `RejectMessageReasonText`",
    );
}

/// The conditions, or with the prefix of exceptions those.
fn conditions(directory: &Directory, object: &Object, prefix: &str) -> Vec<Condition> {
    let key = |name: &str| format!("{prefix}{name}");
    let people = |name: &str| directory.members(object.list(&key(name)));
    let domains = |name: &str| object.parse_list(&key(name));
    let scope = |name: &str| {
        let key = key(name);
        let known = object.knows(&key).then(|| object.text(&key)).flatten();
        known.map(|text| match text {
            "InOrganization" => Scope::Inside,
            _ => Scope::Outside,
        })
    };
    let mut found = Vec::new();
    let mut add = |written: bool, condition: Condition| {
        if written {
            found.push(condition);
        }
    };
    let states = |name: &str| object.states(&key(name));
    add(states("From"), Condition::From(people("From")));
    add(
        states("FromMemberOf"),
        Condition::FromMemberOf(people("FromMemberOf")),
    );
    add(
        states("SenderDomainIs"),
        Condition::SenderDomainIs(domains("SenderDomainIs")),
    );
    add(states("SentTo"), Condition::SentTo(people("SentTo")));
    add(
        states("SentToMemberOf"),
        Condition::SentToMemberOf(people("SentToMemberOf")),
    );
    add(
        states("RecipientDomainIs"),
        Condition::RecipientDomainIs(domains("RecipientDomainIs")),
    );
    found.extend(scope("FromScope").map(Condition::FromScope));
    found.extend(scope("SentToScope").map(Condition::SentToScope));
    if prefix.is_empty() {
        let size = object.parse("MessageSizeOver");
        found.extend(size.map(Condition::MessageSizeOver));
        let content = CONTENT_CONDITIONS.iter().copied();
        found.extend(
            content
                .filter(|key| object.has(key))
                .map(Condition::Content),
        );
    }
    found
}

fn actions(
    build: &mut Build,
    organization: OrganizationId,
    directory: &Directory,
    object: &Object,
) -> Vec<Action> {
    let people = |key: &str| directory.members(object.list(key));
    let mut actions = Vec::new();
    if object.states("RedirectMessageTo") {
        actions.push(Action::Redirect(people("RedirectMessageTo")));
    }
    for key in ["AddToRecipients", "CopyTo", "BlindCopyTo"] {
        if object.states(key) {
            actions.push(Action::Add(people(key)));
        }
    }
    let (status, text) = ("RejectMessageEnhancedStatusCode", "RejectMessageReasonText");
    if object.has(status) || object.has(text) {
        check_status(build, object, status);
        actions.push(Action::Reject {
            status: object.text(status).unwrap_or("5.7.1").to_owned(),
            text: object
                .text(text)
                .unwrap_or("Delivery not authorized, message refused")
                .to_owned(),
        });
    }
    if object.flag("DeleteMessage") {
        actions.push(Action::Delete);
    }
    if object.flag("RouteMessageOutboundRequireTls") {
        actions.push(Action::RequireTls);
    }
    if object.has("RouteMessageOutboundConnector") {
        actions.extend(connector(build, organization, object).map(Action::Route));
    }
    actions
}

/// A rule refuses with the statuses that are kept for it (Exchange PowerShell, "Set-TransportRule").
fn check_status(build: &mut Build, object: &Object, key: &str) {
    let Some(text) = object.text(key) else { return };
    let detail = text
        .strip_prefix("5.7.")
        .and_then(|detail| detail.parse().ok());
    if !detail.is_some_and(|detail: u16| detail == 1 || (900..=999).contains(&detail)) {
        build.report(
            "invalid-value",
            object.at(key),
            format!("a rule cannot refuse with `{text}`"),
            "write `5.7.1`, or one from `5.7.900` to `5.7.999`".to_owned(),
        );
    }
}

/// The outbound connector that a rule of a tenant names.
fn connector(
    build: &mut Build,
    organization: OrganizationId,
    object: &Object,
) -> Option<SendConnectorId> {
    let key = "RouteMessageOutboundConnector";
    let word = object.word(key)?;
    let kind = build.parts.organizations[organization.index()].kind;
    if kind != OrganizationKind::ExchangeOnline {
        conflict(
            build,
            object,
            key,
            format!("`{key}` exists in Exchange Online only"),
            "remove it: on premises, the address spaces of Send connectors choose".to_owned(),
        );
        return None;
    }
    let all = build.parts.send_connectors.iter().enumerate();
    let ours: Vec<(usize, &str)> = all
        .filter(|(_, each)| each.organization == organization)
        .map(|(index, each)| (index, each.name.as_str()))
        .collect();
    let found = ours
        .iter()
        .find(|(_, name)| name.eq_ignore_ascii_case(&word.text));
    if let Some((index, _)) = found {
        return Some(SendConnectorId::new(*index));
    }
    let names: Vec<&str> = ours.iter().map(|(_, name)| *name).collect();
    let add = "describe the connector first";
    let diagnostic = unknown("outbound connector", &word, &names, add);
    build.diagnostics.push(diagnostic);
    None
}
