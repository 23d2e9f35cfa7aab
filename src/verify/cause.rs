//! The decision that made a flow go wrong, for the findings that know the symptom alone.

use super::place::deciding_place;
use crate::diag::Location;
use crate::flow::{FlagKind, Flow, Fork};
use crate::model::{Matcher, Topology};
use crate::route::{Event, Reason, Rejected, Step, Subject};

/// A decision, the setting that made it, and why in words.
pub(super) struct Cause {
    /// Where the setting stands; `None` where nobody wrote one down.
    pub(super) place: Option<Location>,
    /// The reasons, for the finding.
    pub(super) because: Vec<String>,
}

/// Why a copy arrives as Anonymous: its sender passed the connector over that carries organization
/// headers, or the receiver did not recognise the session.
pub(super) fn of_lost_trust(topology: &Topology, fork: &Fork) -> Option<Cause> {
    let flag = fork
        .flags
        .iter()
        .find(|flag| flag.kind == FlagKind::WrongTrust)?;
    let lost = |step: &Step| {
        step.event == Event::Receive
            && step.because.iter().any(|reason| {
                matches!(
                    reason,
                    Reason::AnonymousSession | Reason::HeadersNotCarried(_)
                )
            })
    };
    let at = fork
        .hops
        .iter()
        .position(|hop| hop.server == flag.server && hop.steps.iter().any(lost))?;
    let sent = at.checked_sub(1).map(|before| &fork.hops[before].steps);
    let sent = sent.and_then(|steps| steps.iter().rfind(|step| is_way_out(step)));
    let received = fork.hops[at].steps.iter().find(|step| lost(step))?;
    sent.and_then(|step| passed_over(topology, step))
        .or_else(|| passed_over(topology, received))
        .or_else(|| {
            let chosen = received.chosen.as_ref()?;
            Some(Cause {
                place: deciding_place(topology, chosen, &received.because).cloned(),
                because: received.because.iter().map(ToString::to_string).collect(),
            })
        })
}

/// Why a large message takes another way than an ordinary one: the connector whose limit it is above.
pub(super) fn of_size(topology: &Topology, flow: &Flow) -> Option<Cause> {
    let hops = flow.forks.iter().flat_map(|fork| &fork.hops);
    let mut losers = hops
        .flat_map(|hop| &hop.steps)
        .flat_map(|step| &step.rejected);
    let large = |loser: &&Rejected| {
        matches!(
            (&loser.candidate, &loser.reason),
            (Subject::SendConnector(_), Reason::TooLarge { .. })
        )
    };
    losers.find(large).map(|loser| passes(topology, loser))
}

/// Whether a step says by which way a copy left.
fn is_way_out(step: &Step) -> bool {
    matches!(
        step.chosen,
        Some(Subject::SendConnector(_) | Subject::Mx(_))
    )
}

/// The connector with organization headers that a decision passed over for one without.
fn passed_over(topology: &Topology, step: &Step) -> Option<Cause> {
    let carries = |subject: &Subject| match subject {
        Subject::SendConnector(id) => topology.send_connector(*id).cloud_services_mail_enabled,
        Subject::ReceiveConnector(id) => {
            let connector = topology.receive_connector(*id);
            matches!(connector.matcher, Matcher::Peer { .. })
                && connector.cloud_services_mail_enabled
        }
        _ => false,
    };
    if step.chosen.as_ref().is_some_and(carries) {
        return None;
    }
    let mut losers = step.rejected.iter();
    let loser = losers.find(|loser| carries(&loser.candidate))?;
    Some(passes(topology, loser))
}

/// A candidate that lost, as a cause.
fn passes(topology: &Topology, loser: &Rejected) -> Cause {
    let name = match &loser.candidate {
        Subject::SendConnector(id) => topology.send_connector(*id).name.as_str(),
        Subject::ReceiveConnector(id) => topology.receive_connector(*id).name.as_str(),
        _ => "",
    };
    let reasons = std::slice::from_ref(&loser.reason);
    Cause {
        place: deciding_place(topology, &loser.candidate, reasons).cloned(),
        because: vec![format!("`{name}` is passed over: {}", loser.reason)],
    }
}
