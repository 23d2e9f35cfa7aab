//! A transaction at the next server: RCPT TO for every recipient, and the end of DATA.

use std::sync::Arc;

use super::leg::{Paths, Walk};
use crate::flow::fork::Hop;
use crate::flow::path::{Path, minimal_cycle};
use crate::mail::Mailbox;
use crate::model::{SendConnectorId, ServerId, replies};
use crate::route::{self, Admission, Connection, Reason, Step, Transfer, Verdict};

impl Walk<'_> {
    /// RCPT TO for every recipient, and the end of DATA for those who are accepted alike.
    pub(super) fn hand_over(
        &mut self,
        next: ServerId,
        connection: &Connection,
        transfer: &Transfer,
        mut paths: Paths,
        hand: Hand,
    ) {
        let mut accepted: Vec<(Admission, Vec<Mailbox>)> = Vec::new();
        for recipient in &transfer.recipients {
            let from = &transfer.reverse_path;
            let verdict = route::accept(self.topology, next, connection, from, recipient);
            let verdict = match hand {
                Hand::First => self.within_limit(verdict, &accepted),
                // Choice: a server sends what is left over in a transaction of its own (RFC 5321
                // §4.5.3.1.10), so that no recipient waits.
                Hand::Next(_) => verdict,
            };
            let Some(path) = paths.get_mut(recipient) else {
                continue;
            };
            hand.arrive(path, next, connection.tls, vec![verdict.step]);
            match verdict.decision {
                Ok(admission) => match accepted.iter_mut().find(|(same, _)| *same == admission) {
                    Some((_, recipients)) => recipients.push(recipient.clone()),
                    None => accepted.push((admission, vec![recipient.clone()])),
                },
                Err(status) => {
                    let path = path.clone();
                    self.refuse(recipient, status, path);
                }
            }
        }
        for (admission, recipients) in accepted {
            let transfer = Transfer {
                recipients,
                ..transfer.clone()
            };
            let with = |to: &Mailbox| paths.remove(to).map(|path| (to.clone(), path));
            let paths = transfer.recipients.iter().filter_map(with).collect();
            self.take(next, connection, &admission, &transfer, paths);
        }
    }

    /// What becomes of one more recipient after these in one transaction: a connector takes so many
    /// (Exchange PowerShell, "Set-ReceiveConnector", MaxRecipientsPerMessage).
    fn within_limit(&self, verdict: Verdict, accepted: &[(Admission, Vec<Mailbox>)]) -> Verdict {
        let Ok(admission) = &verdict.decision else {
            return verdict;
        };
        let limit = self
            .topology
            .receive_connector(admission.connector)
            .max_recipients;
        let before = accepted.iter().map(|(_, recipients)| recipients.len());
        let count = before.sum::<usize>() + 1;
        if u32::try_from(count).is_ok_and(|count| count <= limit) {
            return verdict;
        }
        let reason = Reason::TooManyRecipients { count, limit };
        Verdict {
            decision: Err(replies::TOO_MANY_RECIPIENTS.clone()),
            step: verdict.step.because(reason),
        }
    }

    /// The end of DATA at the next server, for recipients that it accepts.
    fn take(
        &mut self,
        next: ServerId,
        connection: &Connection,
        admission: &Admission,
        transfer: &Transfer,
        mut paths: Paths,
    ) {
        for (to, path) in &mut paths {
            path.comes_to(next, to, admission.directionality);
        }
        match route::admit(self.topology, next, connection, admission, transfer) {
            Ok((item, step)) => {
                for (to, path) in &mut paths {
                    path.explain(&step.because);
                    path.trust = Some(item.auth_as);
                    self.flag_trust(&item, to, admission, path);
                }
                self.visit(&item, next, paths);
            }
            Err(refusal) => {
                let route::Refusal { status, step } = *refusal;
                for recipient in &transfer.recipients {
                    let Some(mut path) = paths.remove(recipient) else {
                        continue;
                    };
                    path.record([Step {
                        recipient: Some(recipient.clone()),
                        ..step.clone()
                    }]);
                    let status = status.clone();
                    match loop_detector(&step).filter(|_| path.rounds) {
                        Some(kind) => {
                            let cycle = minimal_cycle(&path.hops);
                            self.looped(recipient, status, kind, cycle, path);
                        }
                        None => self.refuse(recipient, status, path),
                    }
                }
            }
        }
    }
}

/// The word for the loop detector that refused a message, where one did.
fn loop_detector(step: &Step) -> Option<&'static str> {
    step.because.iter().find_map(|reason| match reason {
        Reason::HopCount { local: true, .. } => Some("local_hop_count"),
        Reason::HopCount { local: false, .. } => Some("hop_count"),
        Reason::TooManyAttributions { .. } => Some("attribution"),
        _ => None,
    })
}

/// Whether a message is handed over by its submitter or by a server.
#[derive(Clone, Copy)]
pub(super) enum Hand {
    First,
    Next(Option<SendConnectorId>),
}

impl Hand {
    /// Notes what the server that gets it decided.
    fn arrive(self, path: &mut Path, server: ServerId, tls: bool, steps: Vec<Step>) {
        match self {
            Self::First => path.record(steps),
            Self::Next(connector) => path.hops.push(Arc::new(Hop {
                server,
                connector,
                tls,
                steps,
            })),
        }
    }
}
