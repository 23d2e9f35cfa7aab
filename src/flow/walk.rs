//! The walker: at each server it asks `route`, follows every copy to the server that owns the next
//! address, and ends each fork in a disposition.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::SignedDuration;

use super::arrivals::{self, Ended};
use super::flag::FlagKind;
use super::fork::{Cycle, Disposition, Flow, Fork, Hop, Question, Report, Submission};
use super::misroute::misroutes;
use super::path::{End, Path, minimal_cycle};
use super::reach::{self, Miss, Reached};
use super::report_flow;
use super::session::{self, Short};
use crate::dns::{self, Zones};
use crate::mail::{AuthAs, Directionality, Domain, Mailbox, ReversePath, Status};
use crate::model::{
    OrganizationId, RecipientId, RecipientKind, SendConnectorId, ServerId, ServerRole, Topology,
    replies,
};
use crate::route::{
    self, Admission, Arrival, Categorized, Connection, Copy, Event, Failure, Happened, MailItem,
    NextHop, Outcome, Peer, Presented, Properties, Reason, Step, Subject, Trace, Transfer, Verdict,
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

struct Walk<'a> {
    topology: &'a Topology,
    zones: &'a Zones,
    /// The organization of the user who sent it.
    sender: Option<OrganizationId>,
    /// Whom the sender wrote to.
    addressed: &'a [Mailbox],
    /// The copies that come to a mailbox, by their place among the forks.
    arrivals: Vec<(RecipientId, usize)>,
    forks: Vec<Ended>,
    /// What became of the notifications so far: those of one server to one sender go the same way.
    reports: Vec<Report>,
}

/// A copy on its way, with what its fork has behind it.
struct Leg {
    copy: Copy,
    path: Path,
    /// Whether it comes from a group that the message was expanded from before.
    again: bool,
    /// Whether a fact that it needs is missing.
    unknown: bool,
}

impl Leg {
    /// A copy that was made of a message with this AuthAs; `on` gives the path of a recipient with steps.
    fn new(
        mut copy: Copy,
        auth_as: AuthAs,
        on: &mut impl FnMut(&Mailbox, Vec<Step>) -> Path,
    ) -> Self {
        // From here on the path has them.
        let steps = std::mem::take(&mut copy.steps);
        let unknown = lacks_a_fact(&steps);
        let by_rule = |step: &Step| matches!(step.chosen, Some(Subject::Rule(_)));
        let ruled = steps.iter().any(by_rule);
        let mut path = on(&copy.envelope_recipient, steps);
        path.ruled |= ruled;
        let vouched = copy.transfer.organization;
        path.sent_anew |= vouched.is_some_and(|vouched| vouched != auth_as);
        let author = copy.transfer.reverse_path.mailbox();
        path.anew.extend(author.filter(|_| copy.sent_anew).cloned());
        let group = copy.expanded_from;
        let again = group.is_some_and(|group| path.expanded.contains(&group));
        Self {
            copy,
            path,
            again,
            unknown,
        }
    }

    fn recipient(&self) -> &Mailbox {
        &self.copy.transfer.recipients[0]
    }
}

/// What each recipient of a message has behind it at the server that has the message now.
type Paths = HashMap<Mailbox, Path>;

fn behind(recipients: &[Mailbox], path: &Path) -> Paths {
    let each = recipients.iter().cloned();
    each.map(|recipient| (recipient, path.clone())).collect()
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
    fn visit(&mut self, item: &MailItem, server: ServerId, mut paths: Paths) {
        let Categorized {
            copies,
            failures,
            suppressed,
        } = self.categorize(item, server, &mut paths);
        let mut count = 0..;
        let mut on = |recipient: &Mailbox, steps: Vec<Step>| {
            let mut path = paths.get(recipient).cloned().unwrap_or_else(|| {
                unreachable!("what comes of a message comes of one of its recipients")
            });
            path.order.extend(count.next());
            path.record(steps);
            path
        };
        let legs = copies
            .into_iter()
            .map(|copy| Leg::new(copy, item.auth_as, &mut on));
        let legs: Vec<Leg> = legs.collect();
        for legs in once_around(self.transactions(legs)) {
            self.follow(legs);
        }
        for failure in failures {
            let path = on(&failure.envelope_recipient, failure.steps.clone());
            self.fail_here(failure, path);
        }
        for suppressed in suppressed {
            let path = on(&suppressed.envelope_recipient, suppressed.steps.clone());
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
            let Leg {
                copy,
                path,
                unknown,
                ..
            } = &mut leg;
            if *unknown {
                self.end_unknown(&copy.transfer.recipients[0], path);
                continue;
            }
            path.expanded.extend(copy.expanded_from);
            path.told = copy.transfer.reverse_path.clone();
            path.notify_never = copy.transfer.properties.notify_never;
            known.push(leg);
        }
        route::transactions(known, |leg| &leg.copy)
    }

    /// A recipient for which this server finds no way.
    fn fail_here(&mut self, failure: Failure, mut path: Path) {
        if let Some(told) = failure.told {
            path.told = *told;
        }
        path.notify_never |= failure.notify_never;
        if self.is_unknown(&failure.recipient, &failure.steps, &path) {
            return;
        }
        match failure.looped {
            Some(looped) => {
                let kind = looped.kind.as_str();
                let cycle = Cycle::Recipients(looped.cycle);
                self.looped(&failure.recipient, failure.status, kind, cycle, path);
            }
            None => self.fail(failure.recipient, failure.status, path),
        }
    }

    /// Ends a fork of which a mail-flow rule may make something else: whether it does is a matter of
    /// the content, which no question has.
    fn is_unknown(&mut self, recipient: &Mailbox, steps: &[Step], path: &Path) -> bool {
        let is_unknown = lacks_a_fact(steps);
        if is_unknown {
            self.end_unknown(recipient, path);
        }
        is_unknown
    }

    fn end_unknown(&mut self, recipient: &Mailbox, path: &Path) {
        let end = End::new(recipient.clone(), Disposition::Unknown, None);
        self.end(path.clone(), end);
    }

    /// The copies of one transaction to their next hop.
    fn follow(&mut self, mut legs: Vec<Leg>) {
        for Leg { copy, path, .. } in &mut legs {
            if path.holder == Some(path.server()) {
                path.leaving = copy.next_hop.connector();
            }
        }
        let Some(first) = legs.first() else {
            return;
        };
        let server = first.path.server();
        match first.copy.next_hop.clone() {
            NextHop::Mailbox(id) => {
                for leg in legs {
                    self.deliver(id, &leg.copy, leg.path);
                }
            }
            NextHop::NoDatabase => {
                let waits = Happened::Reply(replies::NO_DATABASE.clone());
                self.fall_short_each(legs, &waits);
            }
            NextHop::Unreachable => self.fall_short_each(legs, &Happened::Unreachable),
            NextHop::Servers { servers, port, .. } => match servers.first() {
                Some(next) => {
                    let hop = Reached {
                        server: Some(*next),
                        name: String::new(),
                        address: None,
                    };
                    self.transmit(legs, &hop, port);
                }
                None => self.fall_short_each(legs, &Happened::NoConnection),
            },
            NextHop::Dns {
                domain,
                connector,
                port,
            } => {
                let view = reach::view(self.topology, server, connector);
                let targets = dns::targets(self.zones, view, &domain);
                match reach::best(self.topology, server, targets, &domain, false) {
                    Ok(hop) => self.transmit(legs, &hop, port),
                    Err(miss) => self.miss(legs, &domain, &miss),
                }
            }
            NextHop::SmartHosts {
                hosts,
                connector,
                port,
            } => match reach::smart_host(self.topology, self.zones, server, &hosts, connector) {
                Ok(hop) => self.transmit(legs, &hop, port),
                Err((name, miss)) => self.miss(legs, &name, &miss),
            },
        }
    }

    /// The same kept all of them from their next hop.
    fn fall_short_each(&mut self, legs: Vec<Leg>, happened: &Happened) {
        for leg in legs {
            self.fall_short(leg.recipient(), happened, leg.path.clone());
        }
    }

    /// No next hop was found.
    fn miss(&mut self, legs: Vec<Leg>, name: &Domain, miss: &Miss) {
        for Leg { copy, mut path, .. } in legs {
            let recipient = &copy.transfer.recipients[0];
            let reason = reach::why(name, miss);
            let happened = match miss {
                Miss::Happened(happened) => happened,
                Miss::NoAnswer(_) => &Happened::NoAnswer,
                Miss::Unknown(_) => {
                    path.record([Step::new(Event::Defer, recipient).because(reason)]);
                    let end = End::new(recipient.clone(), Disposition::Unknown, None);
                    self.end(path, end);
                    continue;
                }
            };
            let event = match self.outcome(&path, happened) {
                Outcome::Delivered | Outcome::Defer { .. } => Event::Defer,
                Outcome::Fail(_) => Event::Fail,
            };
            path.record([Step::new(event, recipient).because(reason)]);
            if *happened == Happened::BestMxIsSelf {
                let server = path.server();
                path.raise(FlagKind::Loop, false, server, "mx_self");
                self.flag_group_domain(&copy, &mut path);
            }
            self.fall_short(recipient, happened, path);
        }
    }

    /// Connects, demands TLS, and hands the message over.
    fn transmit(&mut self, legs: Vec<Leg>, hop: &Reached, port: u16) {
        let (copy, from) = (&legs[0].copy, legs[0].path.server());
        let opened = match (&copy.presented, hop.server) {
            (Presented::Missing(name), _) => {
                Err(session::without_certificate(self.topology, from, name))
            }
            (_, None) => return self.leave(legs, hop),
            (_, Some(next)) => {
                session::open(self.topology, copy, (from, next), hop, port).map(|open| (open, next))
            }
        };
        let (connection, next) = match opened {
            Ok(opened) => opened,
            Err(short) => return self.stop_short(legs, &short, hop.server),
        };
        let hand = Hand::Next(copy.next_hop.connector());
        let mut transfer = copy.transfer_to(connection.peer);
        let mut paths = Paths::new();
        for (index, Leg { copy, mut path, .. }) in legs.into_iter().enumerate() {
            self.flag_misrouted(&copy, next, &mut path);
            let one = copy.transfer_to(connection.peer);
            if index > 0 {
                transfer.join(&one);
            }
            paths.extend(one.recipients.into_iter().map(|to| (to, path.clone())));
        }
        self.hand_over(next, &connection, &transfer, paths, hand);
    }

    /// To a host that the world does not describe.
    fn leave(&mut self, legs: Vec<Leg>, hop: &Reached) {
        let address = hop
            .address
            .map_or_else(String::new, |address| format!(" ({address})"));
        for Leg { copy, mut path, .. } in legs {
            let recipient = &copy.transfer.recipients[0];
            let outside = Reason::OutsideWorld(format!("{}{address}", hop.name));
            self.flag_group_domain(&copy, &mut path);
            path.record([Step::new(Event::SendExternal, recipient)
                .chosen(Subject::Host(hop.name.clone()))
                .because(outside)]);
            let status = Some(replies::QUEUED.clone());
            let end = End::new(recipient.clone(), Disposition::LeftWorld, status);
            self.end(path, end);
        }
    }

    /// No transaction came about.
    fn stop_short(&mut self, legs: Vec<Leg>, short: &Short, next: Option<ServerId>) {
        for Leg { copy, mut path, .. } in legs {
            let recipient = &copy.transfer.recipients[0];
            if let Some(next) = next.filter(|_| short.far) {
                self.flag_misrouted(&copy, next, &mut path);
            }
            path.record([short.step(recipient)]);
            self.fall_short(recipient, &short.happened, path);
        }
    }

    /// RCPT TO for every recipient, and the end of DATA for those who are accepted alike.
    fn hand_over(
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

    fn deliver(&mut self, id: Option<RecipientId>, copy: &Copy, mut path: Path) {
        let recipient = copy.transfer.recipients[0].clone();
        self.arrivals.extend(id.map(|id| (id, self.forks.len())));
        path.trust = copy.transfer.organization.or(path.trust);
        self.flag_echo(id, copy, &mut path);
        if id.is_none() {
            path.trust = None;
        }
        self.end(
            path,
            End::new(
                recipient,
                Disposition::Delivered,
                Some(replies::QUEUED.clone()),
            ),
        );
    }

    /// A sender's own message that comes back, by way of a group or of a mail-flow rule.
    fn flag_echo(&self, id: Option<RecipientId>, copy: &Copy, path: &mut Path) {
        let (Some(id), Some(sender)) = (id, copy.transfer.reverse_path.mailbox()) else {
            return;
        };
        let addresses = &self.topology.recipient(id).addresses;
        if !addresses.contains(sender) {
            return;
        }
        let to_oneself = || self.addressed.iter().any(|to| addresses.contains(to));
        // The group that made this copy, whichever groups it stands in.
        let expected = match path.expanded.last().copied() {
            Some(group) => match self.topology.recipient(group).kind {
                // A distribution group always sends its members their own posts.
                RecipientKind::DistributionGroup(_) => return,
                _ => self.asked_for_echo(group, sender),
            },
            // Choice: the administrator who wrote the rule asked for it.
            None if path.ruled && !to_oneself() => true,
            None => return,
        };
        let reason = if expected { "true" } else { "false" };
        path.raise(FlagKind::EchoBack, expected, path.server(), reason);
    }

    /// Whether the sender, as the group's organization knows it, wants its own posts back.
    fn asked_for_echo(&self, group: RecipientId, sender: &Mailbox) -> bool {
        let organization = self.topology.recipient(group).organization;
        self.topology
            .recipients_at(organization, sender)
            .iter()
            .any(|id| match self.topology.recipient(*id).kind {
                RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } => echo,
                RecipientKind::DistributionGroup(_)
                | RecipientKind::Group { .. }
                | RecipientKind::RemoteGroup { .. } => false,
            })
    }

    /// The next server said no.
    fn refuse(&mut self, recipient: &Mailbox, status: Status, path: Path) {
        self.fall_short(recipient, &Happened::Reply(status), path);
    }

    /// A loop detector ended the journey, or the directory leads round.
    fn looped(
        &mut self,
        recipient: &Mailbox,
        status: Status,
        kind: &'static str,
        cycle: Cycle,
        mut path: Path,
    ) {
        let server = path.server();
        path.raise(FlagKind::Loop, false, server, kind);
        let mut end = End::new(recipient.clone(), Disposition::Looped, Some(status.clone()));
        end.final_status = Some(status);
        self.tell(recipient, &mut path);
        self.push(path, end, cycle);
    }

    /// The copy did not get to its next hop: what the holder makes of it.
    fn fall_short(&mut self, recipient: &Mailbox, happened: &Happened, path: Path) {
        match self.outcome(&path, happened) {
            Outcome::Delivered => unreachable!("a success is followed, not judged"),
            Outcome::Fail(status) => self.fail(recipient.clone(), status, path),
            Outcome::Defer {
                status,
                final_status,
            } => {
                let disposition = if *happened == Happened::Unreachable {
                    Disposition::Unreachable
                } else {
                    Disposition::Deferred
                };
                let mut end = End::new(recipient.clone(), disposition, Some(status));
                end.final_status = Some(final_status);
                self.end(path, end);
            }
        }
    }

    /// What the server that has a copy makes of what happened to it.
    ///
    /// Choice: a client that is no server of the world has no queue that this prediction could know of;
    /// it is told, and whether it tries again is its own affair.
    fn outcome(&self, path: &Path, happened: &Happened) -> Outcome {
        let first = self.topology.server(path.hops[0].server);
        if let (None, Happened::Reply(said)) = (path.holder, happened)
            && first.role != ServerRole::Host
        {
            return Outcome::Fail(said.clone());
        }
        let judge = path.holder.unwrap_or_else(|| path.hops[0].server);
        let connector = path.leaving.map(|id| self.topology.send_connector(id));
        let policies = route::policies_at(connector, judge);
        let judge = self.topology.server(judge);
        route::outcome(judge, policies, happened, SignedDuration::ZERO)
    }

    /// A permanent failure: refused to the submitter, or reported by the server that held it.
    fn fail(&mut self, recipient: Mailbox, status: Status, mut path: Path) {
        let disposition = if path.holder.is_some() {
            Disposition::Bounced
        } else {
            Disposition::Rejected
        };
        self.tell(&recipient, &mut path);
        self.end(path, End::new(recipient, disposition, Some(status)));
    }

    /// The sender is told, where anybody is.
    fn tell(&self, recipient: &Mailbox, path: &mut Path) {
        report_flow::report_failure(self.topology, recipient, path);
    }

    /// The notification of a failure, which is a flow of its own from the server that gives up.
    fn report(&mut self, path: &Path, end: &End) -> Option<Box<Report>> {
        let status = end.final_status.as_ref().or(end.status.as_ref())?;
        if !end.disposition.is_failure() {
            return None;
        }
        let (server, to) = report_flow::told(self.topology, path)?;
        let known = |report: &&Report| report.server == server && report.to == *to;
        if let Some(same) = self.reports.iter().find(known) {
            return Some(Box::new(Report {
                status: status.clone(),
                ..same.clone()
            }));
        }
        let mut walk = Walk {
            topology: self.topology,
            zones: self.zones,
            sender: Some(self.topology.server(server).organization),
            addressed: std::slice::from_ref(to),
            arrivals: Vec::new(),
            forks: Vec::new(),
            reports: Vec::new(),
        };
        let item = route::report(self.topology, server, to, report_flow::REPORT_SIZE);
        let mut path = Path::begin(server, ReversePath::Null);
        path.holder = Some(server);
        path.trust = Some(item.auth_as);
        path.record([Step::new(Event::Dsn, to).chosen(Subject::Server(server))]);
        let paths = behind(&item.recipients, &path);
        walk.visit(&item, server, paths);
        let report = Report {
            server,
            from: route::reporter(self.topology, server, to),
            to: to.clone(),
            status: status.clone(),
            forks: walk.finish(),
        };
        self.reports.push(report.clone());
        Some(Box::new(report))
    }

    fn end(&mut self, path: Path, end: End) {
        self.push(path, end, Cycle::NONE);
    }

    fn push(&mut self, mut path: Path, end: End, cycle: Cycle) {
        let report = self.report(&path, &end);
        if let Some(report) = &report
            && report_flow::is_lost(&report.forks)
        {
            path.raise(FlagKind::Lost, false, report.server, "report");
        }
        let fork = Fork {
            recipient: end.recipient,
            disposition: end.disposition,
            status: end.status,
            final_status: end.final_status,
            trust: path.trust,
            flags: path.flags,
            hops: path.hops,
            cycle,
            held_by: path.holder,
            reported_by: report.as_ref().map(|report| report.server),
            report,
        };
        self.forks.push(Ended {
            order: path.order,
            anew: path.anew,
            fork,
        });
    }

    /// Compares who vouches for the sender with who should.
    fn flag_trust(
        &self,
        item: &MailItem,
        recipient: &Mailbox,
        admission: &Admission,
        path: &mut Path,
    ) {
        let server = path.server();
        let accepted = |id| self.topology.accepted_domain_for(id, &recipient.domain);
        match self.sender {
            Some(own) => {
                let family = own == item.organization
                    || self
                        .topology
                        .organization(own)
                        .partners
                        .contains(&item.organization);
                let for_own = accepted(item.organization).is_some();
                if family && item.auth_as != AuthAs::Internal && for_own {
                    path.raise(
                        FlagKind::WrongTrust,
                        false,
                        server,
                        "anonymous_expected_internal",
                    );
                }
            }
            None => {
                let connector = self.topology.receive_connector(admission.connector);
                let secured = connector.externally_secured || admission.treat_as_internal;
                // Whom the first server trusts, those after it do.
                path.sent_anew |= secured && path.hops.len() <= 1;
                if item.auth_as == AuthAs::Internal && !path.sent_anew {
                    path.raise(
                        FlagKind::WrongTrust,
                        false,
                        server,
                        "internal_expected_anonymous",
                    );
                }
            }
        }
    }

    /// Compares the way out of an organization with the one its premises prescribe.
    fn flag_misrouted(&self, copy: &Copy, next: ServerId, path: &mut Path) {
        let server = path.server();
        for reason in misroutes(self.topology, server, Some(next), copy) {
            path.raise(FlagKind::Misrouted, false, server, reason);
        }
    }

    /// The same for a host outside the world.
    fn flag_group_domain(&self, copy: &Copy, path: &mut Path) {
        let server = path.server();
        for reason in misroutes(self.topology, server, None, copy) {
            path.raise(FlagKind::Misrouted, false, server, reason);
        }
    }

    /// The ends of the walk, in its order.
    fn finish(mut self) -> Vec<Fork> {
        arrivals::take_first(&mut self.forks, &self.arrivals);
        self.forks.sort_by(|one, two| one.order.cmp(&two.order));
        arrivals::flag_duplicates(&mut self.forks, self.addressed);
        self.forks.into_iter().map(|ended| ended.fork).collect()
    }
}

/// Whether a mail-flow rule may make something else of a message, which is a matter of its content.
fn lacks_a_fact(steps: &[Step]) -> bool {
    let is_missing = |reason: &Reason| matches!(reason, Reason::UnknownFact(_));
    let lacks = |step: &Step| step.event == Event::AgentInfo && step.because.iter().any(is_missing);
    steps.iter().any(lacks)
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

/// What a question says of its message.
fn properties(question: &Question) -> Properties {
    Properties {
        kind: question.kind,
        ..Properties::default()
    }
}

/// The transactions to follow. A group that a message meets again on its way makes the same copies again,
/// and each of those meets it once more: the way that it went before, with all that go it, is enough to see
/// how the round ends. What else comes of a recipient is followed where it is met for the first time.
fn once_around(mut transactions: Vec<Vec<Leg>>) -> Vec<Vec<Leg>> {
    let again = || transactions.iter().flatten().filter(|leg| leg.again);
    let round: HashSet<Mailbox> = again()
        .map(|leg| leg.copy.envelope_recipient.clone())
        .collect();
    if round.is_empty() {
        return transactions;
    }
    let onward = |leg: &Leg| leg.again && !matches!(leg.copy.next_hop, NextHop::Mailbox(_));
    let before = |leg: &Leg| onward(leg) && leg.path.went_before() == Some(leg.recipient());
    let by = |way: &dyn Fn(&Leg) -> bool| transactions.iter().position(|legs| legs.iter().any(way));
    let onward = by(&before).or_else(|| by(&onward));
    for (index, legs) in transactions.iter_mut().enumerate() {
        let first = |leg: &Leg| !leg.again && !leg.path.repeats;
        if onward != Some(index) {
            legs.retain(|leg| !round.contains(&leg.copy.envelope_recipient) || first(leg));
        }
    }
    transactions
}

/// Whether a message is handed over by its submitter or by a server.
#[derive(Clone, Copy)]
enum Hand {
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
