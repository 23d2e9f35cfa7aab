//! How forks end, and who is told.

use jiff::SignedDuration;

use super::leg::{Walk, behind};
use crate::flow::arrivals::{self, Ended};
use crate::flow::flag::FlagKind;
use crate::flow::fork::{Cycle, Disposition, Fork, Report};
use crate::flow::path::{End, Path};
use crate::flow::report_flow;
use crate::mail::{Mailbox, ReversePath, Status};
use crate::model::{RecipientId, ServerRole, replies};
use crate::route::{self, Copy, Event, Failure, Happened, Outcome, Reason, Step, Subject};

impl Walk<'_> {
    /// In a mailbox, or at a host that takes every address.
    pub(super) fn deliver(&mut self, id: Option<RecipientId>, copy: &Copy, mut path: Path) {
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

    /// A recipient for which this server finds no way.
    pub(super) fn fail_here(&mut self, failure: Failure, mut path: Path) {
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
    pub(super) fn is_unknown(&mut self, recipient: &Mailbox, steps: &[Step], path: &Path) -> bool {
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

    /// The next server said no.
    pub(super) fn refuse(&mut self, recipient: &Mailbox, status: Status, path: Path) {
        self.fall_short(recipient, &Happened::Reply(status), path);
    }

    /// A loop detector ended the journey, or the directory leads round.
    pub(super) fn looped(
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
    pub(super) fn fall_short(&mut self, recipient: &Mailbox, happened: &Happened, path: Path) {
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
    pub(super) fn outcome(&self, path: &Path, happened: &Happened) -> Outcome {
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

    pub(super) fn end(&mut self, path: Path, end: End) {
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

    /// The ends of the walk, in its order.
    pub(super) fn finish(mut self) -> Vec<Fork> {
        arrivals::take_first(&mut self.forks, &self.arrivals);
        self.forks.sort_by(|one, two| one.order.cmp(&two.order));
        arrivals::flag_duplicates(&mut self.forks, self.addressed);
        self.forks.into_iter().map(|ended| ended.fork).collect()
    }
}
