//! Names asked of a real name server, with hickory-resolver; what it brings is judged by the rule
//! that predictions use (`dns::targets_in`).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};

use crate::dns::{self, Exchange, Failure, FaultKind, Names, Targets};
use crate::mail::Domain;

/// Asks one name server, or those of this machine.
#[derive(Clone)]
pub struct Resolver {
    inner: TokioResolver,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// Asks this name server. Answers are not kept, so that a change is seen at once.
    ///
    /// # Errors
    /// When the resolver cannot be set up.
    pub fn at(server: SocketAddr) -> Result<Self, NetError> {
        let connection = |protocol| {
            let mut connection = ConnectionConfig::new(protocol);
            connection.port = server.port();
            connection
        };
        let connections = vec![
            connection(ProtocolConfig::Udp),
            connection(ProtocolConfig::Tcp),
        ];
        let server = NameServerConfig::new(server.ip(), true, connections);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut options = ResolverOpts::default();
        options.cache_size = 0;
        Self::build(config, options)
    }

    /// Asks the name servers of this machine.
    ///
    /// # Errors
    /// When the machine names none.
    pub fn of_this_machine() -> Result<Self, NetError> {
        Ok(Self {
            inner: TokioResolver::builder_tokio()?.build()?,
        })
    }

    fn build(config: ResolverConfig, mut options: ResolverOpts) -> Result<Self, NetError> {
        options.attempts = 2;
        // A name is asked as it is: never below a search domain, never in the hosts file.
        options.use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        Ok(Self {
            inner: builder.with_options(options).build()?,
        })
    }

    /// The hosts that take mail for a domain.
    pub async fn targets(&self, domain: &Domain) -> Targets {
        let mut found = Found {
            exchanges: self.exchanges(domain).await,
            addresses: BTreeMap::new(),
        };
        let mut hosts: Vec<Domain> = match &found.exchanges {
            Ok(exchanges) => exchanges
                .iter()
                .filter_map(|exchange| exchange.host.clone())
                .collect(),
            Err(_) => Vec::new(),
        };
        if found.exchanges == Err(Failure::NoData) {
            hosts.push(domain.clone());
        }
        for host in hosts {
            let addresses = self.addresses(&host).await;
            found.addresses.insert(host, addresses);
        }
        dns::targets_in(&found, domain)
    }

    async fn exchanges(&self, domain: &Domain) -> Result<Vec<Exchange>, Failure> {
        let lookup = self
            .inner
            .lookup(absolute(domain), RecordType::MX)
            .await
            .map_err(|error| failure(&error))?;
        let records = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::MX(mx) => Some(mx),
                _ => None,
            });
        let exchanges: Vec<Exchange> = records
            .map(|mx| {
                let host = Domain::parse(&mx.exchange.to_ascii())
                    .ok()
                    .filter(|_| !mx.exchange.is_root());
                Exchange {
                    preference: mx.preference,
                    host,
                    location: None,
                }
            })
            .collect();
        if exchanges.is_empty() {
            Err(Failure::NoData)
        } else {
            Ok(exchanges)
        }
    }

    async fn addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, Failure> {
        let mut addresses = Vec::new();
        let mut reason = Failure::NoData;
        for kind in [RecordType::A, RecordType::AAAA] {
            match self.inner.lookup(absolute(host), kind).await {
                Ok(lookup) => addresses.extend(
                    lookup
                        .answers()
                        .iter()
                        .filter_map(|record| record.data.ip_addr()),
                ),
                Err(error) => match failure(&error) {
                    Failure::NoData => {}
                    other => reason = other,
                },
            }
        }
        if addresses.is_empty() {
            Err(reason)
        } else {
            Ok(addresses)
        }
    }
}

/// What a resolver brought, to be judged.
struct Found {
    exchanges: Result<Vec<Exchange>, Failure>,
    addresses: BTreeMap<Domain, Result<Vec<IpAddr>, Failure>>,
}

impl Names for Found {
    fn exchanges(&self, _: &Domain) -> Result<Vec<Exchange>, Failure> {
        self.exchanges.clone()
    }

    fn addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, Failure> {
        self.addresses
            .get(host)
            .cloned()
            .unwrap_or(Err(Failure::NoData))
    }
}

fn absolute(domain: &Domain) -> String {
    format!("{domain}.")
}

/// NXDOMAIN and NODATA are answers; everything else is a server that cannot answer now.
fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Failure::NameError,
            ResponseCode::NoError => Failure::NoData,
            ResponseCode::Refused => Failure::ServerFailure(FaultKind::Refused),
            _ => Failure::ServerFailure(FaultKind::ServerFailure),
        },
        NetError::Timeout => Failure::ServerFailure(FaultKind::Timeout),
        _ => Failure::ServerFailure(FaultKind::ServerFailure),
    }
}
