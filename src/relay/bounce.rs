//! Failures → a delivery status notification to the reverse-path, and never one about another
//! (RFC 5321 §6.1; Exchange Server, "DSNs and NDRs in Exchange Server").

use jiff::Timestamp;

use super::message::Message;
use super::queue::Pending;
use super::shared::Shared;
use super::tracking::Noted;
use crate::clock;
use crate::mail::{
    Action, ByteSize, HeaderSection, Mailbox, Notification, ReportedRecipient, ReversePath, Status,
};
use crate::route::{self, Event, MailItem};

/// The notification that tells the sender of a message which recipients failed; `None` where nobody
/// is to be told.
pub(super) fn compose(
    shared: &Shared,
    pending: &Pending,
    failures: Vec<(Mailbox, Status, Option<String>)>,
    now: Timestamp,
) -> Option<(MailItem, Message)> {
    let state = super::lock::lock(&pending.state);
    let (reverse_path, originals) = (state.record.reverse_path.clone(), state.originals.clone());
    drop(state);
    let Ok(ReversePath::Mailbox(sender)) = reverse_path.parse() else {
        return None;
    };
    if !route::reports_to(&shared.topology, shared.server, &sender) {
        return None;
    }
    let recipients: Vec<ReportedRecipient> = failures
        .into_iter()
        .map(|(recipient, status, remote)| ReportedRecipient {
            original: originals.get(&recipient).cloned(),
            recipient,
            status,
            remote,
        })
        .collect();
    let message = Notification {
        action: Action::Failed,
        from: &route::reporter(&shared.topology, shared.server, &sender),
        to: &sender,
        reporting: &shared.this().fqdn,
        arrived: &clock::rfc5322(pending.arrived),
        date: &clock::rfc5322(now),
        id: &shared.unique(),
        recipients: &recipients,
        original: &pending.message.headers,
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
