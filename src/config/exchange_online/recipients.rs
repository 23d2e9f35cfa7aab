//! Mailboxes, mail users and groups of a tenant.

use super::servers::Tenant;
use crate::config::build::Build;
use crate::config::directory::{self, target_address};
use crate::config::keys::timestamp;
use crate::config::object::{Object, Word};
use crate::config::policy::{self, Directory, Written};
use crate::config::rows;
use crate::diag::Diagnostic;
use crate::model::{
    AddressIndex, DistributionGroup, MailUserFlavour, Member, MemberSince, RecipientId,
    RecipientKind, UnifiedGroup,
};

/// The lists of recipients, in the order in which they are lowered.
const LISTS: [&str; 6] = [
    "Mailboxes",
    "MailUsers",
    "MailContacts",
    "DistributionGroups",
    "DynamicDistributionGroups",
    "UnifiedGroups",
];

/// Adds the recipients of a tenant, then what names others.
pub(super) fn lower(build: &mut Build, tenant: &Tenant<'_>) {
    let first = build.parts.recipients.len();
    let mut written = Written::new();
    for object in LISTS.iter().flat_map(|key| tenant.object.objects(key)) {
        let id = one(build, tenant, object);
        written.extend(id.map(|id| (object, id)));
    }
    let mut rows = Vec::new();
    rows::each(build, tenant.object, &mut |build, row| {
        let id = one(build, tenant, &row);
        policy::keep(build, id, row, &mut rows);
    });
    written.extend(rows.iter().map(|(object, id)| (object, *id)));
    let index = AddressIndex::new(&build.parts.recipients, first);
    policy::connect_with(build, &index, &written);
    let is_group = |(object, _): &&(&Object, RecipientId)| object.kind.name() == "UnifiedGroups";
    for (object, id) in written.iter().filter(is_group) {
        let directory = Directory::new(&index, &build.parts.recipients);
        let (kind, diagnostics) = group(&directory, build, object);
        build.parts.recipients[id.index()].kind = kind;
        build.diagnostics.extend(diagnostics);
    }
}

/// Adds one recipient; what it names follows when all are known.
fn one(build: &mut Build, tenant: &Tenant<'_>, object: &Object) -> Option<RecipientId> {
    let echo = "EchoGroupMessageBackToSubscribedSender";
    let mail_user = |flavour| RecipientKind::MailUser {
        flavour,
        target_address: target_address(object, "ExternalEmailAddress"),
        echo: object.knows(echo) && object.flag(echo),
    };
    let kind = match object.kind.name() {
        "Mailboxes" => RecipientKind::Mailbox {
            server: tenant.hub,
            echo: object.flag(echo),
        },
        "MailContacts" => mail_user(MailUserFlavour::Contact),
        "MailUsers" => mail_user(MailUserFlavour::MailUser),
        "UnifiedGroups" => RecipientKind::Group {
            members: Vec::new(),
            subscribers: Vec::new(),
            details: Box::default(),
        },
        _ => RecipientKind::DistributionGroup(Box::new(DistributionGroup {
            dynamic: object.knows("RecipientFilter"),
            ..DistributionGroup::default()
        })),
    };
    let authenticated = object.flag("RequireSenderAuthenticationEnabled");
    directory::lower(build, tenant.organization, object, kind, authenticated)
}

/// A group with its members and subscribers.
fn group(
    directory: &Directory<'_>,
    build: &Build,
    object: &Object,
) -> (RecipientKind, Vec<Diagnostic>) {
    let members = directory.members(object.list("Members"));
    let (subscribers, diagnostics) = if object.has("Subscribers") {
        let words = object.list("Subscribers");
        let strangers = strangers(directory, words, &members);
        (directory.members(words), strangers)
    } else {
        let cloud = object.flag("AutoSubscribeNewMembers");
        let subscribes = |member: &&Member| is_subscribed(build, member, cloud);
        let subscribers = members.iter().filter(subscribes).cloned().collect();
        (subscribers, Vec::new())
    };
    let kind = RecipientKind::Group {
        subscribers,
        details: Box::new(details(directory, object)),
        members,
    };
    (kind, diagnostics)
}

/// What a group has beside members and subscribers.
fn details(directory: &Directory<'_>, object: &Object) -> UnifiedGroup {
    let since = |entry: &Object| {
        Some(MemberSince {
            member: directory.member(&entry.word("Member")?)?,
            since: timestamp(entry.text("Since")?)?,
            settings: entry.settings(),
        })
    };
    UnifiedGroup {
        owners: directory.members(object.list("Owners")),
        event_subscribers: object
            .has("EventSubscribers")
            .then(|| directory.members(object.list("EventSubscribers"))),
        always_subscribe_to_events: object.flag("AlwaysSubscribeMembersToCalendarEvents"),
        subscription_enabled: object.flag("SubscriptionEnabled"),
        hidden_from_clients: object.flag("HiddenFromExchangeClientsEnabled"),
        member_since: object
            .objects("MemberSince")
            .iter()
            .filter_map(since)
            .collect(),
        created_at: object.text("WhenCreated").and_then(timestamp),
    }
}

/// Says of every subscriber that is no member.
fn strangers(
    directory: &Directory<'_>,
    subscribers: &[Word],
    members: &[Member],
) -> Vec<Diagnostic> {
    let is_stranger = |word: &&Word| {
        directory
            .member(word)
            .is_some_and(|member| !members.contains(&member))
    };
    let report = |word: &Word| {
        let message = format!("the subscriber `{}` is no member of the group", word.text);
        Diagnostic::new("invalid-value", Some(word.location.clone()), message)
            .help("add the address to `Members`, or remove it here")
    };
    subscribers.iter().filter(is_stranger).map(report).collect()
}

/// Whether a member gets copies where the group names no subscribers: on-premises users and guests
/// always, mailboxes of the tenant where the group subscribes new members (Exchange Server,
/// "Configure Microsoft 365 Groups with on-premises Exchange hybrid").
fn is_subscribed(build: &Build, member: &Member, cloud: bool) -> bool {
    let Member::Recipient(id) = member else {
        return false;
    };
    match build.parts.recipients[id.index()].kind {
        RecipientKind::MailUser { .. } => true,
        RecipientKind::Mailbox { .. } => cloud,
        RecipientKind::DistributionGroup(_)
        | RecipientKind::Group { .. }
        | RecipientKind::RemoteGroup { .. } => false,
    }
}
