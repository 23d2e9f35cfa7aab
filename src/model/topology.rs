//! The whole world but its DNS, with the indexes that decisions need.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use jiff::Timestamp;

use super::addresses::{AddressIndex, of_organization};
use super::certificate::Certificate;
use super::connector::{ReceiveConnector, SendConnector};
use super::directory::{Recipient, RecipientKind};
use super::entra::EntraConnect;
use super::hybrid::{EmailAddressPolicy, HybridConfiguration, SendAsPermission};
use super::id::{
    AcceptedDomainId, AddressId, CertificateId, OrganizationId, ReceiveConnectorId, RecipientId,
    RuleId, SendConnectorId, ServerId,
};
use super::intent::Expectation;
use super::organization::{AcceptedDomain, Member, Organization, RemoteDomain};
use super::roll::Roll;
use super::rule::TransportRule;
use super::server::Server;
use super::site::{Site, SiteLink};
use super::space::{AddressSpace, DomainPattern};
use super::targets::Targets;
use super::ways::{Way, Ways};
use crate::mail::{Domain, Mailbox};

/// The objects of a world as lists; ids are positions in them.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each list is named after what it holds")]
pub struct Parts {
    pub organizations: Vec<Organization>,
    pub servers: Vec<Server>,
    pub accepted_domains: Vec<AcceptedDomain>,
    pub remote_domains: Vec<RemoteDomain>,
    pub receive_connectors: Vec<ReceiveConnector>,
    pub send_connectors: Vec<SendConnector>,
    pub recipients: Vec<Recipient>,
    pub certificates: Vec<Certificate>,
    pub sites: Vec<Site>,
    pub site_links: Vec<SiteLink>,
    pub rules: Vec<TransportRule>,
    pub address_policies: Vec<EmailAddressPolicy>,
    pub hybrid_configurations: Vec<HybridConfiguration>,
    pub send_as: Vec<SendAsPermission>,
    /// Directory synchronizations.
    pub entra: Vec<EntraConnect>,
    pub expectations: Vec<Expectation>,
    /// Outside senders that the world names, with the hosts they send from.
    pub outside_senders: Vec<(Mailbox, ServerId)>,
    /// Outside recipients that the world names and that do not write.
    pub outside_recipients: Vec<Mailbox>,
    /// When every rule that depends on time is judged.
    pub as_of: Timestamp,
}

/// Both organizations and the Internet around them.
#[derive(Clone, Debug)]
pub struct Topology {
    parts: Parts,
    addresses: AddressIndex,
    targets: Targets,
    domains: HashMap<(OrganizationId, Domain, bool), AcceptedDomainId>,
    servers_by_address: HashMap<IpAddr, ServerId>,
    send_connectors_of: Vec<Vec<SendConnectorId>>,
    receive_connectors_on: Vec<Vec<ReceiveConnectorId>>,
    /// The accepted domains `*`.
    open: HashMap<OrganizationId, AcceptedDomainId>,
    group_domains: BTreeMap<Domain, OrganizationId>,
    ways: Ways,
    rules_of: Vec<Vec<RuleId>>,
    roll: Roll,
    /// By Send connector, the address space that names a domain itself.
    exact_spaces: Vec<HashMap<Domain, usize>>,
}

impl Topology {
    /// Indexes the objects.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let addresses = AddressIndex::new(&parts.recipients, 0);
        let targets = Targets::new(&parts.recipients, &addresses);
        let mut domains = HashMap::new();
        let mut open = HashMap::new();
        for (index, accepted) in parts.accepted_domains.iter().enumerate() {
            if accepted.everything {
                open.entry(accepted.organization)
                    .or_insert(AcceptedDomainId::new(index));
                continue;
            }
            // `contoso.com` and `*.contoso.com` may both exist, of different types.
            let key = (
                accepted.organization,
                accepted.domain.clone(),
                accepted.subdomains,
            );
            domains.entry(key).or_insert(AcceptedDomainId::new(index));
        }
        let mut servers_by_address = HashMap::new();
        for (index, server) in parts.servers.iter().enumerate() {
            for address in &server.addresses {
                servers_by_address
                    .entry(*address)
                    .or_insert(ServerId::new(index));
            }
        }
        let mut send_connectors_of = vec![Vec::new(); parts.organizations.len()];
        for (index, connector) in parts.send_connectors.iter().enumerate() {
            send_connectors_of[connector.organization.index()].push(SendConnectorId::new(index));
        }
        let mut receive_connectors_on = vec![Vec::new(); parts.servers.len()];
        for (index, connector) in parts.receive_connectors.iter().enumerate() {
            receive_connectors_on[connector.server.index()].push(ReceiveConnectorId::new(index));
        }
        let group_domains = group_domains(&parts);
        let roll = Roll::new(&parts.recipients, parts.organizations.len());
        let exact_spaces = parts.send_connectors.iter().map(exact_spaces).collect();
        let rules_of = rules_of(&parts);
        let ways = Ways::new(&parts.servers, &parts.sites, &parts.site_links);
        Self {
            parts,
            addresses,
            targets,
            domains,
            servers_by_address,
            send_connectors_of,
            receive_connectors_on,
            open,
            group_domains,
            ways,
            rules_of,
            roll,
            exact_spaces,
        }
    }

    /// The domains that hold groups and no user of another organization, with the organizations whose
    /// groups they are.
    pub fn group_domains(&self) -> impl Iterator<Item = (&Domain, OrganizationId)> {
        self.group_domains
            .iter()
            .map(|(domain, organization)| (domain, *organization))
    }

    /// The organization whose groups a domain holds, where it is a domain for groups.
    #[must_use]
    pub fn group_domain_owner(&self, domain: &Domain) -> Option<OrganizationId> {
        self.group_domains.get(domain).copied()
    }

    /// The objects as lists.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The moment at which the world is judged.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.parts.as_of
    }

    /// An organization.
    #[must_use]
    pub fn organization(&self, id: OrganizationId) -> &Organization {
        &self.parts.organizations[id.index()]
    }

    /// A server.
    #[must_use]
    pub fn server(&self, id: ServerId) -> &Server {
        &self.parts.servers[id.index()]
    }

    /// An accepted domain.
    #[must_use]
    pub fn accepted_domain(&self, id: AcceptedDomainId) -> &AcceptedDomain {
        &self.parts.accepted_domains[id.index()]
    }

    /// A Receive connector.
    #[must_use]
    pub fn receive_connector(&self, id: ReceiveConnectorId) -> &ReceiveConnector {
        &self.parts.receive_connectors[id.index()]
    }

    /// A Send connector.
    #[must_use]
    pub fn send_connector(&self, id: SendConnectorId) -> &SendConnector {
        &self.parts.send_connectors[id.index()]
    }

    /// The address under which a group, a rule or a mailbox names somebody.
    #[must_use]
    pub fn address_of<'a>(&'a self, member: &'a Member) -> &'a Mailbox {
        match member {
            Member::Nobody(address) => address,
            Member::Recipient(id) => self.recipient(*id).primary(),
        }
    }

    /// A recipient.
    #[must_use]
    pub fn recipient(&self, id: RecipientId) -> &Recipient {
        &self.parts.recipients[id.index()]
    }

    /// A certificate.
    #[must_use]
    pub fn certificate(&self, id: CertificateId) -> &Certificate {
        &self.parts.certificates[id.index()]
    }

    /// A mail-flow rule.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> &TransportRule {
        &self.parts.rules[id.index()]
    }

    /// The mail-flow rules of an organization, by priority.
    #[must_use]
    pub fn rules_of(&self, organization: OrganizationId) -> &[RuleId] {
        &self.rules_of[organization.index()]
    }

    /// Every server with its id.
    pub fn servers(&self) -> impl Iterator<Item = (ServerId, &Server)> {
        self.parts
            .servers
            .iter()
            .enumerate()
            .map(|(index, server)| (ServerId::new(index), server))
    }

    /// Every organization with its id.
    pub fn organizations(&self) -> impl Iterator<Item = (OrganizationId, &Organization)> {
        self.parts
            .organizations
            .iter()
            .enumerate()
            .map(|(index, each)| (OrganizationId::new(index), each))
    }

    /// Every recipient with its id.
    pub fn recipients(&self) -> impl Iterator<Item = (RecipientId, &Recipient)> {
        self.parts
            .recipients
            .iter()
            .enumerate()
            .map(|(index, each)| (RecipientId::new(index), each))
    }

    /// Every accepted domain with its id.
    pub fn accepted_domains(&self) -> impl Iterator<Item = (AcceptedDomainId, &AcceptedDomain)> {
        self.parts
            .accepted_domains
            .iter()
            .enumerate()
            .map(|(index, each)| (AcceptedDomainId::new(index), each))
    }

    /// Every Send connector with its id.
    pub fn send_connectors(&self) -> impl Iterator<Item = (SendConnectorId, &SendConnector)> {
        self.parts
            .send_connectors
            .iter()
            .enumerate()
            .map(|(index, each)| (SendConnectorId::new(index), each))
    }

    /// Every Receive connector with its id.
    pub fn receive_connectors(
        &self,
    ) -> impl Iterator<Item = (ReceiveConnectorId, &ReceiveConnector)> {
        self.parts
            .receive_connectors
            .iter()
            .enumerate()
            .map(|(index, each)| (ReceiveConnectorId::new(index), each))
    }

    /// Every certificate with its id.
    pub fn certificates(&self) -> impl Iterator<Item = (CertificateId, &Certificate)> {
        self.parts
            .certificates
            .iter()
            .enumerate()
            .map(|(index, each)| (CertificateId::new(index), each))
    }

    /// The Send connectors of an organization, in the order of the world.
    #[must_use]
    pub fn send_connectors_of(&self, organization: OrganizationId) -> &[SendConnectorId] {
        &self.send_connectors_of[organization.index()]
    }

    /// The Receive connectors of a server, in the order of the world.
    #[must_use]
    pub fn receive_connectors_on(&self, server: ServerId) -> &[ReceiveConnectorId] {
        &self.receive_connectors_on[server.index()]
    }

    /// The recipients of an organization that hold an address: none, one, or several by mistake.
    #[must_use]
    pub fn recipients_at(&self, organization: OrganizationId, address: &Mailbox) -> &[RecipientId] {
        let recipients = &self.parts.recipients;
        self.addresses.holders_in(recipients, organization, address)
    }

    /// The recipients of all organizations that hold an address, by organization.
    #[must_use]
    pub fn holders(&self, address: &Mailbox) -> &[RecipientId] {
        self.addresses.holders(&self.parts.recipients, address)
    }

    /// The ids of addresses that recipients hold are below this one.
    #[must_use]
    pub fn address_bound(&self) -> usize {
        self.addresses.bound()
    }

    /// The groups of every kind, written-back ones too.
    pub fn groups(&self) -> impl Iterator<Item = (RecipientId, &Recipient)> {
        self.roll.groups.iter().map(|id| (*id, self.recipient(*id)))
    }

    /// The recipients of whom something particular is said.
    pub fn exceptions(&self) -> impl Iterator<Item = (RecipientId, &Recipient)> {
        let exceptions = self.roll.exceptions.iter();
        exceptions.map(|id| (*id, self.recipient(*id)))
    }

    /// The domains of the target addresses of an organization's mail users.
    #[must_use]
    pub fn target_domains(&self, organization: OrganizationId) -> &BTreeSet<Domain> {
        &self.roll.target_domains[organization.index()]
    }

    /// The address space of a Send connector that names a domain itself; of several the cheapest.
    #[must_use]
    pub fn exact_space(&self, id: SendConnectorId, domain: &Domain) -> Option<&AddressSpace> {
        let space = self.exact_spaces[id.index()].get(domain)?;
        self.send_connector(id).address_spaces.get(*space)
    }

    /// An address that some recipient holds.
    #[must_use]
    pub fn address_id(&self, address: &Mailbox) -> Option<AddressId> {
        self.addresses.find(&self.parts.recipients, address)
    }

    /// An address of a recipient, by its position there: without looking for it.
    #[must_use]
    pub fn address_at(&self, id: RecipientId, position: usize) -> AddressId {
        self.addresses.at(id, position)
    }

    /// The recipients of an organization that hold the primary address of a recipient, which may be of
    /// another: without looking for it.
    #[must_use]
    pub fn namesakes(&self, organization: OrganizationId, id: RecipientId) -> &[RecipientId] {
        let all = self.held_by(self.address_at(id, 0));
        of_organization(&self.parts.recipients, organization, all)
    }

    /// The target address of a mail user or a written-back group, where somebody holds it: without
    /// looking for it.
    #[must_use]
    pub fn target_id(&self, id: RecipientId) -> Option<AddressId> {
        self.targets.of(id)
    }

    /// The recipients of all organizations that hold an address, by organization: at least one.
    #[must_use]
    pub fn held_by(&self, address: AddressId) -> &[RecipientId] {
        self.addresses.held_by(address)
    }

    /// The accepted domain that covers a domain: its own entry, else the longest parent entry with
    /// subdomains, else `*`.
    ///
    /// Choice: the entry `*.contoso.com` covers `contoso.com` too, as an address space does.
    #[must_use]
    pub fn accepted_domain_for(
        &self,
        organization: OrganizationId,
        domain: &Domain,
    ) -> Option<AcceptedDomainId> {
        if let Some(own) = self.domains.get(&(organization, domain.clone(), false)) {
            return Some(*own);
        }
        let mut candidate = Some(domain.clone());
        while let Some(name) = candidate {
            let parent = name.parent();
            if let Some(id) = self.domains.get(&(organization, name, true)) {
                return Some(*id);
            }
            candidate = parent;
        }
        self.open.get(&organization).copied()
    }

    /// The accepted domain that covers a domain as a server knows it. An Edge server has no directory: it
    /// learns the accepted domains from EdgeSync, and before it is subscribed it knows none (Exchange
    /// Server, "Edge Subscriptions").
    #[must_use]
    pub fn accepted_domain_at(
        &self,
        server: ServerId,
        domain: &Domain,
    ) -> Option<AcceptedDomainId> {
        let server = self.server(server);
        let known = server.subscribed;
        known
            .then(|| self.accepted_domain_for(server.organization, domain))
            .flatten()
    }

    /// The remote domain that a domain falls under: its own entry, else the longest parent entry
    /// with subdomains, else the one for every domain.
    #[must_use]
    pub fn remote_domain_for(
        &self,
        organization: OrganizationId,
        domain: &Domain,
    ) -> Option<&RemoteDomain> {
        self.parts
            .remote_domains
            .iter()
            .filter(|remote| remote.organization == organization)
            .filter_map(|remote| Some((closeness(&remote.pattern, domain)?, remote)))
            // The first of equals, so that the order decides nothing but between duplicates.
            .rev()
            .max_by_key(|(closeness, _)| *closeness)
            .map(|(_, remote)| remote)
    }

    /// The least-cost way from one server's site to another's, of the same organization.
    #[must_use]
    pub fn way(&self, from: ServerId, to: ServerId) -> &Way {
        self.ways.between(from, to)
    }

    /// Whether two servers of one organization are in one site.
    #[must_use]
    pub fn are_in_one_site(&self, one: ServerId, other: ServerId) -> bool {
        self.ways.are_together(one, other)
    }

    /// The transport servers with the directory in a server's site, itself included.
    #[must_use]
    pub fn servers_beside(&self, server: ServerId) -> &[ServerId] {
        self.ways.beside(server)
    }

    /// The transport servers of the hub site at which messages stop on a way; none where they do not.
    #[must_use]
    pub fn hub_on(&self, way: &Way) -> &[ServerId] {
        way.hub.map_or(&[], |hub| self.ways.at(hub))
    }

    /// The link of a way that lets the least through, where one has a limit.
    #[must_use]
    pub fn narrowest_link(&self, way: &Way) -> Option<&SiteLink> {
        way.narrowest.map(|link| &self.parts.site_links[link])
    }

    /// The server that has an address.
    #[must_use]
    pub fn server_at(&self, address: IpAddr) -> Option<ServerId> {
        self.servers_by_address.get(&address).copied()
    }

    /// The server with a name or FQDN, in any case.
    #[must_use]
    pub fn server_named(&self, name: &str) -> Option<ServerId> {
        self.servers()
            .find(|(_, server)| {
                server.name.eq_ignore_ascii_case(name)
                    || server.fqdn.as_str().eq_ignore_ascii_case(name)
            })
            .map(|(id, _)| id)
    }
}

/// The address spaces of a connector that name domains themselves.
fn exact_spaces(connector: &SendConnector) -> HashMap<Domain, usize> {
    let mut found: HashMap<Domain, usize> = HashMap::new();
    for (index, space) in connector.address_spaces.iter().enumerate() {
        if let DomainPattern::Exact(domain) = &space.pattern {
            let known = found.entry(domain.clone()).or_insert(index);
            if connector.address_spaces[*known].cost > space.cost {
                *known = index;
            }
        }
    }
    found
}

/// The rules of each organization, by priority and, where that is the same, by name.
fn rules_of(parts: &Parts) -> Vec<Vec<RuleId>> {
    let mut rules = vec![Vec::new(); parts.organizations.len()];
    for (index, rule) in parts.rules.iter().enumerate() {
        rules[rule.organization.index()].push(RuleId::new(index));
    }
    for own in &mut rules {
        own.sort_by_key(|id: &RuleId| {
            let rule = &parts.rules[id.index()];
            (rule.priority, rule.name.to_lowercase())
        });
    }
    rules
}

/// How closely a pattern describes a domain; `None` where it does not.
fn closeness(pattern: &DomainPattern, domain: &Domain) -> Option<(u8, usize)> {
    match pattern {
        DomainPattern::Exact(own) => (own == domain).then_some((2, 0)),
        DomainPattern::WithSubdomains(parent) => domain
            .is_within(parent)
            .then(|| (1, parent.labels().count())),
        DomainPattern::Any => Some((0, 0)),
        DomainPattern::AllAcceptedDomains
        | DomainPattern::InternalDomains
        | DomainPattern::Foreign { .. } => None,
    }
}

/// The domains of the groups' primary addresses, less those in which a user of another organization
/// has an address: those are shared, and their mail may go to either side.
fn group_domains(parts: &Parts) -> BTreeMap<Domain, OrganizationId> {
    let mut domains: BTreeMap<Domain, OrganizationId> = BTreeMap::new();
    for recipient in &parts.recipients {
        if let RecipientKind::Group { .. } = recipient.kind {
            domains
                .entry(recipient.primary().domain.clone())
                .or_insert(recipient.organization);
        }
    }
    for recipient in &parts.recipients {
        if let RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } = recipient.kind {
            for address in &recipient.addresses {
                if domains
                    .get(&address.domain)
                    .is_some_and(|owner| *owner != recipient.organization)
                {
                    domains.remove(&address.domain);
                }
            }
        }
    }
    domains
}
