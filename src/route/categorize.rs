//! Where does each recipient go next, and why? The stages in their order: resolution and expansion,
//! mail-flow rules, connector selection, what the copy carries.

use std::borrow::Cow;
use std::collections::HashSet;

use super::centralized::{self, Course};
use super::firewall;
use super::foreign;
use super::item::{Categorized, Copy, Failure, MailItem, NextHop, Presented, TlsDemand, Transfer};
use super::resolve::{self, Changes, Place, Resolution, Resolved};
use super::rules::{self, Orders, Ruling};
use super::select::{self, NoWinner, Selection};
use super::sites::{SMTP_PORT, Towards, nearest, port_between, towards};
use super::step::{Event, Reason, Rejected, Step, Subject};
use super::tls;
use super::transaction::name_each_once;
use crate::mail::{Domain, Mailbox};
use crate::model::{
    Fallback, ForeignAddress, RecipientId, Routing, SendConnector, SendConnectorId, Server,
    ServerId, Topology, TransportRole, replies,
};

/// Decides what a server makes of a message it has taken: recipients are resolved, each one resolved
/// is routed.
#[must_use]
pub fn categorize(topology: &Topology, server: ServerId, item: &MailItem) -> Categorized {
    let mut categorized = Categorized::default();
    let left = before_resolution(topology, server, item, &mut categorized);
    let item = &*left;
    let resolution = resolve_envelope(topology, server, item);
    let ruling = rules::apply(topology, server, item, resolution);
    send_ruled(topology, server, item, ruling, &mut categorized);
    name_each_once(&mut categorized);
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
    // Limits count the recipients that the sender named, whichever way some of them go.
    left.properties.envelope = Some(item.envelope());
    let mut met = HashSet::new();
    for recipient in &item.recipients {
        match hub {
            Some(hub) => into
                .copies
                .push(to_hub(topology, server, item, recipient, hub)),
            None if !met.insert(recipient) => {}
            None if by_way_of_premises(topology, server, &left, recipient, into) => {}
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
    let mut alone = MailItem {
        recipients: vec![recipient.clone()],
        ..item.clone()
    };
    alone.properties.envelope = Some(item.envelope());
    let resolution = resolve::resolve(topology, server, &alone);
    if centralized::is_refused(&resolution) {
        into.failures.extend(resolution.failures);
        return true;
    }
    // Rules ask who the recipient is, as everywhere.
    let step = Step::new(Event::Resolve, recipient).because(Reason::Centralized);
    let step = match resolve::holders(topology, item, recipient).as_slice() {
        [id] => step.chosen(Subject::Recipient(*id)),
        _ => step,
    };
    let resolved = Resolved {
        recipient: recipient.clone(),
        envelope_recipient: recipient.clone(),
        place: Place::Elsewhere,
        expanded_from: None,
        changes: Changes::default(),
        steps: vec![step],
    };
    // Choice: whoever a rule brings in is resolved already, and gets the message without the detour.
    // Rules run on this pass, and again when the message is back (Exchange Online, "Loop detection":
    // X-MS-Exchange-Transport-Rules-Loop).
    let resolution = Resolution {
        resolved: vec![resolved],
        ..Resolution::default()
    };
    let ruling = rules::apply(topology, server, item, resolution);
    send_ruled(topology, server, item, ruling, into);
    true
}

/// Routes what mail-flow rules left.
fn send_ruled(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    ruling: Ruling,
    into: &mut Categorized,
) {
    into.failures.extend(ruling.failures);
    into.suppressed.extend(ruling.suppressed);
    for (resolved, orders) in ruling.ruled {
        if orders == Orders::default() {
            route(topology, server, item, resolved, into);
        } else {
            route_by_orders(topology, server, item, resolved, orders, into);
        }
    }
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
    mut resolved: Resolved,
    into: &mut Categorized,
) {
    let recipient = resolved.recipient.clone();
    let steps = &mut resolved.steps;
    let next = match resolved.place {
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
        Place::Mailbox(holder, id) => {
            to_mailbox(topology, server, item, recipient, holder, id, steps)
        }
        Place::Elsewhere => elsewhere(topology, server, item, recipient, steps),
        Place::Foreign(ref address, id) => {
            to_foreign(topology, server, item, recipient, (address, id), steps)
        }
        Place::ExpansionServer(expands, _) => {
            to_expansion_server(topology, server, item, recipient, expands, steps)
        }
        Place::NoDatabase(_) => {
            steps.push(Step::new(Event::Defer, &recipient).because(Reason::NoDatabase));
            let hop = NextHop::NoDatabase;
            Ok(inside(topology, server, item, recipient, hop))
        }
    };
    settle(topology, server, item, next, resolved, into);
}

/// Routes a recipient for which mail-flow rules ordered something.
fn route_by_orders(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    mut resolved: Resolved,
    orders: Orders,
    into: &mut Categorized,
) {
    let mut item = item.clone();
    item.properties.require_tls |= orders.require_tls;
    if orders.counted {
        item.trace.rules_loop += 1;
    }
    // Choice: a connector that is disabled by now is not chosen, and routing goes its usual way.
    let connector = orders
        .connector
        .filter(|(_, id)| topology.send_connector(*id).enabled);
    let Some((rule, id)) = connector else {
        return route(topology, server, &item, resolved, into);
    };
    // Exchange PowerShell, "New-TransportRule", RouteMessageOutboundConnector: exactly that one,
    // whoever the recipient is.
    let choice = Step::new(Event::SendExternal, &resolved.recipient)
        .chosen(Subject::SendConnector(id))
        .because(Reason::RuleRoutes(topology.rule(rule).name.clone()));
    let (recipient, steps) = (resolved.recipient.clone(), &mut resolved.steps);
    let next = by_connector(topology, server, &item, recipient, id, choice, steps);
    settle(topology, server, &item, next, resolved, into);
}

/// Puts what was decided about a recipient with the rest.
fn settle(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    next: Result<Copy, Failure>,
    resolved: Resolved,
    into: &mut Categorized,
) {
    let Resolved {
        recipient,
        envelope_recipient,
        expanded_from,
        changes,
        mut steps,
        place: _,
    } = resolved;
    match next {
        Ok(mut copy) => {
            copy.envelope_recipient = envelope_recipient;
            copy.expanded_from = expanded_from;
            change(topology, server, item, &recipient, &mut copy, changes);
            steps.append(&mut copy.steps);
            copy.steps = steps;
            into.copies.push(copy);
        }
        Err(mut failure) => {
            steps.append(&mut failure.steps);
            failure.steps = steps;
            failure.envelope_recipient = Box::new(envelope_recipient);
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
    steps: &mut Vec<Step>,
) -> Result<Copy, Failure> {
    let choice = Step::new(Event::Send, &recipient)
        .chosen(Subject::Server(expands))
        .because(Reason::ExpansionServer);
    match towards(topology, server, &[expands], item.limited_size()) {
        Ok(way) => {
            let next_hop = on_the_way(topology, way, None, choice, steps);
            let mut copy = inside(topology, server, item, recipient, next_hop);
            copy.transfer.resolved = false;
            Ok(copy)
        }
        Err(reason) => Err(too_large(recipient, choice, reason)),
    }
}

/// What resolution changed about a copy: who gets its reports, the recipient's first address, and at
/// the first server the size of the message (Exchange Server, "Recipient resolution").
fn change(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    resolved: &Mailbox,
    copy: &mut Copy,
    changes: Changes,
) {
    let transfer = &mut copy.transfer;
    if let Some(reverse_path) = changes.reverse_path {
        transfer.reverse_path = reverse_path;
    }
    if let Some(auth_as) = changes.auth_as {
        copy.sent_anew = true;
        transfer.organization = Some(auth_as);
        transfer.cross_premises = transfer.cross_premises.map(|_| auth_as);
    }
    transfer.trace.forwarded_for.extend(changes.forwarded_for);
    transfer.trace.redirected_by.extend(changes.redirected_by);
    let properties = &mut transfer.properties;
    properties.notify_never |= changes.notify_never;
    let recipient = transfer.recipients.first();
    let before = changes
        .original
        .or_else(|| item.properties.orcpt.get(resolved).cloned());
    // An encapsulated address takes the place of the one that was resolved.
    let rewritten = (recipient != Some(resolved)).then(|| resolved.clone());
    properties.orcpt = recipient
        .cloned()
        .zip(before.or(rewritten))
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
) -> Result<Copy, Failure> {
    if holder == server {
        let step = Step::new(Event::Deliver, &recipient)
            .chosen(Subject::Recipient(id))
            .because(Reason::LocalMailbox);
        steps.push(step);
        return Ok(inside(
            topology,
            server,
            item,
            recipient,
            NextHop::Mailbox(Some(id)),
        ));
    }
    let choice = Step::new(Event::Send, &recipient)
        .chosen(Subject::Server(holder))
        .because(Reason::MailboxElsewhere);
    match towards(topology, server, &[holder], item.limited_size()) {
        Ok(way) => {
            let next_hop = on_the_way(topology, way, None, choice, steps);
            Ok(inside(topology, server, item, recipient, next_hop))
        }
        Err(reason) => Err(too_large(recipient, choice, reason)),
    }
}

/// The next hop on a way inside the organization, and the step that says so.
fn on_the_way(
    topology: &Topology,
    way: Towards,
    connector: Option<SendConnectorId>,
    choice: Step,
    steps: &mut Vec<Step>,
) -> NextHop {
    let Towards { servers, stop } = way;
    steps.push(match stop {
        Some(reason) => choice.because(reason),
        None => choice,
    });
    let port = servers
        .first()
        .map_or(SMTP_PORT, |first| port_between(topology, *first));
    NextHop::Servers {
        servers,
        port,
        connector,
    }
}

/// A message that a limit on its way does not let through.
fn too_large(recipient: Mailbox, choice: Step, reason: Reason) -> Failure {
    let step = Step {
        event: Event::Fail,
        because: vec![reason],
        ..choice
    };
    Failure {
        steps: vec![step],
        ..Failure::new(recipient, replies::TOO_LARGE.clone())
    }
}

/// The stage of connectors, for a recipient that is not here: by the one that its domain chooses.
fn elsewhere(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: Mailbox,
    steps: &mut Vec<Step>,
) -> Result<Copy, Failure> {
    if !topology.server(server).relays_to.is_empty() {
        return Ok(by_gateway(topology, server, item, recipient, steps));
    }
    let select = if topology.server(server).directory {
        select::select_for
    } else {
        select::select_on_edge
    };
    let Selection {
        winner,
        because,
        rejected,
    } = select(topology, server, item, &recipient.domain);
    let step = |event| Step::new(event, &recipient);
    match winner {
        Ok(id) => {
            let choice = step(Event::SendExternal)
                .chosen(Subject::SendConnector(id))
                .because(because)
                .rejected(rejected);
            by_connector(topology, server, item, recipient, id, choice, steps)
        }
        Err(NoWinner::TooLarge) => {
            let step = step(Event::Fail).because(because).rejected(rejected);
            Err(Failure {
                steps: vec![step],
                ..Failure::new(recipient, replies::TOO_LARGE.clone())
            })
        }
        Err(NoWinner::Uncovered) => Ok(uncovered(
            topology, server, item, recipient, rejected, steps,
        )),
    }
}

/// A recipient whose domain no connector covers: where the organization falls back to.
fn uncovered(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: Mailbox,
    rejected: Vec<Rejected>,
    steps: &mut Vec<Step>,
) -> Copy {
    let owner = topology.server(server).organization;
    let organization = topology.organization(owner);
    let why = match organization.fallback {
        Fallback::Mx if topology.send_connectors_of(owner).is_empty() => Reason::WithoutConnectors,
        Fallback::Mx | Fallback::Unreachable => Reason::NoConnector,
    };
    let step = |event, chosen| {
        Step::new(event, &recipient)
            .chosen(chosen)
            .because(why)
            .rejected(rejected)
    };
    match organization.fallback {
        Fallback::Mx => {
            let domain = recipient.domain.clone();
            steps.push(step(Event::SendExternal, Subject::Mx(domain.clone())));
            let next_hop = NextHop::Dns {
                domain,
                connector: None,
                port: SMTP_PORT,
            };
            outside(topology, server, item, recipient, next_hop, None)
        }
        Fallback::Unreachable => {
            steps.push(step(Event::Defer, Subject::UnreachableQueue));
            inside(topology, server, item, recipient, NextHop::Unreachable)
        }
    }
}

/// A recipient at an address of another type than SMTP: by a connector of that type, else nowhere.
fn to_foreign(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: Mailbox,
    (address, id): (&ForeignAddress, Option<RecipientId>),
    steps: &mut Vec<Step>,
) -> Result<Copy, Failure> {
    let Selection {
        winner,
        because,
        rejected,
    } = select::select_foreign(topology, server, address, item.limited_size());
    let choice = Step::new(Event::SendExternal, &recipient).rejected(rejected);
    let status = match winner {
        Ok(id) => {
            let choice = choice.chosen(Subject::SendConnector(id)).because(because);
            let source = topology.send_connector(id).sources.contains(&server);
            let organization = topology.server(server).organization;
            // The source server says the encapsulated address; servers before it, the recipient's.
            let wire = source
                .then(|| foreign::encapsulated(topology, organization, address))
                .flatten()
                .unwrap_or(recipient);
            return by_connector(topology, server, item, wire, id, choice, steps);
        }
        Err(NoWinner::TooLarge) => &replies::TOO_LARGE,
        Err(NoWinner::Uncovered) => &replies::NO_CONNECTOR_FOR_TYPE,
    };
    let step = Step {
        event: Event::Fail,
        chosen: id.map(Subject::Recipient),
        ..choice
    };
    Err(Failure {
        steps: vec![step.because(Reason::ForeignAddress(address.kind.clone()))],
        ..Failure::new(recipient, status.clone())
    })
}

/// A gateway of a third party sends on what it takes for domains that are not its own.
fn by_gateway(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: Mailbox,
    steps: &mut Vec<Step>,
) -> Copy {
    let hosts = topology.server(server).relays_to.clone();
    let step = Step::new(Event::SendExternal, &recipient).because(Reason::GatewayRelays);
    steps.push(match hosts.first() {
        Some(first) => step.chosen(Subject::Host(first.to_string())),
        None => step,
    });
    let next_hop = NextHop::SmartHosts {
        hosts,
        connector: None,
        port: SMTP_PORT,
    };
    outside(topology, server, item, recipient, next_hop, None)
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
) -> Result<Copy, Failure> {
    let connector = topology.send_connector(id);
    if !connector.sources.contains(&server) {
        let why = if connector.sources.is_empty() {
            Reason::DeadSources(connector.missing_sources.join(", "))
        } else {
            Reason::SourceServer
        };
        let choice = Step {
            event: Event::Send,
            ..choice
        }
        .because(why);
        // Choice: a connector without a live source keeps its mail; no other takes its place.
        return match towards(topology, server, &connector.sources, item.limited_size()) {
            Ok(way) => {
                let next_hop = on_the_way(topology, way, Some(id), choice, steps);
                Ok(inside(topology, server, item, recipient, next_hop))
            }
            Err(reason) => Err(too_large(recipient, choice, reason)),
        };
    }
    Ok(out_by(topology, server, item, recipient, id, choice, steps))
}

/// The copy that a source server of a connector makes.
fn out_by(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    recipient: Mailbox,
    id: SendConnectorId,
    choice: Step,
    steps: &mut Vec<Step>,
) -> Copy {
    let connector = topology.send_connector(id);
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
                port: connector.port,
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
                port: connector.port,
            };
            outside(topology, server, item, recipient, next_hop, Some(connector))
        }
        Routing::SmartHosts(hosts) => {
            steps.push(with_headers_held_back(
                topology, server, &recipient, connector, choice,
            ));
            let next_hop = NextHop::SmartHosts {
                hosts: hosts.clone(),
                connector: Some(id),
                port: connector.port,
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
        recipients: vec![recipient.clone()],
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
        envelope_recipient: recipient,
        expanded_from: None,
        sent_anew: false,
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
    let mut tls = connector.map_or(TlsDemand::OPPORTUNISTIC, |connector| {
        tls::demand(topology, connector, &recipient.domain)
    });
    let contest = connector.filter(|_| !tls.avoided);
    let contest = contest.and_then(|each| tls::contest(topology, server, each, &recipient));
    let steps = contest.into_iter().collect();
    tls.required |= item.properties.require_tls;
    let mut trace = item.trace.clone();
    if connector.is_some_and(|connector| connector.front_end_proxy) {
        trace
            .received_by
            .extend(front_end(topology.server(server)).cloned());
    }
    let transfer = Transfer {
        reverse_path: item.reverse_path.clone(),
        recipients: vec![recipient.clone()],
        size: item.size,
        organization: Some(item.auth_as),
        cross_premises: crosses.then_some(item.auth_as).or(item.properties.passing),
        directionality: Some(item.directionality),
        resolved: false,
        properties: item.properties.clone(),
        trace,
    };
    Copy {
        next_hop,
        transfer,
        tls,
        presented: tls::presented(topology, server, connector),
        exchange_authenticated: false,
        envelope_recipient: recipient,
        expanded_from: None,
        sent_anew: false,
        steps,
    }
}

/// The front end of a server, by which a session with `FrontendProxyEnabled` leaves: it adds a
/// Received field.
///
/// Choice: Exchange takes the front end of any server in the site; a prediction takes the source's own.
fn front_end(server: &Server) -> impl Iterator<Item = &Domain> {
    server
        .services
        .iter()
        .filter(|service| service.transport_role == TransportRole::FrontendTransport)
        .map(|service| &service.received_by)
}
