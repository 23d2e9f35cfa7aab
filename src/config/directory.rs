//! Recipients: what both dialects write alike.

use super::build::Build;
use super::keys::smtp_address;
use super::object::Object;
use super::sending::conflict;
use crate::diag::Diagnostic;
use crate::mail::Mailbox;
use crate::model::{OrganizationId, Recipient, RecipientId, RecipientKind};

/// Adds a recipient; one without an address is reported and left out.
pub(super) fn lower(
    build: &mut Build,
    organization: OrganizationId,
    object: &Object,
    kind: RecipientKind,
    require_sender_authentication: bool,
) -> Option<RecipientId> {
    if matches!(kind, RecipientKind::DistributionGroup(_)) {
        refuse_two_reports(build, object);
    }
    let mut addresses = addresses(build, object)?;
    build.intern(&mut addresses);
    let mut kind = kind;
    if let RecipientKind::MailUser { target_address, .. } = &mut kind {
        build.intern(target_address.as_mut_slice());
    }
    let mut recipient = Recipient::new(organization, addresses, kind);
    if let Some(name) = object.text("Name") {
        name.clone_into(&mut recipient.name);
    }
    recipient.require_sender_authentication = require_sender_authentication;
    recipient.settings = object.settings();
    Some(build.recipient(recipient))
}

/// The target address in a key, with or without its `SMTP:`.
pub(super) fn target_address(object: &Object, key: &str) -> Option<Mailbox> {
    smtp_target(object.text(key)?)
}

/// The address that a text names, with or without `smtp:`.
pub(super) fn smtp_target(text: &str) -> Option<Mailbox> {
    smtp_address(text)?.parse().ok()
}

/// Exchange PowerShell, "Set-DistributionGroup": the sender is told of members who cannot be reached, or
/// the manager, and never both.
fn refuse_two_reports(build: &mut Build, object: &Object) {
    const MANAGER: &str = "ReportToManagerEnabled";
    const ORIGINATOR: &str = "ReportToOriginatorEnabled";
    if object.flag(MANAGER) && object.flag(ORIGINATOR) {
        conflict(
            build,
            object,
            MANAGER,
            format!("`{MANAGER}` is true, and so is `{ORIGINATOR}`"),
            format!("write `{ORIGINATOR} = false`"),
        );
    }
}

/// The addresses of a recipient, the primary one first (Exchange Server, "Email addresses and
/// address policies").
fn addresses(build: &mut Build, object: &Object) -> Option<Vec<Mailbox>> {
    let (marked, others) = proxy_addresses(object);
    let stated: Option<Mailbox> = object.parse("PrimarySmtpAddress");
    if let Some(diagnostic) = second_primary(object, &marked, stated.as_ref()) {
        build.diagnostics.push(diagnostic);
    }
    let mut addresses: Vec<Mailbox> = Vec::new();
    for address in stated.into_iter().chain(marked).chain(others) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let unusable = ["PrimarySmtpAddress", "EmailAddresses"]
        .iter()
        .any(|key| object.is_unusable(key))
        || is_contact(object) && lacks_external_address(object);
    if addresses.is_empty() && object.knows("ExternalEmailAddress") && is_contact(object) {
        addresses.extend(target_address(object, "ExternalEmailAddress"));
    }
    if addresses.is_empty() && !unusable {
        build.report(
            "missing-key",
            &object.location,
            "the recipient has no SMTP address",
            "add `PrimarySmtpAddress`, or `EmailAddresses` with an entry that begins with `SMTP:`",
        );
    }
    addresses.shrink_to_fit();
    (!addresses.is_empty()).then_some(addresses)
}

/// Exchange PowerShell, "New-MailContact": the external address is the primary one too.
fn is_contact(object: &Object) -> bool {
    object.kind.name() == "MailContacts"
}

/// Whether what a contact must have is missing, or broken: reported already.
fn lacks_external_address(object: &Object) -> bool {
    let key = "ExternalEmailAddress";
    !object.has(key) || object.is_unusable(key)
}

/// The entries of `EmailAddresses` of type SMTP: those marked as primary, and the others.
fn proxy_addresses(object: &Object) -> (Vec<Mailbox>, Vec<Mailbox>) {
    let (mut marked, mut others) = (Vec::new(), Vec::new());
    for word in object.list("EmailAddresses") {
        let address = smtp_address(&word.text).and_then(|text| text.parse().ok());
        match address {
            Some(address) if word.text.starts_with("SMTP:") => marked.push(address),
            Some(address) => others.push(address),
            None => {}
        }
    }
    (marked, others)
}

/// Says that two addresses claim to be the primary one.
fn second_primary(
    object: &Object,
    marked: &[Mailbox],
    stated: Option<&Mailbox>,
) -> Option<Diagnostic> {
    let primary = stated.or(marked.first())?;
    let second = marked.iter().find(|address| *address != primary)?;
    let place = object
        .list("EmailAddresses")
        .iter()
        .find(|word| {
            smtp_address(&word.text)
                .and_then(|t| t.parse().ok())
                .as_ref()
                == Some(second)
        })
        .map_or(&object.location, |word| &word.location);
    let message = format!("`{second}` is marked as primary, and so is `{primary}`");
    Some(
        Diagnostic::new("conflicting-settings", Some(place.clone()), message).help(format!(
            "write `smtp:{second}`, in lower case, if it is a further address"
        )),
    )
}
