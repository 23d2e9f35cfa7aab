//! Centralized mail transport: what the Internet sends to a tenant passes the on-premises organization
//! before it is delivered, and what the tenant sends leaves through it (Exchange hybrid, "Transport
//! routing in Exchange hybrid deployments"; "Some messages aren't routed through the on-premises
//! organization when you use centralized mail transport").
//!
//! The switch is `RouteAllMessagesViaOnPremises` of an outbound connector. A message that came in
//! through an inbound connector of the organization has been on premises: it is not sent there again,
//! so what is forwarded or expanded then leaves by other connectors, or by MX.

use super::item::{Arrival, MailItem};
use super::resolve::Resolution;
use super::select::{self, Selection};
use crate::mail::{Directionality, Mailbox};
use crate::model::{ServerId, Topology};

/// What is done with a recipient of a message from outside before anybody looks for its mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// It passes the on-premises organization first.
    OnPremises,
    /// It is resolved here and now.
    Straight,
}

/// Whether a message has the tenant's centralized transport before it: it comes from outside, by way
/// of the front end.
pub(super) fn applies(topology: &Topology, server: ServerId, item: &MailItem) -> bool {
    let this = topology.server(server);
    let fresh = item.arrival == Arrival::Internal
        && item.directionality == Directionality::Incoming
        && !item.resolved;
    fresh && this.directory && !this.is_front_end() && is_centralized(topology, server)
}

fn is_centralized(topology: &Topology, server: ServerId) -> bool {
    let connectors = topology.send_connectors_of(topology.server(server).organization);
    connectors.iter().any(|id| {
        let connector = topology.send_connector(*id);
        connector.via_on_premises && connector.enabled
    })
}

/// Whether a recipient's mail passes the on-premises organization first.
///
/// Choice: a more specific connector without the switch wins for its domains, as it does for mail that
/// leaves. Where no connector covers the domain, the message is sent by MX nevertheless, which leads
/// back to the tenant until its loop detector ends it (Exchange Online, "Fix NDR error code 5.4.6
/// through 5.4.20 in Exchange Online": centralized mail flow without a usable connector).
pub(super) fn course(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: &Mailbox,
) -> Course {
    let Selection { winner, .. } = select::select_for(topology, server, item, &recipient.domain);
    match winner {
        Ok(id) if !topology.send_connector(id).via_on_premises => Course::Straight,
        Ok(_) | Err(_) => Course::OnPremises,
    }
}

/// Whether the recipient's own restrictions refuse the message.
///
/// Choice: whether they are asked before or after the way through the on-premises organization is not
/// documented; before, the sender hears of it at once.
pub(super) fn is_refused(resolution: &Resolution) -> bool {
    let all = resolution.resolved.is_empty() && resolution.suppressed.is_empty();
    let failures = &resolution.failures;
    all && !failures.is_empty() && failures.iter().all(|failure| failure.in_dialogue)
}
