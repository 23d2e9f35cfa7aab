//! `RecipientTypeDetails` → the list of an organization in which such a recipient stands (Exchange
//! PowerShell, "Get-Recipient").

use crate::config::keys::{Kind, Takes};
use crate::config::object::{Content, Field, Object, listed, shown};
use crate::diag::{Diagnostic, Location, did_you_mean};

/// The key of a row that says what it is.
pub(super) const TYPE: &str = "RecipientTypeDetails";

const TYPES: &[(&str, &str)] = &[
    ("UserMailbox", "Mailboxes"),
    ("SharedMailbox", "Mailboxes"),
    ("RoomMailbox", "Mailboxes"),
    ("EquipmentMailbox", "Mailboxes"),
    ("RemoteUserMailbox", "RemoteMailboxes"),
    ("RemoteSharedMailbox", "RemoteMailboxes"),
    ("RemoteRoomMailbox", "RemoteMailboxes"),
    ("RemoteEquipmentMailbox", "RemoteMailboxes"),
    ("MailUser", "MailUsers"),
    (GUEST, "MailUsers"),
    ("MailContact", "MailContacts"),
    ("MailUniversalDistributionGroup", "DistributionGroups"),
    ("MailUniversalSecurityGroup", "DistributionGroups"),
    ("MailNonUniversalGroup", "DistributionGroups"),
    ("RoomList", "DistributionGroups"),
    ("DynamicDistributionGroup", "DynamicDistributionGroups"),
    ("GroupMailbox", "UnifiedGroups"),
    ("RemoteGroupMailbox", "WrittenBackGroups"),
];

const GUEST: &str = "GuestMailUser";

/// The kinds of object that rows of an organization may be.
pub(super) fn kinds(organization: &'static Kind) -> Vec<&'static Kind> {
    let mut kinds: Vec<&'static Kind> = Vec::new();
    for (_, list) in TYPES {
        if let Some(kind) = list_of(organization, list)
            && kinds.iter().all(|known| known.path != kind.path)
        {
            kinds.push(kind);
        }
    }
    kinds
}

/// The kind of object that a type stands for in an organization.
pub(super) fn kind(organization: &'static Kind, text: &str) -> Option<&'static Kind> {
    let named = TYPES
        .iter()
        .find(|(details, _)| details.eq_ignore_ascii_case(text));
    list_of(organization, named?.1)
}

fn list_of(organization: &'static Kind, list: &str) -> Option<&'static Kind> {
    match organization.key(list)?.takes {
        Takes::Objects(kind) => Some(kind),
        _ => None,
    }
}

/// Says that a text is no type of recipient of the organization.
pub(super) fn unknown(organization: &'static Kind, text: &str, place: Location) -> Diagnostic {
    let here = TYPES
        .iter()
        .filter(|(_, list)| organization.key(list).is_some());
    let names = || here.clone().map(|(details, _)| *details);
    let help = match did_you_mean(text, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("its values are {}", listed(names())),
    };
    let message = format!("`{}` is not a value of `{TYPE}`", shown(text));
    Diagnostic::new("invalid-value", Some(place), message).help(help)
}

/// Notes what only the type says: that a mail user is a guest.
pub(super) fn note_guest(object: &mut Object, text: &str, place: &Location) {
    if let Some(key) = object.kind.key("Guest")
        && text.eq_ignore_ascii_case(GUEST)
        && !object.has("Guest")
    {
        object.fields.push(Field {
            key,
            location: place.clone(),
            content: Content::Scalar("true".to_owned()),
        });
    }
}
