//! The walker: at each server it asks `route`, follows every copy to the server that owns the next
//! address, and ends each fork in a disposition.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::SignedDuration;

use super::flag::{Flag, FlagKind};
use super::fork::{Cycle, Disposition, Flow, Fork, Hop, Question, Report, Submission};
use super::misroute::misroutes;
use super::path::{End, Path, minimal_cycle};
use super::reach::{self, Miss, Reached};
use super::report_flow;
use crate::dns::{self, Zones};
use crate::mail::{AuthAs, Directionality, Domain, Mailbox, ReversePath, Status};
use crate::model::{
    OrganizationId, RecipientId, RecipientKind, SendConnectorId, ServerId, ServerRole, Topology,
    replies,
};
use crate::route::{
    self, Admission, Arrival, Connection, Copy, Event, Happened, MailItem, NextHop, Outcome, Peer,
    Presented, Properties, Reason, Step, Subject, Trace, Transfer, Verdict,
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
        delivered: HashSet::new(),
        forks: Vec::new(),
        reports: Vec::new(),
    };
    // The same address twice in one transaction is one recipient.
    let mut met = HashSet::new();
    let to = question.to.iter().filter(|to| met.insert(*to));
    let to: Vec<Mailbox> = to.cloned().collect();
    if !to.is_empty() {
        walk.submit(question, to);
        walk.flag_duplicates();
    }
    Flow {
        question: question.clone(),
        forks: walk.forks,
    }
}

struct Walk<'a> {
    topology: &'a Topology,
    zones: &'a Zones,
    /// The organization of the user who sent it.
    sender: Option<OrganizationId>,
    /// Whom the sender wrote to.
    addressed: &'a [Mailbox],
    /// The mailboxes that have it.
    delivered: HashSet<RecipientId>,
    forks: Vec<Fork>,
    /// What became of the notifications so far: those of one server to one sender go the same way.
    reports: Vec<Report>,
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
                self.visit(&item, path);
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
                self.hand_over(
                    server,
                    &connection,
                    &transfer,
                    &Path::begin(server, question.from.clone()),
                    Hand::First,
                );
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
    fn visit(&mut self, item: &MailItem, mut path: Path) {
        let server = path.server();
        path.told = item.reverse_path.clone();
        path.notify_never = item.properties.notify_never;
        let categorized = route::categorize(self.topology, server, item);
        let refused = categorized.refusal(item.arrival).is_some();
        let submitter = self.topology.server(server).role == ServerRole::Host
            && item.arrival == Arrival::Submission;
        if !refused && !submitter && !self.topology.server(server).is_front_end() {
            path.holder = Some(server);
        }
        for copy in once_around(categorized.copies, &path.expanded) {
            let mut path = path.clone();
            path.record(copy.steps.iter().cloned());
            if self.is_unknown(&copy.transfer.recipients[0], &copy.steps, &path) {
                continue;
            }
            path.ruled |= copy
                .steps
                .iter()
                .any(|step| matches!(step.chosen, Some(Subject::Rule(_))));
            path.expanded.extend(copy.expanded_from);
            path.told = copy.transfer.reverse_path.clone();
            path.notify_never = copy.transfer.properties.notify_never;
            self.follow(&copy, path);
        }
        for failure in categorized.failures {
            let mut path = path.clone();
            if let Some(told) = failure.told {
                path.told = *told;
            }
            path.notify_never |= failure.notify_never;
            path.record(failure.steps.iter().cloned());
            if self.is_unknown(&failure.recipient, &failure.steps, &path) {
                continue;
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
        for suppressed in categorized.suppressed {
            let mut path = path.clone();
            path.record(suppressed.steps.iter().cloned());
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

    /// Ends a fork of which a mail-flow rule may make something else: whether it does is a matter of
    /// the content, which no question has.
    fn is_unknown(&mut self, recipient: &Mailbox, steps: &[Step], path: &Path) -> bool {
        let unknown = |step: &Step| {
            step.event == Event::AgentInfo
                && step
                    .because
                    .iter()
                    .any(|reason| matches!(reason, Reason::UnknownFact(_)))
        };
        let is_unknown = steps.iter().any(unknown);
        if is_unknown {
            let end = End::new(recipient.clone(), Disposition::Unknown, None);
            self.end(path.clone(), end);
        }
        is_unknown
    }

    /// One copy to its next hop.
    fn follow(&mut self, copy: &Copy, mut path: Path) {
        let server = path.server();
        if path.holder == Some(server) {
            path.leaving = copy.next_hop.connector();
        }
        let recipient = &copy.transfer.recipients[0];
        match &copy.next_hop {
            NextHop::Mailbox(id) => self.deliver(*id, copy, path),
            NextHop::NoDatabase => {
                let waits = Happened::Reply(replies::NO_DATABASE.clone());
                self.fall_short(recipient, &waits, path);
            }
            NextHop::Unreachable => self.fall_short(recipient, &Happened::Unreachable, path),
            NextHop::Servers { servers, port, .. } => match servers.first() {
                Some(next) => {
                    let hop = Reached {
                        server: Some(*next),
                        name: String::new(),
                        address: None,
                    };
                    self.transmit(copy, &hop, *port, path);
                }
                None => self.fall_short(recipient, &Happened::NoConnection, path),
            },
            NextHop::Dns {
                domain,
                connector,
                port,
            } => {
                let targets = dns::targets(
                    self.zones,
                    reach::view(self.topology, server, *connector),
                    domain,
                );
                match reach::best(self.topology, server, targets, false) {
                    Ok(hop) => self.transmit(copy, &hop, *port, path),
                    Err(miss) => self.miss(copy, domain, miss, path),
                }
            }
            NextHop::SmartHosts {
                hosts,
                connector,
                port,
            } => match reach::smart_host(self.topology, self.zones, server, hosts, *connector) {
                Ok(hop) => self.transmit(copy, &hop, *port, path),
                Err((name, miss)) => self.miss(copy, &name, miss, path),
            },
        }
    }

    /// No next hop was found.
    fn miss(&mut self, copy: &Copy, name: &Domain, miss: Miss, mut path: Path) {
        let recipient = &copy.transfer.recipients[0];
        let reason = reach::why(name, &miss);
        let happened = match miss {
            Miss::Happened(happened) => happened,
            Miss::NoAnswer(_) => Happened::NoAnswer,
            Miss::Unknown(_) => {
                path.record([Step::new(Event::Defer, recipient).because(reason)]);
                let end = End::new(recipient.clone(), Disposition::Unknown, None);
                return self.end(path, end);
            }
        };
        path.record([Step::new(Event::Fail, recipient).because(reason)]);
        if happened == Happened::BestMxIsSelf {
            let server = path.server();
            path.raise(FlagKind::Loop, false, server, "mx_self");
            self.flag_group_domain(copy, &mut path);
        }
        self.fall_short(recipient, &happened, path);
    }

    /// Connects, demands TLS, and hands the message over.
    fn transmit(&mut self, copy: &Copy, hop: &Reached, port: u16, mut path: Path) {
        let recipient = &copy.transfer.recipients[0];
        let from = path.server();
        if let Presented::Missing(name) = &copy.presented {
            let reason = Reason::CertificateRejected(route::why_missing(self.topology, from, name));
            path.record([Step::new(Event::Defer, recipient).because(reason)]);
            return self.fall_short(recipient, &Happened::CertificateMissing, path);
        }
        let Some(next) = hop.server else {
            let address = hop
                .address
                .map_or_else(String::new, |address| format!(" ({address})"));
            let outside = Reason::OutsideWorld(format!("{}{address}", hop.name));
            self.flag_group_domain(copy, &mut path);
            path.record([Step::new(Event::SendExternal, recipient)
                .chosen(Subject::Host(hop.name.clone()))
                .because(outside)]);
            let end = End::new(
                recipient.clone(),
                Disposition::LeftWorld,
                Some(replies::QUEUED.clone()),
            );
            return self.end(path, end);
        };
        if !reach::listens(self.topology, next, port) {
            let why = Reason::NoConnection(format!("port {port} of {}", hop.name));
            let step = Step::new(Event::Defer, recipient).because(why);
            path.record([step.chosen(Subject::Server(next))]);
            return self.fall_short(recipient, &Happened::NoConnection, path);
        }
        let mut connection = self.connection(from, next, hop.address, port);
        match self.session(copy, from, next, &connection) {
            Ok(peer) => connection.peer = peer,
            Err(ended) => {
                let (step, happened) = *ended;
                path.record([step]);
                return self.fall_short(recipient, &happened, path);
            }
        }
        match self.secure(copy, next, &connection) {
            Ok(tls) => connection.tls = tls,
            Err(what) => {
                self.flag_misrouted(copy, next, &mut path);
                let reason = Reason::CertificateRejected(what.clone());
                let step = Step::new(Event::Defer, recipient)
                    .chosen(Subject::Server(next))
                    .because(reason);
                path.record([step]);
                return self.fall_short(recipient, &Happened::Tls(what), path);
            }
        }
        if let (true, Presented::Certificate(certificate)) = (connection.tls, &copy.presented) {
            connection.certificate = Some(certificate.clone());
        }
        self.flag_misrouted(copy, next, &mut path);
        self.hand_over(
            next,
            &connection,
            &copy.transfer_to(connection.peer),
            &path,
            Hand::Next(copy.next_hop.connector()),
        );
    }

    /// The session before anybody proves anything.
    fn connection(
        &self,
        from: ServerId,
        to: ServerId,
        address: Option<IpAddr>,
        port: u16,
    ) -> Connection {
        let addresses = &self.topology.server(from).addresses;
        let own = &self.topology.server(to).addresses;
        let v4 = own.iter().any(IpAddr::is_ipv4);
        let remote_address = addresses
            .iter()
            .find(|address| address.is_ipv4() == v4)
            .or(addresses.first())
            .copied();
        Connection {
            remote_address,
            local_address: address.or_else(|| own.iter().find(|own| own.is_ipv4() == v4).copied()),
            port,
            peer: Peer::Anonymous,
            tls: false,
            certificate: None,
        }
    }

    /// What the next hop takes the sending server for, or why no message gets that far.
    fn session(
        &self,
        copy: &Copy,
        from: ServerId,
        next: ServerId,
        connection: &Connection,
    ) -> Result<Peer, Box<(Step, Happened)>> {
        let recipient = &copy.transfer.recipients[0];
        let ends = |event, reason, happened| {
            let step = Step::new(event, recipient).chosen(Subject::Server(next));
            Box::new((step.because(reason), happened))
        };
        if let Some(name) = self.own_greeting(from, next, connection) {
            let reason = Reason::OwnGreeting(name);
            return Err(ends(Event::Fail, reason, Happened::OwnGreeting));
        }
        route::peer(self.topology, copy, from, next, connection).map_err(|happened| {
            ends(
                Event::Defer,
                Reason::ExchangeAuthenticationMissing,
                happened,
            )
        })
    }

    /// The name by which the next hop greets, where it is the sending server's own.
    fn own_greeting(
        &self,
        from: ServerId,
        next: ServerId,
        connection: &Connection,
    ) -> Option<Domain> {
        let (id, _) = route::endpoint(self.topology, next, connection);
        let connector = self.topology.receive_connector(id?);
        let name = connector
            .fqdn
            .as_ref()
            .unwrap_or(&self.topology.server(next).fqdn);
        (*name == self.topology.server(from).fqdn).then(|| name.clone())
    }

    /// Whether the session has TLS, or what is wrong with the next hop's.
    fn secure(&self, copy: &Copy, next: ServerId, connection: &Connection) -> Result<bool, String> {
        let (id, _) = route::endpoint(self.topology, next, connection);
        let connector = id.map(|id| self.topology.receive_connector(id));
        let offered = connector.is_some_and(|connector| connector.offers_tls);
        let certificate = connector
            .and_then(|connector| route::served(self.topology, connector))
            .map(|id| self.topology.certificate(id));
        route::judge(&copy.tls, offered, certificate, self.topology.as_of())
    }

    /// RCPT TO for every recipient, and the end of DATA for those who are accepted alike.
    fn hand_over(
        &mut self,
        next: ServerId,
        connection: &Connection,
        transfer: &Transfer,
        path: &Path,
        hand: Hand,
    ) {
        let mut accepted: Vec<(Admission, Step, Vec<Mailbox>)> = Vec::new();
        for recipient in &transfer.recipients {
            let from = &transfer.reverse_path;
            let verdict = route::accept(self.topology, next, connection, from, recipient);
            let verdict = match hand {
                Hand::First => self.within_limit(verdict, &accepted),
                // Choice: a server sends what is left over in a transaction of its own (RFC 5321
                // §4.5.3.1.10), so that no recipient waits.
                Hand::Next(_) => verdict,
            };
            match verdict.decision {
                Ok(admission) => match accepted.iter_mut().find(|(same, ..)| *same == admission) {
                    Some((.., recipients)) => recipients.push(recipient.clone()),
                    None => accepted.push((admission, verdict.step, vec![recipient.clone()])),
                },
                Err(status) => {
                    let mut path = path.clone();
                    hand.arrive(&mut path, next, connection.tls, vec![verdict.step]);
                    self.refuse(recipient, status, path);
                }
            }
        }
        for (admission, received, recipients) in accepted {
            let transfer = Transfer {
                recipients,
                ..transfer.clone()
            };
            let path = path.clone();
            self.take(
                next, connection, &admission, received, &transfer, path, hand,
            );
        }
    }

    /// What becomes of one more recipient after these in one transaction: a connector takes so many
    /// (Exchange PowerShell, "Set-ReceiveConnector", MaxRecipientsPerMessage).
    fn within_limit(
        &self,
        verdict: Verdict,
        accepted: &[(Admission, Step, Vec<Mailbox>)],
    ) -> Verdict {
        let Ok(admission) = &verdict.decision else {
            return verdict;
        };
        let limit = self
            .topology
            .receive_connector(admission.connector)
            .max_recipients;
        let count = accepted
            .iter()
            .map(|(.., recipients)| recipients.len())
            .sum::<usize>()
            + 1;
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
    #[expect(
        clippy::too_many_arguments,
        reason = "what RCPT TO decided, and what it was about"
    )]
    fn take(
        &mut self,
        next: ServerId,
        connection: &Connection,
        admission: &Admission,
        mut received: Step,
        transfer: &Transfer,
        mut path: Path,
        hand: Hand,
    ) {
        let recipients = transfer.recipients.iter();
        // All of them are noted, whichever comes again.
        let again = recipients
            .filter(|recipient| path.comes_again(next, recipient, admission.directionality))
            .count()
            > 0;
        match route::admit(self.topology, next, connection, admission, transfer) {
            Ok((item, step)) => {
                received.because.extend(step.because);
                hand.arrive(&mut path, next, connection.tls, vec![received]);
                path.trust = Some(item.auth_as);
                self.flag_trust(&item, admission, next, &mut path);
                self.visit(&item, path);
            }
            Err(refusal) => {
                let route::Refusal { status, step } = *refusal;
                let kind = loop_detector(&step).filter(|_| again);
                hand.arrive(&mut path, next, connection.tls, vec![received, step]);
                for recipient in &transfer.recipients {
                    let (status, path) = (status.clone(), path.clone());
                    match kind {
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
        // Exchange Server 2007, "How to Configure Duplicate Message Detection": a mailbox takes a
        // message once. A host outside has no store that would see to it.
        // Choice: whichever copy comes first is delivered; a prediction takes the order of the walk.
        if id.is_some_and(|id| !self.delivered.insert(id)) {
            path.drop_duplicate();
            let status = Some(replies::QUEUED.clone());
            return self.end(path, End::new(recipient, Disposition::Suppressed, status));
        }
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
        let judge = path.holder.unwrap_or_else(|| path.hops[0].server);
        let judge = self.topology.server(judge);
        let none = BTreeSet::new();
        let policies = path
            .leaving
            .map_or(&none, |id| &self.topology.send_connector(id).error_policies);
        match route::outcome(judge, policies, happened, SignedDuration::ZERO) {
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
            delivered: HashSet::new(),
            forks: Vec::new(),
            reports: Vec::new(),
        };
        let item = route::report(self.topology, server, to, report_flow::REPORT_SIZE);
        let mut path = Path::begin(server, ReversePath::Null);
        path.holder = Some(server);
        path.trust = Some(item.auth_as);
        path.record([Step::new(Event::Dsn, to).chosen(Subject::Server(server))]);
        walk.visit(&item, path);
        let report = Report {
            server,
            from: route::reporter(self.topology, server, to),
            to: to.clone(),
            status: status.clone(),
            forks: walk.forks,
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
        self.forks.push(Fork {
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
        });
    }

    /// Compares who vouches for the sender with who should.
    fn flag_trust(
        &self,
        item: &MailItem,
        admission: &Admission,
        server: ServerId,
        path: &mut Path,
    ) {
        match self.sender {
            Some(own) => {
                let family = own == item.organization
                    || self
                        .topology
                        .organization(own)
                        .partners
                        .contains(&item.organization);
                if family && item.auth_as != AuthAs::Internal && item.is_for_own(self.topology) {
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
                let first = path.hops.len() <= 1;
                if item.auth_as == AuthAs::Internal && !(secured && first) {
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

    /// A recipient that gets the same message twice although it was addressed once: on a host outside,
    /// because mailboxes drop the second copy. Somebody who was written to besides others has one copy
    /// for that, and another from a group.
    fn flag_duplicates(&mut self) {
        let mut delivered = HashSet::new();
        let besides = |to: &Mailbox| self.addressed.len() > 1 && self.addressed.contains(to);
        for fork in self
            .forks
            .iter_mut()
            .filter(|fork| !besides(&fork.recipient))
        {
            let Some(hop) = fork.hops.last() else {
                continue;
            };
            let here = (fork.recipient.clone(), hop.server);
            if fork.disposition == Disposition::Delivered && !delivered.insert(here) {
                let server = hop.server;
                fork.flags.push(Flag {
                    kind: FlagKind::Duplicate,
                    expected: false,
                    server,
                    reason: "",
                });
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

/// What a question says of its message.
fn properties(question: &Question) -> Properties {
    Properties {
        kind: question.kind,
        ..Properties::default()
    }
}

/// The copies to follow. A group that a message meets again on its way makes the same copies again,
/// and each of those meets it once more: one of them is enough to see how the round ends.
fn once_around(copies: Vec<Copy>, expanded: &[RecipientId]) -> Vec<Copy> {
    let again = |copy: &Copy| {
        copy.expanded_from
            .is_some_and(|group| expanded.contains(&group))
    };
    if !copies.iter().any(again) {
        return copies;
    }
    let onward = |copy: &Copy| again(copy) && !matches!(copy.next_hop, NextHop::Mailbox(_));
    copies.into_iter().filter(onward).take(1).collect()
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
