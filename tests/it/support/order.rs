//! The same world in another order: every list shuffled, every id renumbered.

use hybridmx::model::{
    Action, Condition, Member, OrganizationId, Parts, RecipientId, RecipientKind, Routing,
    SendConnectorId, ServerId,
};
use hybridmx::route::MailItem;

use super::Dice;

/// A world in another order, and where its objects went.
pub(crate) struct Reordered {
    /// The world.
    pub(crate) parts: Parts,
    organizations: Vec<usize>,
    servers: Vec<usize>,
    recipients: Vec<usize>,
    send_connectors: Vec<usize>,
}

impl Reordered {
    /// Shuffles a world.
    pub(crate) fn new(dice: &mut Dice, parts: &Parts) -> Self {
        let mut parts = parts.clone();
        let organizations = shuffle(dice, &mut parts.organizations);
        let servers = shuffle(dice, &mut parts.servers);
        let recipients = shuffle(dice, &mut parts.recipients);
        shuffle(dice, &mut parts.accepted_domains);
        shuffle(dice, &mut parts.remote_domains);
        shuffle(dice, &mut parts.receive_connectors);
        let send_connectors = shuffle(dice, &mut parts.send_connectors);
        shuffle(dice, &mut parts.rules);
        shuffle(dice, &mut parts.certificates);
        shuffle(dice, &mut parts.sites);
        shuffle(dice, &mut parts.site_links);
        let mut reordered = Self {
            parts: Parts::default(),
            organizations,
            servers,
            recipients,
            send_connectors,
        };
        reordered.renumber(dice, &mut parts);
        reordered.parts = parts;
        reordered
    }

    /// Where a server went.
    pub(crate) fn server(&self, id: ServerId) -> ServerId {
        ServerId::new(self.servers[id.index()])
    }

    /// The same message in the other order's ids.
    pub(crate) fn item(&self, item: &MailItem) -> MailItem {
        let mut item = item.clone();
        item.organization = self.organization(item.organization);
        for (organization, _) in &mut item.trace.attributions {
            *organization = self.organization(*organization);
        }
        item
    }

    fn organization(&self, id: OrganizationId) -> OrganizationId {
        OrganizationId::new(self.organizations[id.index()])
    }

    fn renumber(&self, dice: &mut Dice, parts: &mut Parts) {
        for organization in &mut parts.organizations {
            for partner in &mut organization.partners {
                *partner = self.organization(*partner);
            }
        }
        for server in &mut parts.servers {
            server.organization = self.organization(server.organization);
            for (tenant, hub) in &mut server.front_end_for {
                (*tenant, *hub) = (self.organization(*tenant), self.server(*hub));
            }
            shuffle(dice, &mut server.front_end_for);
        }
        for domain in &mut parts.accepted_domains {
            domain.organization = self.organization(domain.organization);
        }
        for domain in &mut parts.remote_domains {
            domain.organization = self.organization(domain.organization);
        }
        for rule in &mut parts.rules {
            rule.organization = self.organization(rule.organization);
            shuffle(dice, &mut rule.conditions);
            for condition in rule.conditions.iter_mut().chain(&mut rule.exceptions) {
                match condition {
                    Condition::From(members)
                    | Condition::FromMemberOf(members)
                    | Condition::SentTo(members)
                    | Condition::SentToMemberOf(members) => self.members(members),
                    Condition::FromScope(_)
                    | Condition::SenderDomainIs(_)
                    | Condition::SentToScope(_)
                    | Condition::RecipientDomainIs(_)
                    | Condition::MessageSizeOver(_)
                    | Condition::Content(_) => {}
                }
            }
            for action in &mut rule.actions {
                match action {
                    Action::Add(members) | Action::Redirect(members) => self.members(members),
                    Action::Route(id) => {
                        *id = SendConnectorId::new(self.send_connectors[id.index()]);
                    }
                    Action::Delete | Action::Reject { .. } | Action::RequireTls => {}
                }
            }
        }
        for site in &mut parts.sites {
            site.organization = self.organization(site.organization);
        }
        for link in &mut parts.site_links {
            link.organization = self.organization(link.organization);
            shuffle(dice, &mut link.sites);
        }
        for certificate in &mut parts.certificates {
            self.servers_in(dice, &mut certificate.servers);
        }
        self.renumber_connectors(dice, parts);
        for recipient in &mut parts.recipients {
            recipient.organization = self.organization(recipient.organization);
            self.renumber_kind(&mut recipient.kind);
            if let Some(policy) = &mut recipient.exceptions {
                self.members_in(policy.forwarding.address.iter_mut());
                self.members_in(policy.accept_only_from.iter_mut());
                self.members_in(policy.reject_from.iter_mut());
                if let Some(moderation) = &mut policy.moderation {
                    self.members_in(moderation.moderators.iter_mut());
                    self.members_in(moderation.bypass.iter_mut());
                }
            }
        }
    }

    /// Their order is what the directory says, and tells which of two equals is dropped.
    fn members_in<'a>(&self, members: impl Iterator<Item = &'a mut Member>) {
        for member in members {
            if let Member::Recipient(id) = member {
                *id = RecipientId::new(self.recipients[id.index()]);
            }
        }
    }

    fn renumber_connectors(&self, dice: &mut Dice, parts: &mut Parts) {
        for connector in &mut parts.receive_connectors {
            connector.organization = self.organization(connector.organization);
            connector.server = self.server(connector.server);
            shuffle(dice, &mut connector.tls_domain_capabilities);
        }
        for connector in &mut parts.send_connectors {
            connector.organization = self.organization(connector.organization);
            self.servers_in(dice, &mut connector.sources);
            shuffle(dice, &mut connector.address_spaces);
            if let Routing::Servers(servers) = &mut connector.routing {
                self.servers_in(dice, servers);
            }
        }
    }

    fn renumber_kind(&self, kind: &mut RecipientKind) {
        match kind {
            RecipientKind::Mailbox { server, .. } => *server = self.server(*server),
            RecipientKind::Group {
                members,
                subscribers,
                details,
            } => {
                self.members_in(members.iter_mut().chain(subscribers));
                self.members_in(details.owners.iter_mut());
                self.members_in(details.event_subscribers.iter_mut().flatten());
            }
            RecipientKind::DistributionGroup(group) => {
                self.members_in(group.members.iter_mut().chain(&mut group.managed_by));
                group.expansion_server = group.expansion_server.map(|id| self.server(id));
            }
            RecipientKind::RemoteGroup { members, .. } => self.members_in(members.iter_mut()),
            RecipientKind::MailUser { .. } => {}
        }
    }

    fn members(&self, members: &mut [Member]) {
        for member in members {
            if let Member::Recipient(id) = member {
                *id = RecipientId::new(self.recipients[id.index()]);
            }
        }
    }

    fn servers_in(&self, dice: &mut Dice, servers: &mut [ServerId]) {
        for server in servers.iter_mut() {
            *server = self.server(*server);
        }
        shuffle(dice, servers);
    }
}

/// Shuffles a list in place; gives the new position of each old one.
fn shuffle<T>(dice: &mut Dice, list: &mut [T]) -> Vec<usize> {
    // `olds[new]` is where the element at `new` stood before.
    let mut olds: Vec<usize> = (0..list.len()).collect();
    for last in (1..list.len()).rev() {
        let other = dice.below(last + 1);
        list.swap(last, other);
        olds.swap(last, other);
    }
    let mut news = vec![0; list.len()];
    for (new, old) in olds.into_iter().enumerate() {
        news[old] = new;
    }
    news
}
