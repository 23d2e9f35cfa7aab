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

/// The hosts that take mail for a domain (RFC 5321 §5.1): its MX records, else the domain itself.
#[must_use]
pub fn targets(zones: &Zones, view: View, domain: &Domain) -> Targets {
    match zones.query(view, domain, RecordType::Mx) {
        Answer::Records(records) => {
            let mut hosts: Vec<Target> = Vec::new();
            for record in records {
                let RecordData::Mx {
                    preference,
                    exchange,
                } = &record.data
                else {
                    continue;
                };
                let Some(host) = exchange else {
                    return Targets::NullMx;
                };
                let (addresses, failure) = split(addresses_of(zones, view, host));
                let location = record.location.clone();
                hosts.push(Target {
                    preference: *preference,
                    host: host.clone(),
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
        Answer::Failed(Failure::NoData) => smart_host_address(zones, view, domain),
        Answer::Failed(failure) => Targets::Failed(failure),
    }
}

/// A host by its address records alone.
fn smart_host_address(zones: &Zones, view: View, name: &Domain) -> Targets {
    let (addresses, failure) = split(addresses_of(zones, view, name));
    usable(vec![Target {
        preference: 0,
        host: name.clone(),
        addresses,
        failure,
        location: None,
    }])
}

/// The targets, unless not one of them has an address.
fn usable(hosts: Vec<Target>) -> Targets {
    match hosts.iter().find_map(|host| host.failure.clone()) {
        Some(failure) if hosts.iter().all(|host| host.addresses.is_empty()) => {
            // An exchange without an address is a fault of the record, not of the domain: the
            // domain exists (Exchange Server, "451 4.4.0 DNS query failed").
            match failure {
                Failure::NameError if hosts.iter().any(|host| host.location.is_some()) => {
                    Targets::Failed(Failure::NoData)
                }
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
