//! Whom to connect to: MX order, implicit MX, null MX (RFC 5321 §5.1, RFC 7505).

use std::net::IpAddr;

use super::zones::{Answer, Failure, RecordData, RecordType, View, Zones};
use crate::diag::Location;
use crate::mail::Domain;

/// A host to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// MX preference; 0 for an implicit MX and for smart hosts.
    pub preference: u16,
    /// Its name.
    pub host: Domain,
    /// Its addresses; empty where its name has none.
    pub addresses: Vec<IpAddr>,
    /// Why it has no address.
    pub failure: Option<Failure>,
    /// The MX record, where there is one and somebody wrote it.
    pub location: Option<Location>,
}

/// The hosts of a domain, or why there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// The hosts, lowest preference first; at least one has an address.
    Hosts(Vec<Target>),
    /// The domain takes no mail (RFC 7505).
    NullMx,
    /// No host with an address.
    Failed(Failure),
}

/// Somebody who answers questions about names: zones in memory, or what a resolver brought.
pub trait Names {
    /// The MX records of a domain: preference, exchange (`None` for the null MX of RFC 7505), place.
    ///
    /// # Errors
    /// Why there are none.
    fn exchanges(&self, domain: &Domain) -> Result<Vec<Exchange>, Failure>;

    /// The addresses of a host, IPv4 first.
    ///
    /// # Errors
    /// Why there are none.
    fn addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, Failure>;
}

/// An MX record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The lower, the sooner.
    pub preference: u16,
    /// The host; `None` says that the domain takes no mail.
    pub host: Option<Domain>,
    /// Where it is written, in a world.
    pub location: Option<Location>,
}

/// The zones of a world as one view sees them.
struct Viewed<'a>(&'a Zones, View);

impl Names for Viewed<'_> {
    fn exchanges(&self, domain: &Domain) -> Result<Vec<Exchange>, Failure> {
        match self.0.query(self.1, domain, RecordType::Mx) {
            Answer::Records(records) => Ok(records
                .into_iter()
                .filter_map(|record| match &record.data {
                    RecordData::Mx {
                        preference,
                        exchange,
                    } => Some(Exchange {
                        preference: *preference,
                        host: exchange.clone(),
                        location: record.location.clone(),
                    }),
                    RecordData::A(_)
                    | RecordData::Aaaa(_)
                    | RecordData::Cname(_)
                    | RecordData::Other(..) => None,
                })
                .collect()),
            Answer::Failed(failure) => Err(failure),
        }
    }

    fn addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, Failure> {
        addresses_of(self.0, self.1, host)
    }
}

/// The hosts that take mail for a domain, as a view of a world has them.
#[must_use]
pub fn targets(zones: &Zones, view: View, domain: &Domain) -> Targets {
    targets_in(&Viewed(zones, view), domain)
}

/// The hosts that take mail for a domain (RFC 5321 §5.1): its MX records, else the domain itself.
#[must_use]
pub fn targets_in(names: &impl Names, domain: &Domain) -> Targets {
    match names.exchanges(domain) {
        Ok(records) => {
            let mut hosts: Vec<Target> = Vec::new();
            for Exchange {
                preference,
                host,
                location,
            } in records
            {
                let Some(host) = host else {
                    return Targets::NullMx;
                };
                let (addresses, failure) = split(names.addresses(&host));
                hosts.push(Target {
                    preference,
                    host,
                    addresses,
                    failure,
                    location,
                });
            }
            // Choice: equal preferences are tried by name, so that a prediction is one prediction;
            // RFC 5321 §5.1 has the sender choose among them at random.
            hosts.sort_by(|a, b| (a.preference, &a.host).cmp(&(b.preference, &b.host)));
            usable(hosts)
        }
        // RFC 5321 §5.1: no MX records means the domain's own address, with preference 0.
        Err(Failure::NoData) => {
            let (addresses, failure) = split(names.addresses(domain));
            let host = domain.clone();
            usable(vec![Target {
                preference: 0,
                host,
                addresses,
                failure,
                location: None,
            }])
        }
        Err(failure) => Targets::Failed(failure),
    }
}

/// Why a sender has nobody to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoHost {
    /// The best host is the sender itself.
    BestIsSelf,
    /// The name does not exist.
    NameError,
    /// There is no usable answer now, and why.
    NoAnswer(Failure),
    /// The domain takes no mail.
    NullMx,
    /// Nobody can say: the world does not describe this name, or no name server answers for it.
    Unknown(Domain),
}

impl Targets {
    /// The hosts to try, in order; `own` tells the sender's own. For a smart host the sender's own
    /// address is as good as any other.
    ///
    /// # Errors
    /// Why there is none.
    pub fn usable(
        self,
        own: impl Fn(&Target) -> bool,
        smart_host: bool,
    ) -> Result<Vec<Target>, NoHost> {
        let hosts = match self {
            Self::Hosts(hosts) => hosts,
            Self::NullMx => return Err(NoHost::NullMx),
            Self::Failed(Failure::NameError) => return Err(NoHost::NameError),
            Self::Failed(
                why @ (Failure::NoData | Failure::AliasLoop | Failure::ServerFailure(_)),
            ) => return Err(NoHost::NoAnswer(why)),
            Self::Failed(Failure::Unknown(name)) => return Err(NoHost::Unknown(name)),
        };
        // RFC 5321 §5.1: the server's own record and those after it are not used.
        if !smart_host && hosts.first().is_some_and(&own) {
            return Err(NoHost::BestIsSelf);
        }
        let before: Vec<Target> = hosts
            .into_iter()
            .take_while(|host| smart_host || !own(host))
            .collect();
        // What the world does not describe is not passed over: that host may well be there.
        for host in &before {
            match &host.failure {
                Some(Failure::Unknown(name)) => return Err(NoHost::Unknown(name.clone())),
                Some(_) => {}
                None => break,
            }
        }
        let why = before.iter().find_map(|host| host.failure.clone());
        let usable: Vec<Target> = before
            .into_iter()
            .filter(|host| !host.addresses.is_empty())
            .collect();
        if usable.is_empty() {
            Err(NoHost::NoAnswer(why.unwrap_or(Failure::NoData)))
        } else {
            Ok(usable)
        }
    }
}

/// The targets, unless not one of them has an address.
fn usable(hosts: Vec<Target>) -> Targets {
    match hosts.iter().find_map(|host| host.failure.clone()) {
        Some(failure) if hosts.iter().all(|host| host.addresses.is_empty()) => {
            // An exchange without an address is a fault of the record, not of the domain: the
            // domain exists (Exchange Server, "451 4.4.0 DNS query failed").
            match failure {
                Failure::NameError => Targets::Failed(Failure::NoData),
                other => Targets::Failed(other),
            }
        }
        Some(_) | None => Targets::Hosts(hosts),
    }
}

fn split(answer: Result<Vec<IpAddr>, Failure>) -> (Vec<IpAddr>, Option<Failure>) {
    match answer {
        Ok(addresses) => (addresses, None),
        Err(failure) => (Vec::new(), Some(failure)),
    }
}

/// The addresses of a name, IPv4 first.
///
/// # Errors
/// Why it has none.
pub fn addresses_of(zones: &Zones, view: View, name: &Domain) -> Result<Vec<IpAddr>, Failure> {
    let mut addresses = Vec::new();
    let mut failure = Failure::NoData;
    for kind in [RecordType::A, RecordType::Aaaa] {
        match zones.query(view, name, kind) {
            Answer::Records(records) => {
                addresses.extend(records.iter().filter_map(|record| match &record.data {
                    RecordData::A(v4) => Some(IpAddr::V4(*v4)),
                    RecordData::Aaaa(v6) => Some(IpAddr::V6(*v6)),
                    RecordData::Cname(_) | RecordData::Mx { .. } | RecordData::Other(..) => None,
                }))
            }
            Answer::Failed(reason) => {
                if reason != Failure::NoData {
                    failure = reason;
                }
            }
        }
    }
    if addresses.is_empty() {
        Err(failure)
    } else {
        Ok(addresses)
    }
}
