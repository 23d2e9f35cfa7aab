//! Mailboxes, mail users and groups of a tenant.

use super::servers::Tenant;
use crate::config::build::Build;
use crate::config::directory::{self, target_address};
use crate::config::keys::timestamp;
use crate::config::object::{Object, Word};
use crate::config::policy::{self, Directory, Written};
use crate::diag::Diagnostic;
use crate::model::{
    DistributionGroup, MailUserFlavour, Member, MemberSince, RecipientKind, UnifiedGroup,
};

/// Adds the recipients of a tenant, then what names others.
pub(super) fn lower(build: &mut Build, tenant: &Tenant<'_>) {
    let first = build.parts.recipients.len();
    let mut written = Written::new();
    let mut add = |object, kind| {
        let authenticated = Object::flag(object, "RequireSenderAuthenticationEnabled");
        let id = directory::lower(build, tenant.organization, object, kind, authenticated);
        written.extend(id.map(|id| (object, id)));
        id
    };
    for object in tenant.object.objects("Mailboxes") {
        let kind = RecipientKind::Mailbox {
            server: tenant.hub,
            echo: object.flag("EchoGroupMessageBackToSubscribedSender"),
        };
        add(object, kind);
    }
    for (key, flavour) in [
        ("MailUsers", MailUserFlavour::MailUser),
        ("MailContacts", MailUserFlavour::Contact),
    ] {
        for object in tenant.object.objects(key) {
            let echo = "EchoGroupMessageBackToSubscribedSender";
            let kind = RecipientKind::MailUser {
                flavour,
                target_address: target_address(object, "ExternalEmailAddress"),
                echo: object.knows(echo) && object.flag(echo),
            };
            add(object, kind);
        }
    }
    for key in ["DistributionGroups", "DynamicDistributionGroups"] {
        for object in tenant.object.objects(key) {
            let group = DistributionGroup {
                dynamic: object.knows("RecipientFilter"),
                ..DistributionGroup::default()
            };
            add(object, RecipientKind::DistributionGroup(Box::new(group)));
        }
    }
    let mut groups = Vec::new();
    for object in tenant.object.objects("UnifiedGroups") {
        let kind = RecipientKind::Group {
            members: Vec::new(),
            subscribers: Vec::new(),
            details: Box::default(),
        };
        groups.extend(add(object, kind).map(|id| (object, id)));
    }
    policy::connect(build, first, &written);
    let directory = Directory::of(build, first);
    for (object, id) in groups {
        let (kind, diagnostics) = group(&directory, build, object);
        build.parts.recipients[id.index()].kind = kind;
        build.diagnostics.extend(diagnostics);
    }
}

/// A group with its members and subscribers.
fn group(
    directory: &Directory,
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
fn details(directory: &Directory, object: &Object) -> UnifiedGroup {
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
fn strangers(directory: &Directory, subscribers: &[Word], members: &[Member]) -> Vec<Diagnostic> {
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
