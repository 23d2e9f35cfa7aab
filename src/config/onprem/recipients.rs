//! The recipients of an on-premises organization.

use crate::config::build::Build;
use crate::config::directory::{self, target_address};
use crate::config::object::Object;
use crate::config::policy::{self, Written};
use crate::config::rows;
use crate::model::{
    DistributionGroup, MailUserFlavour, OrganizationId, RecipientId, RecipientKind, Server,
    ServerId, ServerRole,
};

/// The lists of recipients, in the order in which they are lowered.
const LISTS: [&str; 7] = [
    "Mailboxes",
    "RemoteMailboxes",
    "MailUsers",
    "MailContacts",
    "DistributionGroups",
    "DynamicDistributionGroups",
    "WrittenBackGroups",
];

/// Adds every recipient, then what names others.
pub(super) fn lower(build: &mut Build, organization: OrganizationId, object: &Object) {
    let first = build.parts.recipients.len();
    let mut written = Written::new();
    for object in LISTS.iter().flat_map(|key| object.objects(key)) {
        let id = one(build, organization, object);
        written.extend(id.map(|id| (object, id)));
    }
    let mut rows = Vec::new();
    rows::each(build, object, &mut |build, row| {
        let id = one(build, organization, &row);
        policy::keep(build, id, row, &mut rows);
    });
    written.extend(rows.iter().map(|(object, id)| (object, *id)));
    policy::connect(build, first, &written);
}

/// Adds one recipient; what it names follows when all are known.
fn one(build: &mut Build, organization: OrganizationId, object: &Object) -> Option<RecipientId> {
    let authenticated = || object.flag("RequireSenderAuthenticationEnabled");
    let (kind, authenticated) = match object.kind.name() {
        "Mailboxes" => (mailbox(build, organization, object)?, authenticated()),
        "DistributionGroups" | "DynamicDistributionGroups" => {
            (group(build, organization, object), authenticated())
        }
        // Choice: a group that is written back takes mail from authenticated senders only, as the
        // object of directory synchronization says.
        "WrittenBackGroups" => (written_back_group(object), true),
        _ => (mail_user(object), authenticated()),
    };
    directory::lower(build, organization, object, kind, authenticated)
}

fn mailbox(
    build: &mut Build,
    organization: OrganizationId,
    object: &Object,
) -> Option<RecipientKind> {
    Some(RecipientKind::Mailbox {
        server: mailbox_server(build, organization, object)?,
        echo: false,
    })
}

/// The server that holds a mailbox.
fn mailbox_server(
    build: &mut Build,
    organization: OrganizationId,
    object: &Object,
) -> Option<ServerId> {
    let holds =
        |server: &Server| server.organization == organization && server.role == ServerRole::Mailbox;
    if let Some(word) = object.word("ServerName") {
        return build.server_named(&word, holds);
    }
    let first = build
        .servers_of(organization)
        .find(|(_, server)| holds(server));
    let first = first.map(|(id, _)| id);
    if first.is_none() {
        build.report(
            "missing-key",
            &object.location,
            "the mailbox is on no server: the organization has no Mailbox server",
            "add a server with `[[OnPremises.Servers]]`",
        );
    }
    first
}

fn mail_user(object: &Object) -> RecipientKind {
    let (key, flavour) = match object.kind.name() {
        "RemoteMailboxes" => ("RemoteRoutingAddress", MailUserFlavour::RemoteMailbox),
        "MailContacts" => ("ExternalEmailAddress", MailUserFlavour::Contact),
        _ => ("ExternalEmailAddress", MailUserFlavour::MailUser),
    };
    RecipientKind::MailUser {
        flavour,
        target_address: target_address(object, key),
        echo: false,
    }
}

fn group(build: &mut Build, organization: OrganizationId, object: &Object) -> RecipientKind {
    let ours = |server: &Server| server.organization == organization;
    let server = object.word("ExpansionServer");
    RecipientKind::DistributionGroup(Box::new(DistributionGroup {
        dynamic: object.knows("RecipientFilter"),
        expansion_server: server.and_then(|word| build.server_named(&word, ours)),
        ..DistributionGroup::default()
    }))
}

fn written_back_group(object: &Object) -> RecipientKind {
    RecipientKind::RemoteGroup {
        target_address: target_address(object, "ExternalEmailAddress"),
        mail_enabled: object.flag("MailEnabled"),
        members: Vec::new(),
    }
}
