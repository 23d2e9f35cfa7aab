//! The walker: at each server it asks `route`, follows every copy to the server that owns the next
//! address, and ends each fork in a disposition.
//!
//! Here: how a message begins, and what becomes of it at a server that has it. `onward` finds the next
//! server and opens the session, `door` hands over a transaction, `rounds` says which way a message goes
//! that meets a group again, `ends` ends forks, and `watch` flags them; `leg` is what all of them work on.

mod door;
mod ends;
mod leg;
mod onward;
mod rounds;
mod watch;

use std::collections::HashSet;

use self::door::Hand;
use self::leg::{Leg, Paths, Walk, behind};
use self::rounds::once_around;
use crate::dns::Zones;
use crate::flow::fork::{Disposition, Flow, Question, Submission};
use crate::flow::path::{End, Path};
use crate::mail::{AuthAs, Directionality, Mailbox};
use crate::model::{ServerId, ServerRole, Topology, replies};
use crate::route::{
    self, Arrival, Categorized, Connection, Event, MailItem, Peer, Properties, Reason, Step,
    Subject, Trace, Transfer,
};

/// Follows a message to every one of its ends.
#[must_use]
pub fn walk(topology: &Topology, zones: &Zones, question: &Question) -> Flow {
    let sender = match question.submission {
        Submission::User(server) => Some(topology.server(server).organization),
        Submission::Anonymous { .. } | Submission::Host(_) => None,
    };
    let mut walk = Walk {
        topology,
        zones,
        sender,
        addressed: &question.to,
        arrivals: Vec::new(),
        forks: Vec::new(),
        reports: Vec::new(),
    };
    // The same address twice in one transaction is one recipient.
    let mut met = HashSet::new();
    let to = question.to.iter().filter(|to| met.insert(*to));
    let to: Vec<Mailbox> = to.cloned().collect();
    if !to.is_empty() {
        walk.submit(question, to);
    }
    Flow {
        question: question.clone(),
        forks: walk.finish(),
    }
}

impl Walk<'_> {
    /// One message for all of its recipients, each of them once.
    fn submit(&mut self, question: &Question, to: Vec<Mailbox>) {
        match question.submission {
            Submission::User(server) | Submission::Host(server) => {
                let mut path = Path::begin(server, question.from.clone());
                let user = matches!(question.submission, Submission::User(_));
                path.holder = user.then_some(server);
                let who = if user {
                    Reason::AuthenticatedUser
                } else {
                    Reason::AnonymousSession
                };
                path.record([Step::new(Event::Submit, &to[0]).because(who)]);
                let item = self.submitted(question, to, server);
                path.trust = user.then_some(item.auth_as);
                let paths = behind(&item.recipients, &path);
                self.visit(&item, server, paths);
            }
            Submission::Anonymous { server, address } => {
                let transfer = Transfer {
                    reverse_path: question.from.clone(),
                    recipients: to,
                    size: question.size,
                    organization: None,
                    cross_premises: None,
                    directionality: None,
                    resolved: false,
                    properties: properties(question),
                    trace: Trace::default(),
                };
                // Choice: a stranger connects to the server's first address.
                let own = &self.topology.server(server).addresses;
                let connection = Connection {
                    remote_address: address,
                    local_address: own.first().copied(),
                    port: 25,
                    peer: Peer::Anonymous,
                    tls: false,
                    certificate: None,
                };
                let path = Path::begin(server, question.from.clone());
                let paths = behind(&transfer.recipients, &path);
                self.hand_over(server, &connection, &transfer, paths, Hand::First);
            }
        }
    }

    /// The message as the sender's own server has it.
    fn submitted(&self, question: &Question, to: Vec<Mailbox>, server: ServerId) -> MailItem {
        let this = self.topology.server(server);
        // The submission leaves a Received field of its own ("with mapi").
        let trace = Trace {
            received_by: vec![this.fqdn.clone()],
            ..Trace::default()
        };
        MailItem {
            reverse_path: question.from.clone(),
            recipients: to,
            size: question.size,
            auth_as: AuthAs::Internal,
            directionality: Directionality::Originating,
            arrival: Arrival::Submission,
            organization: this.organization,
            resolved: false,
            properties: properties(question),
            trace,
        }
    }

    /// What becomes of a message at the server that has it.
    pub(super) fn visit(&mut self, item: &MailItem, server: ServerId, mut paths: Paths) {
        let Categorized {
            copies,
            failures,
            suppressed,
        } = self.categorize(item, server, &mut paths);
        let mut count = 0..;
        let mut on = |recipient: &Mailbox, steps: &[Step]| {
            let mut path = paths.get(recipient).cloned().unwrap_or_else(|| {
                unreachable!("what comes of a message comes of one of its recipients")
            });
            path.order.extend(count.next());
            path.record(steps.iter().cloned());
            path
        };
        let legs = copies.into_iter().map(|copy| {
            let mut path = on(&copy.envelope_recipient, &copy.steps);
            let vouched = copy.transfer.organization;
            path.sent_anew |= vouched.is_some_and(|vouched| vouched != item.auth_as);
            let author = copy.transfer.reverse_path.mailbox();
            path.anew.extend(author.filter(|_| copy.sent_anew).cloned());
            let group = copy.expanded_from;
            let again = group.is_some_and(|group| path.expanded.contains(&group));
            Leg { copy, path, again }
        });
        let legs: Vec<Leg> = legs.collect();
        for legs in once_around(self.transactions(legs)) {
            self.follow(legs);
        }
        for failure in failures {
            let path = on(&failure.envelope_recipient, &failure.steps);
            self.fail_here(failure, path);
        }
        for suppressed in suppressed {
            let path = on(&suppressed.envelope_recipient, &suppressed.steps);
            if self.is_unknown(&suppressed.recipient, &suppressed.steps, &path) {
                continue;
            }
            let status = Some(replies::QUEUED.clone());
            self.end(
                path,
                End::new(suppressed.recipient, Disposition::Suppressed, status),
            );
        }
    }

    /// What `route` makes of a message, and who answers for it from now on. A message that is refused as
    /// a whole fails for its own recipients, with the reply to all of them.
    fn categorize(&self, item: &MailItem, server: ServerId, paths: &mut Paths) -> Categorized {
        let mut categorized = route::categorize(self.topology, server, item);
        let refusal = categorized.refusal(item.arrival).cloned();
        let this = self.topology.server(server);
        let submitter = this.role == ServerRole::Host && item.arrival == Arrival::Submission;
        let holds = refusal.is_none() && !submitter && !this.is_front_end();
        for path in paths.values_mut() {
            path.told = item.reverse_path.clone();
            path.notify_never = item.properties.notify_never;
            if holds {
                path.holder = Some(server);
            }
        }
        if let Some(status) = refusal {
            let mut met = HashSet::new();
            categorized
                .failures
                .retain(|failure| met.insert(failure.envelope_recipient.clone()));
            for failure in &mut categorized.failures {
                failure.recipient = (*failure.envelope_recipient).clone();
                failure.status = status.clone();
            }
        }
        categorized
    }

    /// The copies as they are sent, without those of which a needed fact is missing.
    fn transactions(&mut self, legs: Vec<Leg>) -> Vec<Vec<Leg>> {
        let mut known = Vec::new();
        for mut leg in legs {
            let Leg { copy, path, .. } = &mut leg;
            if self.is_unknown(&copy.transfer.recipients[0], &copy.steps, path) {
                continue;
            }
            let by_rule = |step: &Step| matches!(step.chosen, Some(Subject::Rule(_)));
            path.ruled |= copy.steps.iter().any(by_rule);
            path.expanded.extend(copy.expanded_from);
            path.told = copy.transfer.reverse_path.clone();
            path.notify_never = copy.transfer.properties.notify_never;
            known.push(leg);
        }
        route::transactions(known, |leg| &leg.copy)
    }
}

/// What a question says of its message.
fn properties(question: &Question) -> Properties {
    Properties {
        kind: question.kind,
        ..Properties::default()
    }
}
