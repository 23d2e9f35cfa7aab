//! Recipient resolution and group expansion (Exchange Server, "Recipient resolution in Exchange
//! Server"; Exchange hybrid, "Configure Microsoft 365 Groups with on-premises Exchange hybrid"), and
//! where each recipient goes next. Answers are lines of text.

use hybridmx::mail::{AuthAs, Domain, Mailbox, ReversePath, Status};
use hybridmx::model::{
    Action, DomainType, Fallback, Member, Parts, Recipient, RecipientKind, Routing, SendConnector,
    Server, ServerId, ServerRole, TlsAuthLevel, replies,
};
use hybridmx::route::{Arrival, MailItem};

use super::certificates::presented;
use super::connectors::{Choice, choose, choose_foreign, choose_on_edge};
use super::names::{accepted, domain_type};
use super::rules::{self, Person};
use super::sites;

/// One message at one server, and what was said about it so far.
struct Desk<'a> {
    parts: &'a Parts,
    server: ServerId,
    item: &'a MailItem,
    /// Recipients met while the present envelope recipient is expanded, by position.
    met: Vec<usize>,
    lines: Vec<String>,
}

/// On whose behalf a recipient is looked at.
#[derive(Clone, Default)]
struct Way {
    /// The group it was expanded from.
    group: Option<usize>,
    /// The mail users whose target addresses led here.
    chain: Vec<usize>,
    /// Who the recipient is here, where it is somebody without a mailbox.
    object: Option<usize>,
    /// What mail-flow rules made of it so far.
    orders: Orders,
}

/// What mail-flow rules ordered for a recipient.
#[derive(Clone, Default)]
struct Orders {
    /// How many rules were asked.
    asked: usize,
    require_tls: bool,
    connector: Option<usize>,
}

/// What becomes of every recipient of a message, one line each, sorted.
pub(crate) fn fates(parts: &Parts, server: ServerId, item: &MailItem) -> Vec<String> {
    let mut desk = Desk {
        parts,
        server,
        item,
        met: Vec::new(),
        lines: Vec::new(),
    };
    for recipient in &item.recipients {
        desk.met.clear();
        desk.envelope(recipient);
    }
    desk.lines.sort();
    desk.lines
}

impl Desk<'_> {
    fn here(&self) -> &Server {
        &self.parts.servers[self.server.index()]
    }

    fn say(&mut self, line: String) {
        self.lines.push(line);
    }

    fn fail(&mut self, recipient: &Mailbox, status: &Status, in_dialogue: bool) {
        let told = if in_dialogue { " in dialogue" } else { "" };
        self.say(format!(
            "failure {recipient} {} {}{told}",
            status.code, status.enhanced
        ));
    }

    fn suppress(&mut self, recipient: &Mailbox) {
        let line = format!("suppressed {recipient}");
        if !self.lines.contains(&line) {
            self.say(line);
        }
    }

    /// One RCPT TO at whatever kind of server this is.
    fn envelope(&mut self, recipient: &Mailbox) {
        let tenant = self
            .here()
            .front_end_for
            .iter()
            .find(|(tenant, _)| *tenant == self.item.organization);
        if let Some((_, hub)) = tenant {
            let line = format!("{} {}", self.inside(&[*hub], None), self.trust());
            self.say(format!("copy {recipient} {line}"));
        } else if self.here().role == ServerRole::Host {
            let organization = self.here().organization;
            if accepted(self.parts, organization, &recipient.domain).is_some() {
                self.say(format!("copy {recipient} any mailbox {}", self.trust()));
            } else if !self.here().relays_to.is_empty() {
                let hosts = &self.here().relays_to;
                let line = format!("hosts {hosts:?} 25 None {:?}", self.item.properties.passing);
                self.say(format!("copy {recipient} {line}"));
            } else {
                self.by_domain(recipient, &Way::default());
            }
        } else if self.here().role == ServerRole::Edge {
            self.by_domain(recipient, &Way::default());
        } else if self.item.resolved {
            self.resolved_before(recipient);
        } else {
            self.address(recipient, &Way::default());
        }
    }

    /// A recipient that another server resolved: it is not resolved a second time.
    fn resolved_before(&mut self, recipient: &Mailbox) {
        match self.holders(recipient).as_slice() {
            [only]
                if matches!(
                    self.parts.recipients[*only].kind,
                    RecipientKind::Mailbox { .. }
                ) =>
            {
                self.deliver(*only, recipient, &Way::default());
            }
            [only]
                if matches!(
                    self.parts.recipients[*only].kind,
                    RecipientKind::MailUser {
                        target_address: None,
                        ..
                    }
                ) && self.parts.recipients[*only]
                    .policy()
                    .foreign_address
                    .is_some() =>
            {
                self.foreign(*only, recipient, &Way::default());
            }
            _ => self.by_domain(recipient, &Way::default()),
        }
    }

    /// The positions of the recipients of this organization that hold an address. A written-back
    /// group that nobody mail-enabled is no recipient.
    fn holders(&self, address: &Mailbox) -> Vec<usize> {
        let mut holders = Vec::new();
        for (index, recipient) in self.parts.recipients.iter().enumerate() {
            let is_recipient = !matches!(
                recipient.kind,
                RecipientKind::RemoteGroup {
                    mail_enabled: false,
                    ..
                }
            );
            if recipient.organization == self.item.organization
                && is_recipient
                && recipient.addresses.contains(address)
            {
                holders.push(index);
            }
        }
        holders
    }

    /// An address: nobody's, somebody's, or several people's.
    fn address(&mut self, address: &Mailbox, way: &Way) {
        let holders = self.holders(address);
        match holders.as_slice() {
            [] if way.chain.is_empty() => self.nobody(address, way),
            // A target address needs no recipient here, whatever the type of its domain.
            [] => self.by_domain(address, way),
            [only] => self.object(*only, address, way),
            _ => self.fail(address, &replies::AMBIGUOUS, false),
        }
    }

    /// Nobody has the address: the type of its accepted domain decides.
    fn nobody(&mut self, address: &Mailbox, way: &Way) {
        match domain_type(self.parts, self.item.organization, &address.domain) {
            Some(DomainType::Authoritative) => self.not_found(address),
            Some(DomainType::InternalRelay | DomainType::ExternalRelay) | None => {
                self.by_domain(address, way);
            }
        }
    }

    fn not_found(&mut self, address: &Mailbox) {
        let profile = self.parts.organizations[self.item.organization.index()].profile;
        self.fail(address, &profile.recipient_not_found, false);
    }

    /// One recipient object.
    fn object(&mut self, index: usize, address: &Mailbox, way: &Way) {
        let recipient = &self.parts.recipients[index];
        if way.chain.contains(&index) {
            return self.fail(address, &replies::FORWARDING_LOOP, false);
        }
        if self.met.contains(&index) {
            return self.suppress(address);
        }
        self.met.push(index);
        if way.group.is_none()
            && let Some(status) = self.restriction(recipient)
        {
            let waits = self.parts.organizations[recipient.organization.index()]
                .profile
                .restrictions_in_dialogue
                && self.item.arrival != Arrival::Submission;
            return self.fail(address, &status, waits);
        }
        match &recipient.kind {
            RecipientKind::Mailbox { .. } => self.deliver(index, recipient.primary(), way),
            RecipientKind::MailUser {
                target_address: None,
                ..
            } => match &recipient.policy().foreign_address {
                Some(_) => self.foreign(index, recipient.primary(), way),
                None => self.not_found(address),
            },
            RecipientKind::MailUser {
                target_address: Some(target),
                ..
            } => self.redirect(index, target, way),
            RecipientKind::RemoteGroup { target_address, .. } => match target_address {
                Some(target) => self.redirect(index, target, way),
                None => {
                    let mut further = way.clone();
                    further.object = Some(index);
                    self.by_domain(recipient.primary(), &further);
                }
            },
            RecipientKind::Group { subscribers, .. } => {
                self.group(index, recipient, subscribers, way);
            }
            RecipientKind::DistributionGroup(group) => self.members(index, &group.members, way),
        }
    }

    /// Mail for somebody who is elsewhere. The target address may be another recipient's.
    fn redirect(&mut self, index: usize, target: &Mailbox, way: &Way) {
        let mut further = way.clone();
        further.object = Some(index);
        if self.holders(target) == [index] {
            return self.by_domain(target, &further);
        }
        further.chain.push(index);
        self.address(target, &further);
    }

    /// Whether the recipient refuses this sender.
    fn restriction(&self, recipient: &Recipient) -> Option<Status> {
        let always = matches!(recipient.kind, RecipientKind::RemoteGroup { .. });
        if self.item.auth_as == AuthAs::Internal
            || !(recipient.require_sender_authentication || always)
        {
            return None;
        }
        let profile = self.parts.organizations[recipient.organization.index()].profile;
        let own =
            self.item.reverse_path.domain().is_some_and(|domain| {
                accepted(self.parts, recipient.organization, domain).is_some()
            });
        Some(match &recipient.kind {
            RecipientKind::Mailbox { .. } => replies::MAILBOX_REFUSES.clone(),
            RecipientKind::MailUser { .. } => replies::MAIL_USER_REFUSES.clone(),
            RecipientKind::DistributionGroup(_)
            | RecipientKind::Group { .. }
            | RecipientKind::RemoteGroup { .. }
                if own =>
            {
                profile.group_refuses_own.clone()
            }
            RecipientKind::DistributionGroup(_)
            | RecipientKind::Group { .. }
            | RecipientKind::RemoteGroup { .. } => profile.group_refuses_foreign.clone(),
        })
    }

    /// The group's own mailbox, then every subscriber once.
    fn group(&mut self, index: usize, group: &Recipient, subscribers: &[Member], way: &Way) {
        let way = Way {
            group: Some(index),
            orders: way.orders.clone(),
            ..Way::default()
        };
        let alone = Way {
            group: None,
            ..way.clone()
        };
        self.deliver(index, group.primary(), &alone);
        let mut named: Vec<&Member> = Vec::new();
        for subscriber in subscribers {
            let again = named.contains(&subscriber);
            named.push(subscriber);
            // Named twice, a stranger gets one copy; a recipient met twice is a matter of `object`.
            if !again || matches!(subscriber, Member::Recipient(_)) {
                self.subscriber(subscriber, &way);
            }
        }
    }

    /// Every member of a distribution group.
    fn members(&mut self, index: usize, members: &[Member], way: &Way) {
        let way = Way {
            group: Some(index),
            orders: way.orders.clone(),
            ..Way::default()
        };
        for member in members {
            match member {
                Member::Nobody(address) => self.address(address, &way),
                Member::Recipient(id) => {
                    let primary = self.parts.recipients[id.index()].primary();
                    self.object(id.index(), primary, &way);
                }
            }
        }
    }

    fn subscriber(&mut self, subscriber: &Member, way: &Way) {
        let sender = match &self.item.reverse_path {
            ReversePath::Mailbox(sender) => Some(sender.clone()),
            ReversePath::Null => None,
        };
        match subscriber {
            Member::Nobody(address) if Some(address) == sender.as_ref() => self.suppress(address),
            Member::Nobody(address) => self.address(address, way),
            Member::Recipient(id) => {
                let recipient = &self.parts.recipients[id.index()];
                let own = sender.is_some_and(|sender| recipient.addresses.contains(&sender));
                let echo = match recipient.kind {
                    RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } => {
                        echo
                    }
                    RecipientKind::DistributionGroup(_)
                    | RecipientKind::Group { .. }
                    | RecipientKind::RemoteGroup { .. } => false,
                };
                if own && !echo {
                    self.suppress(recipient.primary());
                } else {
                    self.object(id.index(), recipient.primary(), way);
                }
            }
        }
    }

    /// A mailbox of this organization, here or on another server.
    fn deliver(&mut self, index: usize, address: &Mailbox, way: &Way) {
        let recipient = &self.parts.recipients[index];
        let Some(orders) = self.ruled(address, Some(index), way) else {
            return;
        };
        if orders.connector.is_some() {
            return self.ordered(address, &orders, way);
        }
        let home = match recipient.kind {
            RecipientKind::Mailbox { server, .. } => server,
            // Group mailboxes are where the only transport of a tenant is.
            RecipientKind::DistributionGroup(_)
            | RecipientKind::Group { .. }
            | RecipientKind::MailUser { .. }
            | RecipientKind::RemoteGroup { .. } => self.server,
        };
        let place = if home == self.server {
            format!("mailbox {}", recipient.name)
        } else {
            let next = sites::next_servers(self.parts, self.server, &[home], self.item.size);
            match next {
                Some(next) => self.inside(&next, None),
                None => return self.fail(address, &replies::TOO_LARGE, false),
            }
        };
        let from = self.expanded(way);
        let trust = self.trust();
        self.say(format!("copy {address} {place} {trust}{from}"));
    }

    /// Somebody who is not here: by the connector that the domain chooses.
    fn by_domain(&mut self, address: &Mailbox, way: &Way) {
        let Some(orders) = self.ruled(address, way.object, way) else {
            return;
        };
        if orders.connector.is_some() {
            return self.ordered(address, &orders, way);
        }
        let choice = if self.here().role == ServerRole::Edge {
            choose_on_edge(
                self.parts,
                self.server,
                &address.domain,
                self.item.size,
                self.item.arrival == Arrival::Internal,
            )
        } else {
            choose(self.parts, self.server, &address.domain, self.item.size)
        };
        let from = self.expanded(way);
        match choice {
            Choice::Connector(connector) => match self.through(connector, address, &orders) {
                Some(place) => self.say(format!("copy {address} {place}{from}")),
                None => self.fail(address, &replies::TOO_LARGE, false),
            },
            Choice::TooLarge => self.fail(address, &replies::TOO_LARGE, false),
            Choice::Nothing => {
                let organization = self.here().organization;
                let place = match self.parts.organizations[organization.index()].fallback {
                    Fallback::Mx => {
                        let tls = if orders.require_tls { " tls" } else { "" };
                        let passing = self.item.properties.passing;
                        format!("mx of {} None {passing:?}{tls}", address.domain)
                    }
                    Fallback::Unreachable => "unreachable".to_owned(),
                };
                self.say(format!("copy {address} {place}{from}"));
            }
        }
    }

    /// Asks the mail-flow rules that were not asked yet; nothing where the recipient does not stay.
    fn ruled(&mut self, address: &Mailbox, object: Option<usize>, way: &Way) -> Option<Orders> {
        let mut orders = way.orders.clone();
        if self.item.resolved || self.here().role == ServerRole::Edge {
            return Some(orders);
        }
        let person = Person {
            address: address.clone(),
            objects: object.into_iter().collect(),
        };
        let all = rules::in_order(self.parts, self.item);
        for rule in all.iter().skip(way.orders.asked) {
            orders.asked += 1;
            if !rules::applies(self.parts, self.item, rule, &person) {
                continue;
            }
            if rule.stops {
                orders.asked = all.len();
            }
            let mut others: Vec<&Member> = Vec::new();
            let mut stays = true;
            let mut dropped = false;
            for action in &rule.actions {
                match action {
                    Action::Reject { status, .. } => {
                        self.say(format!("failure {address} 550 {status}"));
                        return None;
                    }
                    Action::Delete => dropped = true,
                    Action::RequireTls => orders.require_tls = true,
                    Action::Route(id) => orders.connector = Some(id.index()),
                    Action::Add(members) => others.extend(members),
                    Action::Redirect(members) => {
                        others.extend(members);
                        stays = false;
                    }
                }
            }
            let changes = rule
                .actions
                .iter()
                .any(|action| matches!(action, Action::Add(_) | Action::Redirect(_)));
            let cloud = self.here().role == ServerRole::Hub;
            if changes && cloud && self.item.trace.rules_loop > 0 {
                self.fail(address, &replies::RULES_LOOP, false);
                return None;
            }
            if dropped {
                self.suppress(address);
                return None;
            }
            for member in others {
                self.bring_in(member, &orders);
            }
            if !stays {
                return None;
            }
            if rule.stops {
                break;
            }
        }
        Some(orders)
    }

    /// Somebody at an address of another type: by a connector of that type, under an address that
    /// SMTP can carry.
    fn foreign(&mut self, index: usize, address: &Mailbox, way: &Way) {
        let Some(orders) = self.ruled(address, Some(index), way) else {
            return;
        };
        if orders.connector.is_some() {
            return self.ordered(address, &orders, way);
        }
        let recipient = &self.parts.recipients[index];
        let foreign = recipient.policy().foreign_address.clone();
        let foreign = foreign.expect("it has one");
        let from = self.expanded(way);
        match choose_foreign(self.parts, self.server, &foreign, self.item.size) {
            Choice::Connector(connector) => {
                let mut address = address.clone();
                if connector.sources.contains(&self.server) {
                    let default = self
                        .parts
                        .accepted_domains
                        .iter()
                        .find(|entry| entry.organization == connector.organization && entry.default)
                        .expect("every organization has a default domain");
                    let text = foreign.address.replace('/', "_").replace(' ', "+20");
                    let text = format!("IMCEA{}-{text}@{}", foreign.kind, default.domain);
                    address = Mailbox::parse(&text).expect("an address");
                }
                match self.through(connector, &address, &orders) {
                    Some(place) => self.say(format!("copy {address} {place}{from}")),
                    None => self.fail(&address, &replies::TOO_LARGE, false),
                }
            }
            Choice::TooLarge => self.fail(address, &replies::TOO_LARGE, false),
            Choice::Nothing => self.fail(address, &replies::NO_CONNECTOR_FOR_TYPE, false),
        }
    }

    /// A recipient that a rule brings in.
    fn bring_in(&mut self, member: &Member, orders: &Orders) {
        let address = match member {
            Member::Nobody(address) => address,
            Member::Recipient(id) => &self.parts.recipients[id.index()].addresses[0],
        };
        let way = Way {
            orders: orders.clone(),
            ..Way::default()
        };
        let met = std::mem::take(&mut self.met);
        self.address(&address.clone(), &way);
        self.met = met;
    }

    /// A recipient for whom a rule names the connector.
    fn ordered(&mut self, address: &Mailbox, orders: &Orders, way: &Way) {
        let connector = &self.parts.send_connectors[orders.connector.expect("it is named")];
        let from = self.expanded(way);
        match self.through(connector, address, orders) {
            Some(place) => self.say(format!("copy {address} {place}{from}")),
            None => self.fail(address, &replies::TOO_LARGE, false),
        }
    }

    /// The next hop of a connector from this server; nothing where a site link is too narrow.
    fn through(
        &self,
        connector: &SendConnector,
        address: &Mailbox,
        orders: &Orders,
    ) -> Option<String> {
        if !connector.sources.contains(&self.server) {
            let (sources, size) = (&connector.sources, self.item.size);
            let next = sites::next_servers(self.parts, self.server, sources, size)?;
            let hop = self.inside(&next, Some(connector));
            return Some(format!("{hop} {}", self.trust()));
        }
        let port = connector.port;
        let hop = match &connector.routing {
            Routing::Dns => format!("mx of {} {port}", address.domain),
            Routing::SmartHosts(hosts) => format!("hosts {hosts:?} {port}"),
            Routing::Servers(servers) => {
                let names = self.nearest_first(servers);
                return Some(format!(
                    "servers {names:?} {port} via {} {}",
                    connector.name,
                    self.trust()
                ));
            }
        };
        let crosses = connector.cloud_services_mail_enabled
            && accepted(self.parts, connector.organization, &address.domain).is_some();
        let own = crosses.then_some(self.item.auth_as);
        let cross_premises = own.or(self.item.properties.passing);
        let tls = tls(self.parts, connector, &address.domain, orders.require_tls);
        let shown = presented(self.parts, self.server, connector);
        Some(format!(
            "{hop} via {} None {cross_premises:?}{tls} {shown}",
            connector.name
        ))
    }

    /// Other servers of the organization: a Mailbox server's transport service, an Edge server's
    /// port 25.
    fn inside(&self, servers: &[ServerId], connector: Option<&SendConnector>) -> String {
        // The transport service of a Mailbox server has a front end before it on port 25.
        let mailbox = |id: &ServerId| self.parts.servers[id.index()].role == ServerRole::Mailbox;
        let port = if servers.iter().any(mailbox) {
            2525
        } else {
            25
        };
        let names = self.nearest_first(servers);
        match connector {
            Some(connector) => format!("servers {names:?} {port} via {}", connector.name),
            None => format!("servers {names:?} {port}"),
        }
    }

    fn nearest_first(&self, servers: &[ServerId]) -> Vec<String> {
        let name = |id: &ServerId| self.parts.servers[id.index()].name.clone();
        let sorted = sites::nearest_first(self.parts, self.server, servers);
        sorted.iter().map(name).collect()
    }

    /// The headers of a copy that stays in the organization.
    fn trust(&self) -> String {
        format!("Some({}) None", self.item.auth_as)
    }

    fn expanded(&self, way: &Way) -> String {
        way.group.map_or_else(String::new, |index| {
            format!(" from {}", self.parts.recipients[index].name)
        })
    }
}

/// What a connector demands of the next hop; under domain validation also which name.
fn tls(parts: &Parts, connector: &SendConnector, domain: &Domain, ordered: bool) -> String {
    let untried = connector.ignore_starttls || connector.force_helo;
    let avoided = if untried { " untried" } else { "" };
    let list = &parts.organizations[connector.organization.index()]
        .transport
        .send_domain_secure;
    let by_dns = matches!(connector.routing, Routing::Dns);
    if connector.domain_secure && by_dns && list.contains(domain) && !untried {
        return format!(
            " tls true {:?} {domain}",
            Some(TlsAuthLevel::DomainValidation)
        );
    }
    let name = match connector.tls_auth_level {
        Some(TlsAuthLevel::DomainValidation) => connector
            .tls_domain
            .as_ref()
            .map_or_else(|| domain.to_string(), ToString::to_string),
        Some(TlsAuthLevel::EncryptionOnly | TlsAuthLevel::CertificateValidation) | None => {
            String::new()
        }
    };
    format!(
        " tls {} {:?} {name}{avoided}",
        connector.require_tls || ordered,
        connector.tls_auth_level
    )
}
