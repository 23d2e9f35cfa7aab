//! Where does each recipient go next, and why? The stages in their order: resolution and expansion,
//! connector selection, what the copy carries.

use std::borrow::Cow;
use std::collections::HashSet;

use super::centralized::{self, Course};
use super::firewall;
use super::item::{Categorized, Copy, Failure, MailItem, NextHop, Presented, TlsDemand, Transfer};
use super::resolve::{self, Changes, Place, Resolution, Resolved};
use super::select::{self, NoWinner, Selection};
use super::sites::{SMTP_PORT, by_way_of_the_site, nearest, port_between};
use super::step::{Event, Reason, Step, Subject};
use super::tls;
use crate::mail::Mailbox;
use crate::model::{
    Fallback, RecipientId, Routing, SendConnector, SendConnectorId, ServerId, Topology, replies,
};

/// Decides what a server makes of a message it has taken: recipients are resolved, each one resolved
/// is routed.
#[must_use]
pub fn categorize(topology: &Topology, server: ServerId, item: &MailItem) -> Categorized {
    let mut categorized = Categorized::default();
    let left = before_resolution(topology, server, item, &mut categorized);
    let item = &*left;
    let Resolution {
        resolved,
        failures,
        suppressed,
    } = resolve_envelope(topology, server, item);
    categorized.failures.extend(failures);
    categorized.suppressed.extend(suppressed);
    for resolved in resolved {
        route(topology, server, item, resolved, &mut categorized);
    }
    categorized
}

/// The stage before resolution: a front end hands the message to its tenant's hub, and a hub with
/// centralized mail transport to the on-premises organization. What is left is to be resolved.
fn before_resolution<'a>(
    topology: &Topology,
    server: ServerId,
    item: &'a MailItem,
    into: &mut Categorized,
) -> Cow<'a, MailItem> {
    let centralized = centralized::applies(topology, server, item);
    let hub = hub_behind(topology, server, item);
    if hub.is_none() && !centralized {
        return Cow::Borrowed(item);
    }
    let mut left = MailItem {
        recipients: Vec::new(),
        ..item.clone()
    };
    let mut met = HashSet::new();
    for recipient in &item.recipients {
        match hub {
            Some(hub) => into
                .copies
                .push(to_hub(topology, server, item, recipient, hub)),
            None if !met.insert(recipient) => {}
            None if by_way_of_premises(topology, server, item, recipient, into) => {}
            None => left.recipients.push(recipient.clone()),
        }
    }
    Cow::Owned(left)
}

/// Sends a recipient's copy through the on-premises organization, address unchanged, unless the
/// recipient refuses the message; whether that was all there is to do.
fn by_way_of_premises(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: &Mailbox,
    into: &mut Categorized,
) -> bool {
    if centralized::course(topology, server, item, recipient) == Course::Straight {
        return false;
    }
    let alone = MailItem {
        recipients: vec![recipient.clone()],
        ..item.clone()
    };
    let resolution = resolve::resolve(topology, server, &alone);
    if centralized::is_refused(&resolution) {
        into.failures.extend(resolution.failures);
        return true;
    }
    let step = Step::new(Event::Resolve, recipient).because(Reason::Centralized);
    let resolved = Resolved {
        recipient: recipient.clone(),
        place: Place::Elsewhere,
        expanded_from: None,
        changes: Changes::default(),
        steps: vec![step],
    };
    route(topology, server, item, resolved, into);
    true
}

/// The stage of resolution: what the envelope recipients become.
fn resolve_envelope(topology: &Topology, server: ServerId, item: &MailItem) -> Resolution {
    let directory = topology.server(server).directory;
    if directory && !item.resolved {
        return resolve::resolve(topology, server, item);
    }
    let one = |recipient| {
        if directory {
            resolve::locate(topology, item, recipient)
        } else {
            resolve::resolve_without_directory(topology, server, item, recipient)
        }
    };
    Resolution {
        resolved: item.recipients.iter().map(one).collect(),
        ..Resolution::default()
    }
}

/// The hub that a front end hands this message to.
fn hub_behind(topology: &Topology, server: ServerId, item: &MailItem) -> Option<ServerId> {
    let hubs = &topology.server(server).front_end_for;
    hubs.iter()
        .find(|(organization, _)| *organization == item.organization)
        .map(|(_, hub)| *hub)
}

fn to_hub(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: &Mailbox,
    hub: ServerId,
) -> Copy {
    let step = Step::new(Event::Send, recipient)
        .chosen(Subject::Server(hub))
        .because(Reason::FrontEnd);
    let next_hop = NextHop::Servers {
        servers: vec![hub],
        port: SMTP_PORT,
        connector: None,
    };
    let mut copy = inside(topology, server, item, recipient.clone(), next_hop);
    copy.transfer.resolved = false;
    copy.steps.push(step);
    copy
}

fn route(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    resolved: Resolved,
    into: &mut Categorized,
) {
    let Resolved {
        recipient,
        place,
        expanded_from,
        changes,
        mut steps,
    } = resolved;
    let next = match place {
        Place::AnyoneHere => {
            steps.push(Step::new(Event::Deliver, &recipient).because(Reason::AnyoneHere));
            Ok(inside(
                topology,
                server,
                item,
                recipient,
                NextHop::Mailbox(None),
            ))
        }
        Place::Mailbox(holder, id) => Ok(to_mailbox(
            topology, server, item, recipient, holder, id, &mut steps,
        )),
        Place::Elsewhere => elsewhere(topology, server, item, recipient, &mut steps),
        Place::ExpansionServer(expands) => Ok(to_expansion_server(
            topology, server, item, recipient, expands,
        )),
        Place::NoDatabase => {
            steps.push(Step::new(Event::Defer, &recipient).because(Reason::NoDatabase));
            let hop = NextHop::NoDatabase;
            Ok(inside(topology, server, item, recipient, hop))
        }
    };
    match next {
        Ok(mut copy) => {
            copy.expanded_from = expanded_from;
            change(topology, server, item, &mut copy, changes);
            steps.append(&mut copy.steps);
            copy.steps = steps;
            into.copies.push(copy);
        }
        Err(mut failure) => {
            steps.append(&mut failure.steps);
            failure.steps = steps;
            failure.told = changes.reverse_path.map(Box::new);
            failure.notify_never = changes.notify_never;
            into.failures.push(failure);
        }
    }
}

/// A group that only one server expands goes there as it is (Exchange Server, "Recipient
/// resolution", Expansion).
fn to_expansion_server(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: Mailbox,
    expands: ServerId,
) -> Copy {
    let step = Step::new(Event::Send, &recipient)
        .chosen(Subject::Server(expands))
        .because(Reason::ExpansionServer);
    let next_hop = NextHop::Servers {
        servers: vec![expands],
        port: port_between(topology, expands),
        connector: None,
    };
    let mut copy = inside(topology, server, item, recipient, next_hop);
    copy.transfer.resolved = false;
    copy.steps.push(step);
    copy
}

/// What resolution changed about a copy: who gets its reports, the recipient's first address, and at
/// the first server the size of the message (Exchange Server, "Recipient resolution").
fn change(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    copy: &mut Copy,
    changes: Changes,
) {
    let transfer = &mut copy.transfer;
    if let Some(reverse_path) = changes.reverse_path {
        transfer.reverse_path = reverse_path;
    }
    if let Some(auth_as) = changes.auth_as {
        transfer.organization = Some(auth_as);
        transfer.cross_premises = transfer.cross_premises.map(|_| auth_as);
    }
    transfer.trace.forwarded_for.extend(changes.forwarded_for);
    let properties = &mut transfer.properties;
    properties.notify_never |= changes.notify_never;
    let recipient = transfer.recipients.first();
    let before = recipient.and_then(|recipient| item.properties.orcpt.get(recipient).cloned());
    properties.orcpt = recipient
        .cloned()
        .zip(changes.original.or(before))
        .into_iter()
        .collect();
    if topology.server(server).directory && !topology.server(server).is_front_end() {
        properties.original_size.get_or_insert(item.size);
    }
}

fn to_mailbox(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: Mailbox,
    holder: ServerId,
    id: RecipientId,
    steps: &mut Vec<Step>,
) -> Copy {
    if holder == server {
        let step = Step::new(Event::Deliver, &recipient)
            .chosen(Subject::Recipient(id))
            .because(Reason::LocalMailbox);
        steps.push(step);
        return inside(
            topology,
            server,
            item,
            recipient,
            NextHop::Mailbox(Some(id)),
        );
    }
    let step = Step::new(Event::Send, &recipient)
        .chosen(Subject::Server(holder))
        .because(Reason::MailboxElsewhere);
    steps.push(step);
    let next_hop = NextHop::Servers {
        servers: vec![holder],
        port: port_between(topology, holder),
        connector: None,
    };
    inside(topology, server, item, recipient, next_hop)
}

/// The stage of connectors, for a recipient that is not here: by the one that its domain chooses.
fn elsewhere(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: Mailbox,
    steps: &mut Vec<Step>,
) -> Result<Copy, Failure> {
    let domain = &recipient.domain;
    let selection = if topology.server(server).directory {
        select::select_for(topology, server, item, domain)
    } else {
        select::select_on_edge(topology, server, item, domain)
    };
    let organization = topology.organization(topology.server(server).organization);
    let Selection {
        winner,
        because,
        rejected,
    } = selection;
    match (winner, organization.fallback) {
        (Ok(id), _) => {
            let choice = Step::new(Event::SendExternal, &recipient)
                .chosen(Subject::SendConnector(id))
                .because(because)
                .rejected(rejected);
            Ok(by_connector(
                topology, server, item, recipient, id, choice, steps,
            ))
        }
        (Err(NoWinner::TooLarge), _) => {
            let step = Step::new(Event::Fail, &recipient)
                .because(Reason::NoConnector)
                .rejected(rejected);
            Err(Failure {
                steps: vec![step],
                ..Failure::new(recipient, replies::TOO_LARGE.clone())
            })
        }
        (Err(NoWinner::Uncovered), Fallback::Mx) => {
            let step = Step::new(Event::SendExternal, &recipient)
                .chosen(Subject::Mx(domain.clone()))
                .because(Reason::NoConnector)
                .rejected(rejected);
            steps.push(step);
            let next_hop = NextHop::Dns {
                domain: domain.clone(),
                connector: None,
            };
            Ok(outside(topology, server, item, recipient, next_hop, None))
        }
        (Err(NoWinner::Uncovered), Fallback::Unreachable) => {
            let step = Step::new(Event::Defer, &recipient)
                .chosen(Subject::UnreachableQueue)
                .because(Reason::NoConnector)
                .rejected(rejected);
            steps.push(step);
            Ok(inside(
                topology,
                server,
                item,
                recipient,
                NextHop::Unreachable,
            ))
        }
    }
}

/// The copy that a chosen connector makes; `choice` says why it was chosen.
fn by_connector(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: Mailbox,
    id: SendConnectorId,
    choice: Step,
    steps: &mut Vec<Step>,
) -> Copy {
    let connector = topology.send_connector(id);
    if !connector.sources.contains(&server) {
        let servers = by_way_of_the_site(
            topology,
            server,
            nearest(topology, server, &connector.sources),
        );
        steps.push(
            Step {
                event: Event::Send,
                ..choice
            }
            .because(Reason::SourceServer),
        );
        let port = servers
            .first()
            .map_or(SMTP_PORT, |first| port_between(topology, *first));
        let next_hop = NextHop::Servers {
            servers,
            port,
            connector: Some(id),
        };
        return inside(topology, server, item, recipient, next_hop);
    }
    match &connector.routing {
        Routing::Servers(servers) => {
            steps.push(Step {
                event: Event::Send,
                ..choice
            });
            let servers = nearest(topology, server, servers);
            // The Edge server reaches the front end of a Mailbox server (port 25).
            let next_hop = NextHop::Servers {
                servers,
                port: SMTP_PORT,
                connector: Some(id),
            };
            inside(topology, server, item, recipient, next_hop)
        }
        Routing::Dns => {
            steps.push(with_headers_held_back(
                topology, server, &recipient, connector, choice,
            ));
            let next_hop = NextHop::Dns {
                domain: recipient.domain.clone(),
                connector: Some(id),
            };
            outside(topology, server, item, recipient, next_hop, Some(connector))
        }
        Routing::SmartHosts(hosts) => {
            steps.push(with_headers_held_back(
                topology, server, &recipient, connector, choice,
            ));
            let next_hop = NextHop::SmartHosts {
                hosts: hosts.clone(),
                connector: id,
            };
            outside(topology, server, item, recipient, next_hop, Some(connector))
        }
    }
}

/// The choice of a connector that leads out, with the reason why organization headers stay behind,
/// where somebody waits for them.
fn with_headers_held_back(
    topology: &Topology,
    server: ServerId,
    recipient: &Mailbox,
    connector: &SendConnector,
    choice: Step,
) -> Step {
    let organization = topology.server(server).organization;
    match firewall::carries(topology, organization, Some(connector), &recipient.domain) {
        Err(why) if is_partner_mail(topology, server, recipient) => choice.because(why),
        Ok(()) | Err(_) => choice,
    }
}

/// Whether a partner organization accepts the recipient's domain: then the headers matter.
fn is_partner_mail(topology: &Topology, server: ServerId, recipient: &Mailbox) -> bool {
    let organization = topology.organization(topology.server(server).organization);
    organization.partners.iter().any(|partner| {
        topology
            .accepted_domain_for(*partner, &recipient.domain)
            .is_some()
    })
}

/// A copy that stays in the organization: its organization headers go with it.
fn inside(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: Mailbox,
    next_hop: NextHop,
) -> Copy {
    let this = topology.server(server);
    let transfer = Transfer {
        reverse_path: item.reverse_path.clone(),
        recipients: vec![recipient],
        size: item.size,
        organization: Some(item.auth_as),
        cross_premises: None,
        directionality: Some(item.directionality),
        resolved: item.resolved || (this.directory && !this.is_front_end()),
        properties: item.properties.clone(),
        trace: item.trace.clone(),
    };
    Copy {
        next_hop,
        transfer,
        tls: TlsDemand::OPPORTUNISTIC,
        presented: Presented::SelfSigned,
        exchange_authenticated: true,
        expanded_from: None,
        steps: Vec::new(),
    }
}

/// A copy that leaves the organization: the header firewall decides what goes with it.
fn outside(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: Mailbox,
    next_hop: NextHop,
    connector: Option<&SendConnector>,
) -> Copy {
    let organization = topology.server(server).organization;
    let crosses = firewall::carries(topology, organization, connector, &recipient.domain).is_ok();
    let tls = connector.map_or(TlsDemand::OPPORTUNISTIC, |connector| {
        tls::demand(connector, &recipient.domain)
    });
    let transfer = Transfer {
        reverse_path: item.reverse_path.clone(),
        recipients: vec![recipient],
        size: item.size,
        organization: Some(item.auth_as),
        cross_premises: crosses.then_some(item.auth_as),
        directionality: Some(item.directionality),
        resolved: false,
        properties: item.properties.clone(),
        trace: item.trace.clone(),
    };
    Copy {
        next_hop,
        transfer,
        tls,
        presented: tls::presented(topology, server, connector),
        exchange_authenticated: false,
        expanded_from: None,
        steps: Vec::new(),
    }
}
