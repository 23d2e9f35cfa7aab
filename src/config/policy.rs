//! What few recipients have, and whom groups and restrictions name: both dialects write it alike.

use super::build::Build;
use super::keys::{address_of_kind, count, timestamp};
use super::object::{Content, Field, Object, Word};
use crate::diag::Diagnostic;
use crate::mail::{Limit, Mailbox};
use crate::model::{
    AddressIndex, DistributionGroup, ForeignAddress, Forwarding, InboxRule, MailboxType, Member,
    Moderation, OrganizationId, Policy, Recipient, RecipientId, RecipientKind, SendAsPermission,
};

/// The recipients of an organization with the objects that describe them.
pub(super) type Written<'a> = Vec<(&'a Object, RecipientId)>;

/// The keys of a recipient that say nothing of others, and nothing that only few have.
const PLAIN_KEYS: [&str; 8] = [
    "EchoGroupMessageBackToSubscribedSender",
    "EmailAddresses",
    "ExternalEmailAddress",
    "Name",
    "PrimarySmtpAddress",
    "RemoteRoutingAddress",
    "RequireSenderAuthenticationEnabled",
    "ServerName",
];

/// Keeps the object of a row of a side file where something of it is still to be looked at.
///
/// Choice: of any other row just the place of the row is kept, and of none of its cells, because a
/// directory has a million of them.
pub(super) fn keep(
    build: &mut Build,
    id: Option<RecipientId>,
    row: Object,
    kept: &mut Vec<(Object, RecipientId)>,
) {
    let Some(id) = id else {
        return;
    };
    if is_plain(&row) {
        build.parts.recipients[id.index()].settings.values = Vec::new();
    } else {
        kept.push((row, id));
    }
}

/// Whether all of a row is in its recipient already.
fn is_plain(row: &Object) -> bool {
    let is_group = row.kind.key("Members").is_some();
    let is_basic = |field: &Field| match &field.content {
        Content::Scalar(text) if field.key.name == "RecipientTypeDetails" => {
            mailbox_type(Some(text)) == MailboxType::User
        }
        Content::Scalar(text) if field.key.name == "UserPrincipalName" => !is_guest_name(text),
        Content::Scalar(text) if field.key.name == "ExternalEmailAddress" => {
            address_of_kind(text).is_none()
        }
        Content::List(_) | Content::Scalar(_) | Content::Unusable => {
            PLAIN_KEYS.contains(&field.key.name)
        }
        Content::Objects(objects) => objects.is_empty(),
    };
    !is_group && row.fields.iter().all(is_basic) && x500(row).is_empty()
}

/// Adds to recipients what names other recipients, once all of them are known; `first` is the index
/// of the organization's first one.
pub(super) fn connect(build: &mut Build, first: usize, written: &Written<'_>) {
    let index = AddressIndex::new(&build.parts.recipients, first);
    connect_with(build, &index, written);
}

/// The same where the organization's addresses are indexed already.
pub(super) fn connect_with(build: &mut Build, index: &AddressIndex, written: &Written<'_>) {
    let recipients = &build.parts.recipients;
    let directory = Directory::new(index, recipients);
    let connected: Vec<_> = written
        .iter()
        .map(|(object, id)| {
            let kind = directory.filled(&recipients[id.index()].kind, object);
            (*id, directory.policy(object), kind)
        })
        .collect();
    for (id, policy, kind) in connected {
        let recipient = &mut build.parts.recipients[id.index()];
        if policy != Policy::PLAIN {
            recipient.exceptions = Some(Box::new(policy));
        }
        if let Some(kind) = kind {
            recipient.kind = kind;
        }
    }
    for (object, _) in written {
        build.diagnostics.extend(without_moderators(object));
    }
}

/// Adds the permissions to send as recipients of an organization; `first` is the index of its first
/// recipient.
pub(super) fn send_as(
    build: &mut Build,
    organization: OrganizationId,
    first: usize,
    objects: &[Object],
) {
    if objects.is_empty() {
        return;
    }
    let index = AddressIndex::new(&build.parts.recipients, first);
    let directory = Directory::new(&index, &build.parts.recipients);
    let mut permissions = Vec::new();
    for object in objects {
        let (Some(identity), Some(trustee)) = (object.word("Identity"), object.word("Trustee"))
        else {
            continue;
        };
        let Some(trustee) = directory.member(&trustee) else {
            continue;
        };
        permissions.push(SendAsPermission {
            organization,
            identity: match directory.member(&identity) {
                Some(Member::Recipient(id)) => Some(id),
                Some(Member::Nobody(_)) | None => None,
            },
            trustee,
            settings: object.settings(),
        });
    }
    build.parts.send_as.append(&mut permissions);
}

/// Moderation that nobody can do: a group has owners, anything else needs moderators.
fn without_moderators(object: &Object) -> Option<Diagnostic> {
    let moderated = object.knows("ModerationEnabled") && object.flag("ModerationEnabled");
    let somebody = ["ModeratedBy", "ManagedBy", "Owners"]
        .iter()
        .any(|key| object.states(key));
    (moderated && !somebody).then(|| {
        let place = Some(object.at("ModerationEnabled").clone());
        let message = "`ModerationEnabled` is true, and nobody can approve anything";
        Diagnostic::new("missing-key", place, message)
            .help("add `ModeratedBy`: who approves mail for it")
    })
}

/// Who holds which address of an organization.
#[derive(Clone, Copy)]
pub(super) struct Directory<'a> {
    index: &'a AddressIndex,
    recipients: &'a [Recipient],
}

impl<'a> Directory<'a> {
    /// The directory of the recipients that an index was made of.
    pub(super) fn new(index: &'a AddressIndex, recipients: &'a [Recipient]) -> Self {
        Self { index, recipients }
    }

    /// Whom addresses stand for, each once.
    pub(super) fn members(&self, words: &[Word]) -> Vec<Member> {
        let mut known = std::collections::BTreeSet::new();
        let members = words.iter().filter_map(|word| self.member(word));
        members
            .filter(|member| known.insert(member.clone()))
            .collect()
    }

    /// Whom an address stands for.
    pub(super) fn member(&self, word: &Word) -> Option<Member> {
        let address: Mailbox = word.text.parse().ok()?;
        // The first holder of an address counts.
        Some(
            match self.index.holders(self.recipients, &address).first() {
                Some(recipient) => Member::Recipient(*recipient),
                None => Member::Nobody(address),
            },
        )
    }

    /// Whom several keys name together.
    fn named(&self, object: &Object, keys: &[&str]) -> Vec<Member> {
        let words: Vec<Word> = keys
            .iter()
            .flat_map(|key| object.list(key).iter().cloned())
            .collect();
        self.members(&words)
    }

    /// The kind with those whom its object names, where it names any.
    fn filled(&self, kind: &RecipientKind, object: &Object) -> Option<RecipientKind> {
        let mut kind = match kind {
            RecipientKind::DistributionGroup(_) | RecipientKind::RemoteGroup { .. } => kind.clone(),
            RecipientKind::Group { .. }
            | RecipientKind::Mailbox { .. }
            | RecipientKind::MailUser { .. } => return None,
        };
        match &mut kind {
            RecipientKind::DistributionGroup(group) => self.fill(group, object),
            RecipientKind::RemoteGroup { members, .. } => {
                *members = self.members(object.list("Members"));
            }
            RecipientKind::Group { .. }
            | RecipientKind::Mailbox { .. }
            | RecipientKind::MailUser { .. } => {}
        }
        Some(kind)
    }

    fn fill(&self, group: &mut DistributionGroup, object: &Object) {
        group.members = self.members(object.list("Members"));
        group.managed_by = self.members(object.list("ManagedBy"));
        group.report_to_originator = object.flag("ReportToOriginatorEnabled");
        group.report_to_manager = object.flag("ReportToManagerEnabled");
        group.broken = object.knows("Broken") && object.flag("Broken");
    }

    fn policy(&self, object: &Object) -> Policy {
        let limit = |key: &str| match object.knows(key) {
            true => object.parse(key).unwrap_or(Limit::Unlimited),
            false => Limit::Unlimited,
        };
        let text = |key: &str| object.knows(key).then(|| object.text(key)).flatten();
        let flag = |key: &str| object.knows(key) && object.flag(key);
        Policy {
            mailbox_type: mailbox_type(text("RecipientTypeDetails")),
            forwarding: self.forwarding(object),
            max_send_size: limit("MaxSendSize"),
            max_receive_size: limit("MaxReceiveSize"),
            recipient_limit: text("RecipientLimits").and_then(count).flatten(),
            accept_only_from: self.named(
                object,
                &[
                    "AcceptMessagesOnlyFromSendersOrMembers",
                    "AcceptMessagesOnlyFrom",
                    "AcceptMessagesOnlyFromDLMembers",
                ],
            ),
            reject_from: self.named(
                object,
                &[
                    "RejectMessagesFromSendersOrMembers",
                    "RejectMessagesFrom",
                    "RejectMessagesFromDLMembers",
                ],
            ),
            moderation: flag("ModerationEnabled").then(|| self.moderation(object)),
            send_on_behalf: self.named(object, &["GrantSendOnBehalfTo"]),
            legacy_dn: text("LegacyExchangeDN").map(str::to_owned),
            x500: x500(object),
            foreign_address: text("ExternalEmailAddress").and_then(address_of_kind).map(
                |(kind, address)| ForeignAddress {
                    kind,
                    address: address.to_owned(),
                },
            ),
            hidden: flag("HiddenFromAddressListsEnabled"),
            guest: is_guest(object),
            has_database: text("Database") != Some(""),
            licensed: !object.knows("Licensed") || object.flag("Licensed"),
            moved_at: text("MovedAt").and_then(timestamp),
        }
    }

    fn forwarding(&self, object: &Object) -> Forwarding {
        if !object.knows("ForwardingAddress") {
            return Forwarding::NONE;
        }
        let rules = |rule: &Object| {
            let targets = |key, redirects| {
                let words = rule.list(key).iter();
                let targets = words.filter_map(|word| super::directory::smtp_target(&word.text));
                targets
                    .map(|target| InboxRule { target, redirects })
                    .collect::<Vec<_>>()
            };
            let redirected = targets("RedirectTo", true);
            let forwarded = targets("ForwardTo", false);
            redirected.into_iter().chain(forwarded)
        };
        let address = object.word("ForwardingAddress");
        Forwarding {
            address: address.and_then(|word| self.member(&word)),
            smtp_address: super::directory::target_address(object, "ForwardingSmtpAddress"),
            deliver_too: object.flag("DeliverToMailboxAndForward"),
            inbox_rules: object
                .objects("InboxRules")
                .iter()
                .flat_map(rules)
                .collect(),
        }
    }

    fn moderation(&self, object: &Object) -> Moderation {
        Moderation {
            moderators: self.named(object, &["ModeratedBy"]),
            bypass: self.named(object, &["BypassModerationFromSendersOrMembers"]),
            arbitration_mailbox: object.parse("ArbitrationMailbox"),
        }
    }
}

fn mailbox_type(details: Option<&str>) -> MailboxType {
    match details {
        Some("SharedMailbox" | "RemoteSharedMailbox") => MailboxType::Shared,
        Some("RoomMailbox" | "RemoteRoomMailbox") => MailboxType::Room,
        Some("EquipmentMailbox" | "RemoteEquipmentMailbox") => MailboxType::Equipment,
        _ => MailboxType::User,
    }
}

/// The proxy addresses of type X500.
fn x500(object: &Object) -> Vec<String> {
    let words = object.list("EmailAddresses").iter();
    let foreign = words.filter_map(|word| address_of_kind(&word.text));
    let x500 = foreign.filter(|(kind, _)| kind == "X500");
    x500.map(|(_, address)| address.to_owned()).collect()
}

/// Whether a mail user is a guest: what is said, else what the name for logging on says.
fn is_guest(object: &Object) -> bool {
    if !object.knows("Guest") {
        return false;
    }
    match object.has("Guest") {
        true => object.flag("Guest"),
        false => object.text("UserPrincipalName").is_some_and(is_guest_name),
    }
}

fn is_guest_name(name: &str) -> bool {
    name.to_ascii_uppercase().contains("#EXT#")
}
