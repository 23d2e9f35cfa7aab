//! The way from a tenant to its premises: which outbound connectors lead there, for which domains, and
//! where their hosts are.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::dns::{self, Failure, Targets, View, Zones};
use crate::flow::{Disposition, FlagKind, Fork};
use crate::mail::{ByteSize, Domain, Mailbox, NamePattern};
use crate::model::{
    DomainPattern, OrganizationId, ReceiveConnector, ReceiveConnectorId, Routing, SendConnector,
    SendConnectorId, ServerId, SmartHost, Topology,
};
use crate::route::{self, Connection, Peer, Step, Subject};
use crate::verify::context::Context;
use crate::verify::hybrid::{self, Pair};
use crate::verify::questions::Asked;

/// A message of ordinary size, which no limit on sizes concerns.
pub(in crate::verify) const ORDINARY: ByteSize = ByteSize(10 * 1024);

/// The name that Exchange Online's certificate has.
pub(super) const SERVICE: &str = "mail.protection.outlook.com";

/// A tenant's hub and the premises that it sends to.
pub(in crate::verify) struct Crossing<'a> {
    pub(in crate::verify) topology: &'a Topology,
    pub(in crate::verify) zones: &'a Zones,
    pub(in crate::verify) pair: Pair,
    pub(in crate::verify) hub: ServerId,
}

/// Where a host of a connector leads.
pub(super) struct Landing {
    /// Its name or address.
    pub(in crate::verify) host: String,
    /// Its address; `None` where the name has none.
    pub(in crate::verify) address: Option<IpAddr>,
    /// The server of the world that has the address.
    pub(in crate::verify) server: Option<ServerId>,
}

/// Every way from a tenant to its premises.
pub(in crate::verify) fn crossings<'a>(context: &Context<'a>) -> Vec<Crossing<'a>> {
    let (topology, zones) = (context.topology, context.zones);
    let of_pair = |pair: Pair| {
        let hub = pair.hub(topology)?;
        Some(Crossing {
            topology,
            zones,
            pair,
            hub,
        })
    };
    hybrid::pairs(topology)
        .into_iter()
        .filter_map(of_pair)
        .collect()
}

impl Crossing<'_> {
    /// The tenant's outbound connectors to servers of its own organization, in use or not, but those
    /// that only a mail-flow rule chooses.
    pub(in crate::verify) fn to_premises(
        &self,
    ) -> impl Iterator<Item = (SendConnectorId, &SendConnector)> {
        let own = self.topology.send_connectors_of(self.pair.tenant).iter();
        own.map(|id| (*id, self.topology.send_connector(*id)))
            // Connectors of type OnPremises rank first; the others lead to partners.
            .filter(|(_, connector)| connector.rank == 0 && !connector.rule_scoped)
    }

    /// The enabled ones that are for hybrid mail: those that carry organization headers, or all where
    /// none does, which is a fault of its own.
    pub(in crate::verify) fn connectors(&self) -> Vec<SendConnectorId> {
        let enabled: Vec<_> = self
            .to_premises()
            .filter(|(_, connector)| connector.enabled)
            .collect();
        let any = enabled
            .iter()
            .any(|(_, connector)| connector.cloud_services_mail_enabled);
        let chosen = enabled
            .into_iter()
            .filter(|(_, connector)| !any || connector.cloud_services_mail_enabled);
        chosen.map(|(id, _)| id).collect()
    }

    /// The domains that the tenant's mail users have on premises. What is below `onmicrosoft.com` is
    /// the tenant's own, wherever it is accepted too.
    pub(in crate::verify) fn domains(&self) -> BTreeSet<&Domain> {
        let found = self.topology.target_domains(self.pair.tenant).iter();
        let on_premises = |domain: &&Domain| {
            let accepted = self
                .topology
                .accepted_domain_for(self.pair.on_premises, domain);
            accepted.is_some() && !domain.as_str().ends_with(".onmicrosoft.com")
        };
        found.filter(on_premises).collect()
    }

    /// Where the hosts of a connector lead, as the Internet sees their names. Names whose zone the world
    /// does not describe lead nowhere.
    pub(super) fn landings(&self, connector: &SendConnector) -> Vec<Landing> {
        match &connector.routing {
            Routing::SmartHosts(hosts) => hosts
                .iter()
                .flat_map(|host| match host {
                    SmartHost::Address(address) => vec![self.landing(host, *address)],
                    SmartHost::Name(name) => self.resolve(name),
                })
                .collect(),
            Routing::Dns => {
                let spaces = connector.address_spaces.iter();
                let domains = spaces.filter_map(|space| match &space.pattern {
                    DomainPattern::Exact(domain) => Some(domain),
                    _ => None,
                });
                domains.flat_map(|domain| self.resolve(domain)).collect()
            }
            Routing::Servers(_) => Vec::new(),
        }
    }

    pub(super) fn landing(&self, host: &impl ToString, address: IpAddr) -> Landing {
        Landing {
            host: host.to_string(),
            address: Some(address),
            server: self.topology.server_at(address),
        }
    }

    /// Where mail for a name is sent.
    pub(super) fn resolve(&self, name: &Domain) -> Vec<Landing> {
        match dns::targets(self.zones, View::Public, name) {
            Targets::Hosts(hosts) => {
                let addresses = hosts.iter().flat_map(|target| {
                    let all = target.addresses.iter();
                    all.map(|address| self.landing(&target.host, *address))
                });
                addresses.collect()
            }
            Targets::NullMx | Targets::Failed(Failure::NameError | Failure::NoData) => {
                vec![Landing {
                    host: name.to_string(),
                    address: None,
                    server: None,
                }]
            }
            Targets::Failed(_) => Vec::new(),
        }
    }

    /// Whether a landing is a server of the premises.
    pub(super) fn is_on_premises(&self, landing: &Landing) -> bool {
        landing
            .server
            .is_some_and(|id| self.topology.server(id).organization == self.pair.on_premises)
    }

    /// Whether a landing is the service itself.
    pub(super) fn is_in_the_cloud(&self, landing: &Landing) -> bool {
        landing.server.is_some_and(|id| {
            let server = self.topology.server(id);
            server.is_front_end() || server.organization == self.pair.tenant
        })
    }

    /// The Receive connector that serves the tenant's hub at a landing on premises, and why the others
    /// do not.
    pub(super) fn reception(
        &self,
        connector: &SendConnector,
        landing: &Landing,
    ) -> Option<(Option<ReceiveConnectorId>, Vec<route::Rejected>)> {
        let address = landing.address?;
        let own = &self.topology.server(self.hub).addresses;
        let like = own.iter().find(|own| own.is_ipv4() == address.is_ipv4());
        let connection = Connection {
            remote_address: like.or(own.first()).copied(),
            local_address: Some(address),
            port: connector.port,
            peer: Peer::Anonymous,
            tls: false,
            certificate: None,
        };
        Some(route::endpoint(self.topology, landing.server?, &connection))
    }

    /// A host name that leads to the premises and that the certificate there has: the one that the
    /// connector expects, else one of a certificate that is shown to the cloud.
    pub(super) fn premises_host(&self, connector: &SendConnector) -> Option<Domain> {
        let shown = self
            .topology
            .receive_connectors()
            .filter(|(_, receive)| {
                receive.organization == self.pair.on_premises
                    && receive.enabled
                    && takes_cloud_mail(receive)
            })
            .filter_map(|(_, receive)| route::served(self.topology, receive))
            .flat_map(|id| &self.topology.certificate(id).names);
        let named = connector.tls_domain.iter().chain(shown);
        let mut hosts = named
            .filter(|name| !name.is_wildcard())
            .map(NamePattern::domain);
        hosts
            .find(|host| {
                let landings = self.resolve(host);
                landings.first().is_some_and(|at| self.is_on_premises(at))
            })
            .cloned()
    }

    /// The open questions with a copy that goes wrong after it passed the hub and satisfies a condition.
    pub(in crate::verify) fn astray(
        &self,
        context: &Context<'_>,
        condition: impl Fn(&Fork) -> bool,
    ) -> Vec<usize> {
        let passes = |fork: &Fork| fork.hops.iter().any(|hop| hop.server == self.hub);
        context.open_where(|asked: &Asked| {
            let mut forks = asked.ordinary().forks.iter();
            forks.any(|fork| self.is_astray(fork) && passes(fork) && condition(fork))
        })
    }

    /// Whether a copy fails, loses its trust or its path, or leaves the world although its domain is the
    /// premises'.
    fn is_astray(&self, fork: &Fork) -> bool {
        let flagged = |flag: &crate::flow::Flag| !flag.expected && flag.kind != FlagKind::EchoBack;
        let domain = &fork.recipient.domain;
        let own = || {
            self.topology
                .accepted_domain_for(self.pair.on_premises, domain)
                .is_some()
        };
        fork.disposition.is_failure()
            || fork.flags.iter().any(flagged)
            || (fork.disposition == Disposition::LeftWorld && own())
    }
}

/// The addresses that a copy is for where it leaves an organization: what a mailbox or a group beyond makes
/// of it is another matter.
pub(in crate::verify) fn left_for<'a>(
    topology: &'a Topology,
    organization: OrganizationId,
    fork: &'a Fork,
) -> impl Iterator<Item = &'a Mailbox> {
    let owner = move |at: usize| topology.server(fork.hops[at].server).organization;
    let crossings = 1..fork.hops.len();
    let crossings =
        crossings.filter(move |at| owner(at - 1) == organization && owner(*at) != organization);
    crossings.filter_map(|at| {
        let before = fork.hops[..at].iter().rev();
        let mut steps = before.flat_map(|hop| hop.steps.iter().rev());
        steps.find_map(|step| step.recipient.as_ref())
    })
}

/// Whether a step chooses by what a copy goes on, or finds nothing that it could choose.
pub(in crate::verify) fn seeks_way_out(step: &Step) -> bool {
    let is_way = |subject: &Subject| matches!(subject, Subject::SendConnector(_) | Subject::Mx(_));
    let mut lost = step.rejected.iter();
    step.chosen.as_ref().is_some_and(is_way) || lost.any(|lost| is_way(&lost.candidate))
}

/// Whether a copy was sent by a connector, or was to be.
pub(in crate::verify) fn is_sent_by(fork: &Fork, id: SendConnectorId) -> bool {
    fork.hops.iter().any(|hop| {
        let mut steps = hop.steps.iter();
        hop.connector == Some(id)
            || steps.any(|step| step.chosen == Some(Subject::SendConnector(id)))
    })
}

/// How many addresses have mail by way of a connector.
pub(super) fn users(context: &Context<'_>, id: SendConnectorId) -> usize {
    let users = context.open_where(|asked| {
        let mut forks = asked.ordinary().forks.iter();
        forks.any(|fork| is_sent_by(fork, id))
    });
    context.affected(&users)
}

/// Whether a Receive connector takes the organization headers of Exchange Online.
pub(super) fn takes_cloud_mail(connector: &ReceiveConnector) -> bool {
    connector.tls_domain_capabilities.iter().any(|entry| {
        let domain = entry.domain.as_ref();
        entry.accept_cloud_services_mail
            && domain.is_some_and(|name| name.domain().as_str() == SERVICE)
    })
}
