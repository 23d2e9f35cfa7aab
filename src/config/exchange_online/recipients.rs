//! Mailboxes, mail users and groups of a tenant.

use std::collections::HashMap;

use super::servers::Tenant;
use crate::config::build::Build;
use crate::config::directory::{self, target_address};
use crate::config::object::{Object, Word};
use crate::diag::Diagnostic;
use crate::mail::Mailbox;
use crate::model::{MailUserFlavour, Member, RecipientId, RecipientKind};

/// Adds the recipients of a tenant, then the members of its groups.
pub(super) fn lower(build: &mut Build, tenant: &Tenant<'_>) {
    let first = build.parts.recipients.len();
    let mut add = |object: &Object, kind| {
        let authenticated = object.flag("RequireSenderAuthenticationEnabled");
        directory::lower(build, tenant.organization, object, kind, authenticated)
    };
    for object in tenant.object.objects("Mailboxes") {
        let kind = RecipientKind::Mailbox {
            server: tenant.hub,
            echo: object.flag("EchoGroupMessageBackToSubscribedSender"),
        };
        add(object, kind);
    }
    for object in tenant.object.objects("MailUsers") {
        let kind = RecipientKind::MailUser {
            flavour: MailUserFlavour::MailUser,
            target_address: target_address(object, "ExternalEmailAddress"),
            echo: object.flag("EchoGroupMessageBackToSubscribedSender"),
        };
        add(object, kind);
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
    let directory = Directory::of(build, first);
    for (object, group) in groups {
        let (kind, diagnostics) = directory.group(build, object);
        build.parts.recipients[group.index()].kind = kind;
        build.diagnostics.extend(diagnostics);
    }
}

/// Who holds which address of a tenant.
struct Directory(HashMap<Mailbox, RecipientId>);

impl Directory {
    /// The directory of the recipients from an index on; the first holder of an address counts.
    fn of(build: &Build, first: usize) -> Self {
        let mut holders = HashMap::new();
        for (index, recipient) in build.parts.recipients.iter().enumerate().skip(first) {
            for address in &recipient.addresses {
                holders
                    .entry(address.clone())
                    .or_insert(RecipientId::new(index));
            }
        }
        Self(holders)
    }

    /// A group with its members and subscribers.
    fn group(&self, build: &Build, object: &Object) -> (RecipientKind, Vec<Diagnostic>) {
        let members = self.members(object.list("Members"));
        let (subscribers, diagnostics) = if object.has("Subscribers") {
            let words = object.list("Subscribers");
            (self.members(words), self.strangers(words, &members))
        } else {
            let cloud = object.flag("AutoSubscribeNewMembers");
            let subscribes = |member: &&Member| is_subscribed(build, member, cloud);
            (
                members.iter().filter(subscribes).cloned().collect(),
                Vec::new(),
            )
        };
        let kind = RecipientKind::Group {
            members,
            subscribers,
            details: Box::default(),
        };
        (kind, diagnostics)
    }

    /// Whom addresses stand for, each once.
    fn members(&self, words: &[Word]) -> Vec<Member> {
        let mut members = Vec::new();
        for word in words {
            let member = self.member(word);
            members.extend(member.filter(|member| !members.contains(member)));
        }
        members
    }

    fn member(&self, word: &Word) -> Option<Member> {
        let address: Mailbox = word.text.parse().ok()?;
        Some(match self.0.get(&address) {
            Some(recipient) => Member::Recipient(*recipient),
            None => Member::Nobody(address),
        })
    }

    /// Says of every subscriber that is no member.
    fn strangers(&self, subscribers: &[Word], members: &[Member]) -> Vec<Diagnostic> {
        let is_stranger = |word: &&Word| self.member(word).is_some_and(|m| !members.contains(&m));
        let strangers = subscribers.iter().filter(is_stranger);
        let report = |word: &Word| {
            let message = format!("the subscriber `{}` is no member of the group", word.text);
            Diagnostic::new("invalid-value", Some(word.location.clone()), message)
                .help("add the address to `Members`, or remove it here")
        };
        strangers.map(report).collect()
    }
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
