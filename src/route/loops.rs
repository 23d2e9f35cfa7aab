//! Loop detectors: the Received fields of the message as submitted, and how often it entered the
//! same tenant (Exchange Server, New-ReceiveConnector; Exchange Online, "Fix NDR error code 5.4.6
//! through 5.4.20 in Exchange Online").

use super::item::Trace;
use super::step::Reason;
use crate::mail::Domain;
use crate::model::{OrganizationId, ReceiveConnector};

/// Tests the message as one service of a server receives it.
///
/// Choice: the fields that the message already has are counted, without the one this service will
/// add; a message is refused when they are more than the limit. A field is local when it names the
/// service's own server after `by`.
///
/// # Errors
/// Which limit it is over.
pub(super) fn check_hops(
    connector: &ReceiveConnector,
    received_by: &Domain,
    trace: &Trace,
) -> Result<(), Reason> {
    let total = trace.received_by.len();
    if over(total, connector.max_hop_count) {
        return Err(Reason::HopCount {
            count: total,
            limit: connector.max_hop_count,
            local: false,
        });
    }
    let local = trace
        .received_by
        .iter()
        .filter(|name| *name == received_by)
        .count();
    if connector.max_local_hop_count > 0 && over(local, connector.max_local_hop_count) {
        return Err(Reason::HopCount {
            count: local,
            limit: connector.max_local_hop_count,
            local: true,
        });
    }
    Ok(())
}

fn over(count: usize, limit: u32) -> bool {
    u32::try_from(count).map_or(true, |count| count > limit)
}

/// Tests how often the message was attributed to an organization before.
///
/// Choice: the number is not documented; messages were seen to pass three times and be refused at the
/// fourth entry.
///
/// # Errors
/// When it was too often.
pub(super) fn check_attributions(
    connector: &ReceiveConnector,
    organization: OrganizationId,
    trace: &Trace,
) -> Result<(), Reason> {
    let count = trace
        .attributions
        .iter()
        .find(|(id, _)| *id == organization)
        .map_or(0, |(_, count)| *count);
    match connector.max_attributions {
        Some(limit) if count >= limit => Err(Reason::TooManyAttributions { count, limit }),
        Some(_) | None => Ok(()),
    }
}

/// Counts one more entry into an organization.
pub(super) fn count_attribution(trace: &mut Trace, organization: OrganizationId) {
    match trace
        .attributions
        .iter_mut()
        .find(|(id, _)| *id == organization)
    {
        Some((_, count)) => *count += 1,
        None => trace.attributions.push((organization, 1)),
    }
}
