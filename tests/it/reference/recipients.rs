//! Recipient resolution and group expansion (Exchange Server, "Recipient resolution in Exchange
//! Server"; Exchange hybrid, "Configure Microsoft 365 Groups with on-premises Exchange hybrid"), and
//! where each recipient goes next. Answers are lines of text.

use hybridmx::mail::{
    AuthAs, ByteSize, Directionality, Domain, Mailbox, MessageKind, ReversePath, Status,
};
use hybridmx::model::{
    Action, DistributionGroup, DomainType, EXCHANGE_ONLINE, Fallback, ForeignAddress, InboxRule,
    Member, Moderation, Parts, Recipient, RecipientKind, Routing, SendConnector, Server, ServerId,
    ServerRole, TlsAuthLevel, UnifiedGroup, replies,
};
use hybridmx::route::{Arrival, MailItem};

use super::certificates::presented;
use super::connectors::{Choice, choose, choose_among, choose_foreign, choose_on_edge};
use super::names::{accepted, domain_type};
use super::policies::Policies;
use super::rules::{self, Person};
use super::sites;

/// One message at one server, and what was said about it so far.
struct Desk<'a> {
    parts: &'a Parts,
    server: ServerId,
    item: &'a MailItem,
    policies: Policies<'a>,
    /// Recipients met while the envelope is expanded, by position.
    met: Vec<usize>,
    /// The copies in queues, each by what one transaction has in common and its recipient.
    named: Vec<String>,
    /// Whether no mail-flow rules are asked for now.
    unruled: bool,
    lines: Vec<String>,
}

/// On whose behalf a recipient is looked at.
#[derive(Clone, Default)]
struct Way {
    /// The group it was expanded from.
    group: Option<usize>,
    /// Whose mail goes here and to nobody else.
    chain: Vec<usize>,
    /// Whether a target address led here.
    targeted: bool,
    /// The address in the envelope, as long as no group was expanded.
    written: Option<Mailbox>,
    /// Who is told of failures, where that is another one than the sender; `Null`: nobody.
    told: Option<ReversePath>,
    /// Who vouches for a new message.
    vouched: Option<AuthAs>,
    /// The mailboxes that forwarded it.
    forwarded: Vec<Mailbox>,
    /// The mailboxes whose Inbox rules sent it on.
    redirected: Vec<Mailbox>,
    /// Who the recipient is here, where it is somebody without a mailbox.
    object: Option<usize>,
    /// What mail-flow rules made of it so far.
    orders: Orders,
    /// Whether a mail-flow rule brought it in: its groups are expanded here.
    added: bool,
}

impl Way {
    fn ordered(&self, orders: &Orders) -> Self {
        Self {
            orders: orders.clone(),
            ..self.clone()
        }
    }
}

/// What mail-flow rules ordered for a recipient.
#[derive(Clone, Default)]
struct Orders {
    /// How many rules were asked.
    asked: usize,
    require_tls: bool,
    connector: Option<usize>,
    /// Whether the cloud counts that they changed recipients.
    counted: bool,
}

/// What becomes of every recipient of a message, one line each, sorted.
pub(crate) fn fates(parts: &Parts, server: ServerId, item: &MailItem) -> Vec<String> {
    let mut desk = Desk {
        parts,
        server,
        item,
        policies: Policies {
            parts,
            item,
            profile: parts.servers[server.index()].profile,
            sender: None,
        },
        met: Vec::new(),
        named: Vec::new(),
        unruled: false,
        lines: Vec::new(),
    };
    if let (AuthAs::Internal, Some(sender)) = (item.auth_as, item.reverse_path.mailbox())
        && let [only] = desk.holders(sender).as_slice()
    {
        desk.policies.sender = Some(*only);
    }
    let mut written: Vec<&Mailbox> = Vec::new();
    for recipient in &item.recipients {
        if !desk.resolves() || !written.contains(&recipient) {
            written.push(recipient);
        }
    }
    // Nobody is met yet while it is found out who goes by way of the premises.
    let count = written.len();
    written.retain(|recipient| !desk.centralized(recipient, count));
    for recipient in written {
        desk.envelope(recipient, count);
    }
    desk.lines.sort();
    desk.lines
}

impl Desk<'_> {
    fn here(&self) -> &Server {
        &self.parts.servers[self.server.index()]
    }

    /// The size that limits are held against.
    fn size(&self) -> ByteSize {
        ByteSize(self.policies.smallest_size())
    }

    fn say(&mut self, line: String) {
        self.lines.push(line);
    }

    fn fail(&mut self, recipient: &Mailbox, status: &Status, way: &Way) {
        let enhanced = status.enhanced.to_string();
        self.fail_with(recipient, status.code, &enhanced, way);
    }

    fn fail_with(&mut self, recipient: &Mailbox, code: u16, enhanced: &str, way: &Way) {
        let told = match &way.told {
            None => String::new(),
            Some(ReversePath::Null) => " never".to_owned(),
            Some(told) => format!(" told {told}"),
        };
        self.say(format!("failure {recipient} {code} {enhanced}{told}"));
    }

    /// A failure that some servers answer in the open session.
    fn refuse(&mut self, recipient: &Mailbox, status: &Status, way: &Way) {
        self.fail(recipient, status, way);
        let waits = self.parts.organizations[self.item.organization.index()]
            .profile
            .restrictions_in_dialogue
            && self.item.arrival != Arrival::Submission;
        if let Some(last) = self.lines.last_mut().filter(|_| waits) {
            last.push_str(" in dialogue");
        }
    }

    /// Whether recipients are looked up here.
    fn resolves(&self) -> bool {
        let role = self.here().role;
        let hands_on = self
            .here()
            .front_end_for
            .iter()
            .any(|(tenant, _)| *tenant == self.item.organization);
        role != ServerRole::Host && role != ServerRole::Edge && !hands_on && !self.item.resolved
    }

    fn suppress(&mut self, recipient: &Mailbox) {
        let line = format!("suppressed {recipient}");
        if !self.lines.contains(&line) {
            self.say(line);
        }
    }

    /// One RCPT TO at whatever kind of server this is.
    fn envelope(&mut self, recipient: &Mailbox, count: usize) {
        let plain = Way::default();
        let tenant = self
            .here()
            .front_end_for
            .iter()
            .find(|(tenant, _)| *tenant == self.item.organization);
        if let Some((_, hub)) = tenant {
            let line = format!("{} {}", self.inside(&[*hub], None), self.trust(&plain));
            self.copy(recipient, &line, &plain);
        } else if self.here().role == ServerRole::Host {
            let organization = self.here().organization;
            if accepted(self.parts, organization, &recipient.domain).is_some() {
                let line = format!("any mailbox {}", self.trust(&plain));
                self.copy(recipient, &line, &plain);
            } else if !self.here().relays_to.is_empty() {
                let hosts = &self.here().relays_to;
                let line = format!("hosts {hosts:?} 25 None {:?}", self.item.properties.passing);
                self.copy(recipient, &line, &plain);
            } else {
                self.by_domain(recipient, &plain);
            }
        } else if self.here().role == ServerRole::Edge {
            self.by_domain(recipient, &plain);
        } else if self.item.resolved {
            self.resolved_before(recipient);
        } else {
            self.written(recipient, count);
        }
    }

    /// A recipient of a message with so many, as the sender wrote it.
    fn written(&mut self, recipient: &Mailbox, count: usize) {
        let way = Way {
            written: Some(recipient.clone()),
            ..Way::default()
        };
        match self.policies.whole(count) {
            Some(status) => self.refuse(recipient, &status, &way),
            None => self.address(recipient, &way),
        }
    }

    /// Centralized mail transport (Exchange hybrid, "Transport options in Exchange hybrid
    /// deployments"): what the Internet sends to a tenant goes to the on-premises organization first,
    /// address and all, by the connector that would carry the domain; a connector for the domain that
    /// is not centralized takes it out of this. A recipient that refuses the sender does so before.
    fn centralized(&mut self, recipient: &Mailbox, count: usize) -> bool {
        let from_outside = self.item.arrival == Arrival::Internal
            && self.item.directionality == Directionality::Incoming;
        let organization = self.here().organization;
        let mut switched_on = false;
        for connector in &self.parts.send_connectors {
            if connector.organization == organization && connector.enabled {
                switched_on |= connector.via_on_premises;
            }
        }
        if !self.resolves() || !from_outside || !switched_on {
            return false;
        }
        let choice = choose(self.parts, self.server, &recipient.domain, self.size());
        if let Choice::Connector(connector) = choice
            && !connector.via_on_premises
        {
            return false;
        }
        let before = std::mem::take(&mut self.lines);
        let named = self.named.clone();
        self.unruled = true;
        self.written(recipient, count);
        self.met.clear();
        let trial = std::mem::replace(&mut self.lines, before);
        self.named = named;
        let refused = |line: &String| line.ends_with(" in dialogue");
        self.unruled = false;
        if !trial.is_empty() && trial.iter().all(refused) {
            self.lines.extend(trial);
        } else {
            // Rules see who it is, where one has the address.
            let object = match self.holders(recipient).as_slice() {
                [only] => Some(*only),
                _ => None,
            };
            let way = Way {
                object,
                ..Way::default()
            };
            self.by_domain(recipient, &way);
        }
        true
    }

    /// A line for a copy: what is said of it, and what it takes along.
    fn copy(&mut self, recipient: &Mailbox, line: &str, way: &Way) {
        self.copy_as(recipient, recipient, line, way);
    }

    /// The same, where SMTP carries another address than the recipient's.
    fn copy_as(&mut self, wire: &Mailbox, recipient: &Mailbox, line: &str, way: &Way) {
        let item = self.item;
        let told = match &way.told {
            None => format!(" <{}>", item.reverse_path),
            Some(ReversePath::Null) => format!(" <{}> never", item.reverse_path),
            Some(told) => format!(" <{told}>"),
        };
        let before = |address: &Mailbox| item.properties.orcpt.get(address).cloned();
        let written = way.written.as_ref();
        let mut original = written.and_then(before).or(written.cloned());
        if original.as_ref() == Some(recipient) || original.is_none() {
            original = before(recipient);
        }
        if wire != recipient {
            original = original.or(Some(recipient.clone()));
        }
        let original = original.map_or(String::new(), |original| format!(" orcpt {original}"));
        let mut forwarded = item.trace.forwarded_for.clone();
        forwarded.extend(way.forwarded.clone());
        let forwarded = if forwarded.is_empty() {
            String::new()
        } else {
            format!(" forwarded {forwarded:?}")
        };
        let mut redirected = item.trace.redirected_by.clone();
        redirected.extend(way.redirected.clone());
        let redirected = if redirected.is_empty() {
            String::new()
        } else {
            format!(" redirected {redirected:?}")
        };
        let common = format!(
            "{} {line}{told}{forwarded}{redirected}",
            wire.to_string().to_lowercase()
        );
        let common = common.replacen(&self.expanded(way), "", 1);
        let orders = &way.orders;
        let trust = self.trust(way);
        let common = format!("{common} {trust} {} {}", orders.require_tls, orders.counted);
        let mailbox = line.starts_with("mailbox ") || line.starts_with("any mailbox");
        if !mailbox && self.named.contains(&common) {
            return self.suppress(wire);
        }
        self.named.push(common);
        self.say(format!(
            "copy {wire} {line}{told}{original}{forwarded}{redirected}"
        ));
    }

    /// Something in the form of an SMTP address that is none: type and address.
    fn encapsulated(&self, address: &Mailbox) -> Option<(String, String)> {
        let default = self.parts.accepted_domains.iter().any(|domain| {
            domain.organization == self.item.organization
                && domain.default
                && domain.domain == address.domain
        });
        let decisive = accepted(self.parts, self.item.organization, &address.domain)?;
        let text = address.local_part.as_str();
        if !default || !decisive.default || !text.to_uppercase().starts_with("IMCEA") {
            return None;
        }
        let (kind, code) = text[5..].split_once('-')?;
        let mut plain = String::new();
        let mut rest = code.chars();
        while let Some(c) = rest.next() {
            match c {
                '_' => plain.push('/'),
                '+' => {
                    let digits: String = rest.by_ref().take(2).collect();
                    let code = u8::from_str_radix(&digits, 16).expect("two digits");
                    plain.push(char::from(code));
                }
                c => plain.push(c),
            }
        }
        Some((kind.to_uppercase(), plain))
    }

    /// The recipients with an X.500 name.
    fn named(&self, name: &str) -> Vec<usize> {
        let having = |own: &dyn Fn(&Recipient) -> bool| -> Vec<usize> {
            let all = 0..self.parts.recipients.len();
            all.filter(|index| {
                let recipient = &self.parts.recipients[*index];
                recipient.organization == self.item.organization && own(recipient)
            })
            .collect()
        };
        let first = having(&|one| one.policy().legacy_dn.as_deref() == Some(name));
        if !first.is_empty() {
            return first;
        }
        having(&|one| one.policy().x500.iter().any(|own| own == name))
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
                let address = self.parts.recipients[*only]
                    .policy()
                    .foreign_address
                    .clone();
                let address = address.expect("it has one");
                self.foreign(&address, Some(*only), recipient, &Way::default());
            }
            [] => match self.encapsulated(recipient) {
                Some((kind, address)) if !["EX", "SMTP", "X500"].contains(&kind.as_str()) => {
                    let address = ForeignAddress { kind, address };
                    self.foreign(&address, None, recipient, &Way::default());
                }
                Some(_) | None => self.by_domain(recipient, &Way::default()),
            },
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
            let organization = &self.parts.organizations[recipient.organization.index()];
            let strange = organization.profile.found_in_accepted_domains
                && accepted(self.parts, recipient.organization, &address.domain).is_none();
            let elsewhere = matches!(
                recipient.kind,
                RecipientKind::MailUser { .. } | RecipientKind::RemoteGroup { .. }
            );
            if recipient.organization == self.item.organization
                && is_recipient
                && (elsewhere || !strange)
                && recipient.addresses.contains(address)
            {
                holders.push(index);
            }
        }
        holders
    }

    /// An address: nobody's, somebody's, or several people's.
    fn address(&mut self, address: &Mailbox, way: &Way) {
        let mut holders = self.holders(address);
        if let Some((kind, name)) = self.encapsulated(address) {
            if kind == "SMTP" || kind == "X500" {
                return self.fail(address, &replies::INVALID_IN_SMTP, way);
            }
            if kind == "EX" {
                holders = self.named(&name);
                if holders.is_empty() {
                    return self.fail(address, &replies::EX_NOT_FOUND, way);
                }
            } else if holders.is_empty() {
                let wanted = ForeignAddress {
                    kind,
                    address: name,
                };
                for (index, recipient) in self.parts.recipients.iter().enumerate() {
                    if recipient.organization == self.item.organization
                        && recipient.policy().foreign_address.as_ref() == Some(&wanted)
                    {
                        holders.push(index);
                    }
                }
                if holders.is_empty() && self.policies.too_large_to_leave() {
                    return self.refuse(address, &replies::ORGANIZATION_SIZE, way);
                }
                if holders.is_empty() {
                    return self.foreign(&wanted, None, address, way);
                }
            }
        }
        match holders.as_slice() {
            [] if !way.targeted => self.nobody(address, way),
            // A target address needs no recipient here, whatever the type of its domain.
            [] => self.by_domain(address, way),
            [only] => self.object(*only, address, way),
            _ => self.fail(address, &replies::AMBIGUOUS, way),
        }
    }

    /// Nobody has the address: the type of its accepted domain decides.
    fn nobody(&mut self, address: &Mailbox, way: &Way) {
        match domain_type(self.parts, self.item.organization, &address.domain) {
            Some(DomainType::Authoritative) => self.not_found(address, way),
            Some(DomainType::InternalRelay | DomainType::ExternalRelay) | None => {
                if self.policies.too_large_to_leave() {
                    self.refuse(address, &replies::ORGANIZATION_SIZE, way);
                } else {
                    self.by_domain(address, way);
                }
            }
        }
    }

    fn not_found(&mut self, address: &Mailbox, way: &Way) {
        let profile = self.here().profile;
        self.fail(address, &profile.not_found(address), way);
    }

    /// One recipient object.
    fn object(&mut self, index: usize, address: &Mailbox, way: &Way) {
        let recipient = &self.parts.recipients[index];
        if let Some(at) = way.chain.iter().position(|link| *link == index) {
            // In the cloud a mailbox that forwarded it keeps it when it comes round.
            let forwards = way.chain[at..].iter().any(|link| {
                matches!(
                    self.parts.recipients[*link].kind,
                    RecipientKind::Mailbox { .. }
                )
            });
            return match self.is_cloud() && forwards {
                true => self.become_of(index, address, way),
                false => self.fail(address, &replies::FORWARDING_LOOP, way),
            };
        }
        if self.met.contains(&index) {
            return self.suppress(address);
        }
        if let Some(status) = self.policies.refusal(recipient, way.group.is_none()) {
            return self.refuse(address, &status, way);
        }
        self.met.push(index);
        if let Some(moderation) = self.policies.moderation(recipient) {
            return self.moderate(moderation, address, way);
        }
        self.become_of(index, address, way);
    }

    /// What the kind of a recipient makes of its mail.
    fn become_of(&mut self, index: usize, address: &Mailbox, way: &Way) {
        let recipient = &self.parts.recipients[index];
        match &recipient.kind {
            RecipientKind::Mailbox { .. } => self.mailbox(index, recipient, way),
            RecipientKind::MailUser {
                target_address: None,
                ..
            } => match &recipient.policy().foreign_address {
                Some(foreign) => self.foreign(foreign, Some(index), recipient.primary(), way),
                None => self.not_found(address, way),
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
            RecipientKind::Group {
                subscribers,
                details,
                ..
            } => self.group(index, recipient, subscribers, details, way),
            RecipientKind::DistributionGroup(group) => {
                self.distribution_group(index, group, address, way);
            }
        }
    }

    /// A message that waits for approval lies in the arbitration mailbox.
    fn moderate(&mut self, moderation: &Moderation, address: &Mailbox, way: &Way) {
        self.suppress(address);
        let Some(arbitration) = &moderation.arbitration_mailbox else {
            return;
        };
        let mut keepers = Vec::new();
        for (index, recipient) in self.parts.recipients.iter().enumerate() {
            if recipient.organization == self.item.organization
                && recipient.addresses.contains(arbitration)
            {
                keepers.push(index);
            }
        }
        let [keeper] = *keepers.as_slice() else {
            return;
        };
        let recipient = &self.parts.recipients[keeper];
        if matches!(recipient.kind, RecipientKind::Mailbox { .. }) && !self.met.contains(&keeper) {
            self.met.push(keeper);
            let alone = Way {
                orders: way.orders.clone(),
                ..Way::default()
            };
            self.deliver(keeper, recipient.primary(), &alone);
        }
    }

    fn is_cloud(&self) -> bool {
        std::ptr::eq(
            self.parts.organizations[self.item.organization.index()].profile,
            &raw const EXCHANGE_ONLINE,
        )
    }

    fn sent_it_on(&self, recipient: &Recipient, way: &Way) -> bool {
        let before = [&self.item.trace.forwarded_for, &way.forwarded];
        before
            .into_iter()
            .any(|list| list.contains(recipient.primary()))
    }

    /// A mailbox of the cloud that its own mail comes back to.
    fn has_it_back(&self, recipient: &Recipient, way: &Way) -> bool {
        let mailbox = matches!(recipient.kind, RecipientKind::Mailbox { .. });
        mailbox && self.is_cloud() && self.sent_it_on(recipient, way)
    }

    /// A mailbox, and whoever else gets its mail.
    fn mailbox(&mut self, index: usize, recipient: &Recipient, way: &Way) {
        let forwarding = &recipient.policy().forwarding;
        let cloud = self.is_cloud();
        let forwards = (forwarding.address.is_some() || forwarding.smtp_address.is_some())
            && !self.has_it_back(recipient, way);
        let keeps = forwarding.deliver_too || !forwards;
        if keeps {
            self.deliver(index, recipient.primary(), way);
        }
        let mut further = way.clone();
        further.targeted = false;
        further.object = None;
        if keeps {
            further.chain.clear();
        } else {
            further.chain.push(index);
        }
        if forwards {
            let mut onward = further.clone();
            if self.is_cloud() {
                onward.forwarded.push(recipient.primary().clone());
            }
            match (&forwarding.address, &forwarding.smtp_address) {
                (Some(Member::Recipient(id)), _) => {
                    let primary = self.parts.recipients[id.index()].primary();
                    self.object(id.index(), primary, &onward);
                }
                (Some(Member::Nobody(address)), _) => {
                    self.fail(address, &replies::FORWARDING_NOT_FOUND, &onward);
                }
                (None, Some(address)) => self.automatically(address, &onward),
                (None, None) => {}
            }
        }
        let redirected = &self.item.trace.redirected_by;
        let again = redirected.contains(recipient.primary())
            || further.redirected.contains(recipient.primary());
        if keeps && !again {
            let so_many = redirected.len() + further.redirected.len();
            for InboxRule { target, redirects } in &forwarding.inbox_rules {
                if so_many >= if cloud { 1 } else { 3 } {
                    self.suppress(target);
                    continue;
                }
                let mut onward = further.clone();
                onward.redirected.push(recipient.primary().clone());
                let anew = !redirects && self.item.reverse_path != ReversePath::Null;
                // Of the first such message nobody has a copy.
                let met = match anew && so_many == 0 {
                    true => std::mem::take(&mut self.met),
                    false => Vec::new(),
                };
                if anew {
                    onward.told = Some(ReversePath::Mailbox(recipient.primary().clone()));
                    onward.vouched = Some(AuthAs::Internal);
                    onward.written = None;
                }
                self.automatically(target, &onward);
                if anew && so_many == 0 {
                    self.met = met;
                }
            }
        }
    }

    fn automatically(&mut self, target: &Mailbox, way: &Way) {
        match self.policies.forwarding_stopped(target) {
            None => self.address(target, way),
            Some(Some(status)) => self.fail(target, &status, way),
            Some(None) => self.suppress(target),
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
        further.targeted = true;
        self.address(target, &further);
    }

    /// The group's own mailbox, then every subscriber once.
    fn group(
        &mut self,
        index: usize,
        group: &Recipient,
        subscribers: &[Member],
        details: &UnifiedGroup,
        way: &Way,
    ) {
        let own = Way {
            group: None,
            ..way.clone()
        };
        self.deliver(index, group.primary(), &own);
        let mut wanted: Vec<Member> = subscribers.to_vec();
        if let (MessageKind::Invitation, Some(events)) =
            (self.item.properties.kind, &details.event_subscribers)
        {
            // Who is elsewhere and no guest has no choice about events.
            let bound = wanted.into_iter().filter(|member| match member {
                Member::Nobody(_) => false,
                Member::Recipient(id) => {
                    let recipient = &self.parts.recipients[id.index()];
                    matches!(recipient.kind, RecipientKind::MailUser { .. })
                        && !recipient.policy().guest
                        && !events.contains(member)
                }
            });
            let mut once: Vec<Member> = Vec::new();
            for member in bound {
                if !once.contains(&member) {
                    once.push(member);
                }
            }
            wanted = events.iter().cloned().chain(once).collect();
        }
        let way = member_of(index, way);
        let mut named: Vec<&Member> = Vec::new();
        for subscriber in &wanted {
            let again = named.contains(&subscriber);
            named.push(subscriber);
            // Named twice, a stranger gets one copy; a recipient met twice is a matter of `object`.
            if !again || matches!(subscriber, Member::Recipient(_)) {
                self.subscriber(subscriber, &way);
            }
        }
    }

    /// A distribution group: expanded on its own server, unless its query is broken or a report came.
    fn distribution_group(
        &mut self,
        index: usize,
        group: &DistributionGroup,
        address: &Mailbox,
        way: &Way,
    ) {
        let primary = self.parts.recipients[index].primary();
        let manager = group.managed_by.first().map(|manager| match manager {
            Member::Nobody(address) => address,
            Member::Recipient(id) => self.parts.recipients[id.index()].primary(),
        });
        let manager = manager.filter(|_| group.report_to_manager);
        match group.expansion_server {
            Some(server) if server != self.server && !way.added => {
                let from = self.expanded(way);
                let next = sites::next_servers(self.parts, self.server, &[server], self.size());
                let Some(next) = next else {
                    return self.fail(primary, &replies::TOO_LARGE, way);
                };
                let hop = self.inside(&next, None);
                let line = format!("{hop} {}{from}", self.trust(way));
                return self.copy(primary, &line, way);
            }
            Some(_) | None => {}
        }
        if group.broken {
            return self.fail(address, &replies::BROKEN_FILTER, way);
        }
        if self.item.reverse_path == ReversePath::Null {
            let mut further = way.clone();
            further.targeted = false;
            further.object = None;
            match manager {
                Some(manager) => self.address(manager, &further),
                None => self.suppress(address),
            }
            return;
        }
        if group.members.is_empty() {
            return self.suppress(primary);
        }
        let mut way = member_of(index, way);
        if group.report_to_manager || !group.report_to_originator {
            way.told = Some(
                manager
                    .cloned()
                    .map_or(ReversePath::Null, ReversePath::Mailbox),
            );
        }
        let mut strangers = Vec::new();
        for member in &group.members {
            match member {
                Member::Nobody(address) if strangers.contains(&address) => {}
                Member::Nobody(address) => {
                    strangers.push(address);
                    self.address(address, &way);
                }
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
        let way = &way.ordered(&orders);
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
        let mailbox = matches!(recipient.kind, RecipientKind::Mailbox { .. });
        let place = if mailbox && !recipient.policy().has_database {
            let line = format!("no database{}", self.expanded(way));
            return self.copy(address, &line, way);
        } else if home == self.server {
            format!("mailbox {}", recipient.name)
        } else {
            let next = sites::next_servers(self.parts, self.server, &[home], self.size());
            match next {
                Some(next) => self.inside(&next, None),
                None => return self.fail(address, &replies::TOO_LARGE, way),
            }
        };
        let from = self.expanded(way);
        let trust = self.trust(way);
        self.copy(address, &format!("{place} {trust}{from}"), way);
    }

    /// Somebody who is not here: by the connector that the domain chooses.
    fn by_domain(&mut self, address: &Mailbox, way: &Way) {
        let Some(orders) = self.ruled(address, way.object, way) else {
            return;
        };
        let way = &way.ordered(&orders);
        if orders.connector.is_some() {
            return self.ordered(address, &orders, way);
        }
        let choice = if self.here().role == ServerRole::Edge {
            choose_on_edge(
                self.parts,
                self.server,
                &address.domain,
                self.size(),
                self.item.arrival == Arrival::Internal,
            )
        } else {
            // What came from the on-premises organization is not sent back there by centralized mail
            // transport.
            let was_there = self.item.arrival == Arrival::Internal
                && self.item.directionality == Directionality::Originating;
            let (domain, size) = (&address.domain, self.size());
            choose_among(self.parts, self.server, domain, size, |connector| {
                !(was_there && connector.via_on_premises)
            })
        };
        let from = self.expanded(way);
        match choice {
            Choice::Connector(connector) => match self.through(connector, address, &orders, way) {
                Some(place) => self.copy(address, &format!("{place}{from}"), way),
                None => self.fail(address, &replies::TOO_LARGE, way),
            },
            Choice::TooLarge => self.fail(address, &replies::TOO_LARGE, way),
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
                self.copy(address, &format!("{place}{from}"), way);
            }
        }
    }

    /// Asks the mail-flow rules that were not asked yet; nothing where the recipient does not stay.
    fn ruled(&mut self, address: &Mailbox, object: Option<usize>, way: &Way) -> Option<Orders> {
        let mut orders = way.orders.clone();
        if self.unruled || self.item.resolved || self.here().role == ServerRole::Edge {
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
                        self.fail_with(address, 550, status, way);
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
                self.fail(address, &replies::RULES_LOOP, way);
                return None;
            }
            if dropped {
                self.suppress(address);
                return None;
            }
            orders.counted |= changes && cloud;
            for member in others {
                self.bring_in(member, &orders, way);
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
    fn foreign(
        &mut self,
        foreign: &ForeignAddress,
        index: Option<usize>,
        address: &Mailbox,
        way: &Way,
    ) {
        let Some(orders) = self.ruled(address, index, way) else {
            return;
        };
        let way = &way.ordered(&orders);
        if orders.connector.is_some() {
            return self.ordered(address, &orders, way);
        }
        let from = self.expanded(way);
        match choose_foreign(self.parts, self.server, foreign, self.size()) {
            Choice::Connector(connector) => {
                let mut wire = address.clone();
                if connector.sources.contains(&self.server) {
                    let default = self
                        .parts
                        .accepted_domains
                        .iter()
                        .find(|entry| entry.organization == connector.organization && entry.default)
                        .expect("every organization has a default domain");
                    let text = foreign.address.replace('/', "_").replace(' ', "+20");
                    let text = format!("IMCEA{}-{text}@{}", foreign.kind, default.domain);
                    wire = Mailbox::parse(&text).expect("an address");
                }
                match self.through(connector, &wire, &orders, way) {
                    Some(place) => self.copy_as(&wire, address, &format!("{place}{from}"), way),
                    None => self.fail(&wire, &replies::TOO_LARGE, way),
                }
            }
            Choice::TooLarge => self.fail(address, &replies::TOO_LARGE, way),
            Choice::Nothing => self.fail(address, &replies::NO_CONNECTOR_FOR_TYPE, way),
        }
    }

    /// A recipient that a rule brings in.
    fn bring_in(&mut self, member: &Member, orders: &Orders, cause: &Way) {
        let address = match member {
            Member::Nobody(address) => address,
            Member::Recipient(id) => &self.parts.recipients[id.index()].addresses[0],
        };
        let way = Way {
            orders: orders.clone(),
            added: true,
            written: Some(address.clone()),
            told: cause.told.clone(),
            vouched: cause.vouched,
            forwarded: cause.forwarded.clone(),
            redirected: cause.redirected.clone(),
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
        match self.through(connector, address, orders, way) {
            Some(place) => self.copy(address, &format!("{place}{from}"), way),
            None => self.fail(address, &replies::TOO_LARGE, way),
        }
    }

    /// The next hop of a connector from this server; nothing where a site link is too narrow.
    fn through(
        &self,
        connector: &SendConnector,
        address: &Mailbox,
        orders: &Orders,
        way: &Way,
    ) -> Option<String> {
        if !connector.sources.contains(&self.server) {
            let (sources, size) = (&connector.sources, self.size());
            let next = sites::next_servers(self.parts, self.server, sources, size)?;
            let hop = self.inside(&next, Some(connector));
            return Some(format!("{hop} {}", self.trust(way)));
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
                    self.trust(way)
                ));
            }
        };
        let in_scope = connector.via_on_premises
            || accepted(self.parts, connector.organization, &address.domain).is_some();
        let crosses = connector.cloud_services_mail_enabled && in_scope;
        let own = crosses.then_some(way.vouched.unwrap_or(self.item.auth_as));
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
    fn trust(&self, way: &Way) -> String {
        format!("Some({}) None", way.vouched.unwrap_or(self.item.auth_as))
    }

    fn expanded(&self, way: &Way) -> String {
        way.group.map_or_else(String::new, |index| {
            format!(" from {}", self.parts.recipients[index].name)
        })
    }
}

/// The way to the members of a group, to whom nothing redirects.
fn member_of(group: usize, way: &Way) -> Way {
    Way {
        group: Some(group),
        chain: Vec::new(),
        targeted: false,
        written: None,
        object: None,
        ..way.clone()
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
