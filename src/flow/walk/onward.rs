//! From a server that has copies to the next one: where that is, and the session with it.

use super::door::Hand;
use super::leg::{Leg, Paths, Walk};
use crate::dns;
use crate::flow::flag::FlagKind;
use crate::flow::fork::Disposition;
use crate::flow::path::End;
use crate::flow::reach::{self, Miss, Reached};
use crate::flow::session::{self, Short};
use crate::mail::Domain;
use crate::model::{ServerId, replies};
use crate::route::{Event, Happened, NextHop, Outcome, Presented, Reason, Step, Subject};

impl Walk<'_> {
    /// The copies of one transaction to their next hop.
    pub(super) fn follow(&mut self, mut legs: Vec<Leg>) {
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
}
