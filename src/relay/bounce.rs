//! Failures → a delivery status notification to the reverse-path, and never one about another
//! (RFC 5321 §6.1; Exchange Server, "DSNs and NDRs in Exchange Server").

use jiff::Timestamp;

use super::message::Message;
use super::queue::Pending;
use super::record::Failure;
use super::shared::Shared;
use super::tracking::Noted;
use crate::clock;
use crate::mail::{
    Action, ByteSize, CROSS_PREMISES_PREFIX, FOREST_PREFIX, HeaderSection, LastError, Mailbox,
    Notification, ORGANIZATION_PREFIX, ReportedRecipient, ReversePath,
};
use crate::route::{self, Event, MailItem};

/// The notification that tells which recipients of a message failed or wait, all of whom report to the
/// same; `None` where nobody is to be told.
pub(super) fn compose(
    shared: &Shared,
    pending: &Pending,
    action: Action,
    failures: &[&Failure],
    now: Timestamp,
) -> Option<(MailItem, Message)> {
    let state = super::lock::lock(&pending.state);
    let told = failures.first().and_then(|failure| failure.told.clone());
    let reverse_path = told.unwrap_or_else(|| state.record.reverse_path.clone());
    let originals = state.originals.clone();
    drop(state);
    let Ok(ReversePath::Mailbox(sender)) = reverse_path.parse() else {
        return None;
    };
    if !route::reports_to(&shared.topology, shared.server, &sender) {
        return None;
    }
    let expiration = shared.pace.real(shared.this().expiration());
    let until = pending.arrived.checked_add(expiration).unwrap_or(now);
    let until = clock::rfc5322(until);
    let recipients: Vec<ReportedRecipient> = failures
        .iter()
        .map(|failure| {
            let original = originals.get(&failure.recipient).cloned();
            reported(failure, original, until.clone())
        })
        .collect();
    let mut original = pending.message.headers.clone();
    // Choice: what the organization's servers say to each other is nobody else's business, and an
    // NDR may go anywhere.
    for prefix in [ORGANIZATION_PREFIX, CROSS_PREMISES_PREFIX, FOREST_PREFIX] {
        original.remove_prefix(prefix);
    }
    let message = Notification {
        action,
        from: &route::reporter(&shared.topology, shared.server, &sender),
        to: &sender,
        reporting: &shared.this().fqdn,
        arrived: &clock::rfc5322(pending.arrived),
        date: &clock::rfc5322(now),
        id: &shared.unique(),
        recipients: &recipients,
        original: &original,
    }
    .compose();
    shared.note(&pending.message_id, &Noted::of(Event::Dsn, &sender));
    let (mut headers, body) = HeaderSection::split(&message);
    let size = ByteSize(message.len() as u64);
    let item = route::report(&shared.topology, shared.server, &sender, size);
    headers.set(
        "X-MS-Exchange-Organization-AuthAs",
        &item.auth_as.to_string(),
    );
    Some((item, Message { headers, body }))
}

/// A recipient as the notification shows it.
fn reported(failure: &Failure, original: Option<Mailbox>, until: String) -> ReportedRecipient {
    let endpoint = failure.endpoint.as_ref();
    let host = endpoint.map(|endpoint| endpoint.host.clone());
    let last = failure.last_error.clone().map(|said| LastError {
        time: clock::short(failure.at),
        said,
        until,
    });
    ReportedRecipient {
        recipient: failure.recipient.clone(),
        original,
        status: failure.status.clone(),
        remote: host.filter(|_| failure.said_there),
        at: endpoint.map(|endpoint| format!("{} ({})", endpoint.host, endpoint.address.ip())),
        last,
    }
}
