//! The recipients of an on-premises organization.

use crate::config::build::Build;
use crate::config::directory::{self, target_address};
use crate::config::object::Object;
use crate::config::policy::{self, Written};
use crate::model::{
    DistributionGroup, MailUserFlavour, OrganizationId, RecipientKind, Server, ServerId, ServerRole,
};

/// Adds every recipient, then what names others.
pub(super) fn lower(build: &mut Build, organization: OrganizationId, object: &Object) {
    let first = build.parts.recipients.len();
    let mut written = Written::new();
    mailboxes(build, organization, object, &mut written);
    for (key, flavour) in [
        ("RemoteMailboxes", MailUserFlavour::RemoteMailbox),
        ("MailUsers", MailUserFlavour::MailUser),
        ("MailContacts", MailUserFlavour::Contact),
    ] {
        mail_users(
            build,
            organization,
            object.objects(key),
            flavour,
            &mut written,
        );
    }
    for key in ["DistributionGroups", "DynamicDistributionGroups"] {
        groups(build, organization, object.objects(key), &mut written);
    }
    written_back_groups(build, organization, object, &mut written);
    policy::connect(build, first, &written);
}

fn mailboxes<'a>(
    build: &mut Build,
    organization: OrganizationId,
    object: &'a Object,
    written: &mut Written<'a>,
) {
    for object in object.objects("Mailboxes") {
        let Some(server) = mailbox_server(build, organization, object) else {
            continue;
        };
        let kind = RecipientKind::Mailbox {
            server,
            echo: false,
        };
        let authenticated = object.flag("RequireSenderAuthenticationEnabled");
        let id = directory::lower(build, organization, object, kind, authenticated);
        written.extend(id.map(|id| (object, id)));
    }
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

fn mail_users<'a>(
    build: &mut Build,
    organization: OrganizationId,
    objects: &'a [Object],
    flavour: MailUserFlavour,
    written: &mut Written<'a>,
) {
    let key = match flavour {
        MailUserFlavour::Contact | MailUserFlavour::MailUser => "ExternalEmailAddress",
        MailUserFlavour::RemoteMailbox => "RemoteRoutingAddress",
    };
    for object in objects {
        let kind = RecipientKind::MailUser {
            flavour,
            target_address: target_address(object, key),
            echo: false,
        };
        let authenticated = object.flag("RequireSenderAuthenticationEnabled");
        let id = directory::lower(build, organization, object, kind, authenticated);
        written.extend(id.map(|id| (object, id)));
    }
}

fn groups<'a>(
    build: &mut Build,
    organization: OrganizationId,
    objects: &'a [Object],
    written: &mut Written<'a>,
) {
    for object in objects {
        let ours = |server: &Server| server.organization == organization;
        let server = object.word("ExpansionServer");
        let group = DistributionGroup {
            dynamic: object.knows("RecipientFilter"),
            expansion_server: server.and_then(|word| build.server_named(&word, ours)),
            ..DistributionGroup::default()
        };
        let kind = RecipientKind::DistributionGroup(Box::new(group));
        let authenticated = object.flag("RequireSenderAuthenticationEnabled");
        let id = directory::lower(build, organization, object, kind, authenticated);
        written.extend(id.map(|id| (object, id)));
    }
}

fn written_back_groups<'a>(
    build: &mut Build,
    organization: OrganizationId,
    object: &'a Object,
    written: &mut Written<'a>,
) {
    for object in object.objects("WrittenBackGroups") {
        let kind = RecipientKind::RemoteGroup {
            target_address: target_address(object, "ExternalEmailAddress"),
            mail_enabled: object.flag("MailEnabled"),
            members: Vec::new(),
        };
        // Choice: a group that is written back takes mail from authenticated senders only, as the
        // object of directory synchronization says.
        let id = directory::lower(build, organization, object, kind, true);
        written.extend(id.map(|id| (object, id)));
    }
}
