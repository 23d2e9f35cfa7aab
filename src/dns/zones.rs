//! Zones in memory, in two views.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::diag::Location;
use crate::mail::Domain;

/// Who sees a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// The organization's own resolvers: its internal zones, then the public ones.
    Internal,
    /// The Internet.
    Public,
}

impl View {
    /// The value as worlds spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "Internal",
            Self::Public => "Public",
        }
    }
}

/// The types that mail routing asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those of RFC 1035 and RFC 3596")]
pub enum RecordType {
    A,
    Aaaa,
    Cname,
    Mx,
}

/// The data of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 1035 and RFC 3596")]
pub enum RecordData {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(Domain),
    /// An exchange; `None` is the null MX of RFC 7505.
    Mx {
        preference: u16,
        exchange: Option<Domain>,
    },
    /// Any other type, kept for the name server of the lab: type and data as text.
    Other(String, String),
}

impl RecordData {
    fn is(&self, kind: RecordType) -> bool {
        match self {
            Self::A(_) => kind == RecordType::A,
            Self::Aaaa(_) => kind == RecordType::Aaaa,
            Self::Cname(_) => kind == RecordType::Cname,
            Self::Mx { .. } => kind == RecordType::Mx,
            Self::Other(..) => false,
        }
    }
}

/// The name a record belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// Whether the first label is `*` (RFC 4592).
    pub wildcard: bool,
    /// The name without the wildcard label.
    pub domain: Domain,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wildcard {
            write!(f, "*.{}", self.domain)
        } else {
            write!(f, "{}", self.domain)
        }
    }
}

/// A resource record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name it belongs to.
    pub owner: Owner,
    /// Time to live, in seconds.
    pub ttl_seconds: u32,
    /// What it says.
    pub data: RecordData,
    /// Where it is written; `None` for what the world implies.
    pub location: Option<Location>,
}

/// A zone as one view has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its apex.
    pub name: Domain,
    /// Who sees it.
    pub view: View,
    /// Its records, without SOA and NS unless they are written.
    pub records: Vec<Record>,
    /// Where a new record would be written.
    pub location: Option<Location>,
}

/// Why a name has no answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The name does not exist (RFC 2308, NXDOMAIN).
    NameError,
    /// The name exists and has no records of the type (RFC 2308, NODATA).
    NoData,
    /// CNAME records lead round in a ring.
    AliasLoop,
    /// The name server gives no answer now.
    ServerFailure(FaultKind),
    /// The world does not describe the name's zone.
    Unknown(Domain),
}

/// What a query gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Records of the type, after following aliases.
    Records(Vec<&'a Record>),
    /// Nothing.
    Failed(Failure),
}

/// What goes wrong with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The name server refuses to answer (RFC 1035, RCODE 5).
    Refused,
    /// It cannot answer (RFC 1035, RCODE 2).
    ServerFailure,
    /// Nothing comes back.
    Timeout,
}

impl FaultKind {
    /// What a reader calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "REFUSED",
            Self::ServerFailure => "SERVFAIL",
            Self::Timeout => "a time-out",
        }
    }
}

/// A query that goes wrong, whatever the zones say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which name.
    pub name: Domain,
    /// Records of which type; `None`: of every type.
    pub kind: Option<RecordType>,
    /// Who asks; `None`: everybody.
    pub view: Option<View>,
    /// What goes wrong.
    pub fault: FaultKind,
    /// Where it is written.
    pub location: Option<Location>,
}

/// All zones of a world.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    zones: Vec<Zone>,
    faults: Vec<Fault>,
    /// What is found at each apex, in each view.
    internal: HashMap<Domain, Apex>,
    public: HashMap<Domain, Apex>,
}

/// The zones of one name and view, taken together.
#[derive(Clone, Debug, Default)]
struct Apex {
    /// The last of them, as a position in the list.
    zone: usize,
    /// The records of each owner, as positions: zone, record.
    records: HashMap<Owner, Vec<(usize, usize)>>,
    /// Every name that owns a record, or that one lies below (RFC 2308: an empty non-terminal exists;
    /// RFC 4592 §2.2.2: so does the parent of a wildcard).
    names: HashSet<Domain>,
}

impl Apex {
    fn add(&mut self, position: usize, zone: &Zone) {
        self.zone = position;
        for (index, record) in zone.records.iter().enumerate() {
            let own = self.records.entry(record.owner.clone()).or_default();
            own.push((position, index));
            let mut name = Some(record.owner.domain.clone());
            while let Some(next) = name.filter(|next| !self.names.contains(next)) {
                name = next.parent();
                self.names.insert(next);
            }
        }
    }
}

impl Zones {
    /// Collects zones; several with the same name and view count as one.
    #[must_use]
    pub fn new(zones: Vec<Zone>) -> Self {
        let (mut internal, mut public) = (HashMap::new(), HashMap::new());
        for (position, zone) in zones.iter().enumerate() {
            let view = match zone.view {
                View::Internal => &mut internal,
                View::Public => &mut public,
            };
            let apex: &mut Apex = view.entry(zone.name.clone()).or_default();
            apex.add(position, zone);
        }
        Self {
            zones,
            faults: Vec::new(),
            internal,
            public,
        }
    }

    /// The same zones with queries that go wrong.
    #[must_use]
    pub fn with_faults(self, faults: Vec<Fault>) -> Self {
        Self { faults, ..self }
    }

    /// Every query that goes wrong.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Every zone.
    #[must_use]
    pub fn all(&self) -> &[Zone] {
        &self.zones
    }

    /// The zone that answers for a name in a view: the longest apex. The organization's own resolvers
    /// answer for everything below their internal zones, so such a zone hides longer public ones,
    /// unless it delegates them with NS records.
    #[must_use]
    pub fn zone_of(&self, view: View, name: &Domain) -> Option<&Zone> {
        let apex = self.apex_of(view, name)?;
        Some(&self.zones[apex.zone])
    }

    /// What is found at the apex of the zone that answers for a name.
    fn apex_of(&self, view: View, name: &Domain) -> Option<&Apex> {
        let public = enclosing(&self.public, name);
        let internal = enclosing(&self.internal, name).filter(|_| view == View::Internal);
        let Some((inside, apex)) = internal else {
            return public.map(|(_, apex)| apex);
        };
        let delegated = public.filter(|(outside, _)| {
            outside.is_below(&inside) && delegates(&self.zones[apex.zone], outside)
        });
        Some(delegated.map_or(apex, |(_, public)| public))
    }

    /// What goes wrong with a query of a view, whatever the zones say. Where several faults are stated
    /// for it, the most particular one counts: a type before every type, a view before both.
    #[must_use]
    pub fn fault(&self, view: View, name: &Domain, kind: RecordType) -> Option<FaultKind> {
        let concerns = |fault: &&Fault| {
            fault.name == *name
                && fault.kind.is_none_or(|own| own == kind)
                && fault.view.is_none_or(|own| own == view)
        };
        let faults = self.faults.iter().filter(concerns);
        faults
            .min_by_key(|fault| (fault.kind.is_none(), fault.view.is_none(), fault.fault))
            .map(|fault| fault.fault)
    }

    /// Asks for records of a type (RFC 1034 §4.3.2).
    #[must_use]
    pub fn query(&self, view: View, name: &Domain, kind: RecordType) -> Answer<'_> {
        let mut name = name.clone();
        // RFC 1034 §3.6.2: aliases are followed; a ring must not hang the resolver.
        for _ in 0..=8 {
            if let Some(fault) = self.fault(view, &name, kind) {
                return Answer::Failed(Failure::ServerFailure(fault));
            }
            let Some(apex) = self.apex_of(view, &name) else {
                return Answer::Failed(Failure::Unknown(name));
            };
            let at = |domain: &Domain, wildcard: bool| -> Vec<&Record> {
                let owner = Owner {
                    wildcard,
                    domain: domain.clone(),
                };
                let places = apex.records.get(&owner).into_iter().flatten();
                let record = |(zone, record): &(usize, usize)| &self.zones[*zone].records[*record];
                places.map(record).collect()
            };
            let top = &self.zones[apex.zone].name;
            let found = if apex.names.contains(&name) || name == *top {
                at(&name, false)
            } else {
                match closest_wildcard(apex, &name, top) {
                    Some(parent) => at(&parent, true),
                    None => return Answer::Failed(Failure::NameError),
                }
            };
            let matching: Vec<&Record> = found
                .iter()
                .copied()
                .filter(|record| record.data.is(kind))
                .collect();
            if !matching.is_empty() {
                return Answer::Records(matching);
            }
            let alias = found.iter().find_map(|record| match &record.data {
                RecordData::Cname(target) => Some(target.clone()),
                RecordData::A(_)
                | RecordData::Aaaa(_)
                | RecordData::Mx { .. }
                | RecordData::Other(..) => None,
            });
            match alias {
                Some(target) => name = target,
                None => return Answer::Failed(Failure::NoData),
            }
        }
        Answer::Failed(Failure::AliasLoop)
    }
}

/// Whether a zone hands a name below it to other name servers.
fn delegates(zone: &Zone, child: &Domain) -> bool {
    zone.records.iter().any(|record| {
        let is_ns = matches!(&record.data, RecordData::Other(kind, _) if kind == "NS");
        is_ns && !record.owner.wildcard && record.owner.domain == *child
    })
}

/// The zone whose apex is the longest one around a name.
fn enclosing<'a>(view: &'a HashMap<Domain, Apex>, name: &Domain) -> Option<(Domain, &'a Apex)> {
    let mut candidate = Some(name.clone());
    while let Some(name) = candidate {
        if let Some(apex) = view.get(&name) {
            return Some((name, apex));
        }
        candidate = name.parent();
    }
    None
}

/// The wildcard that covers a name which does not exist: the one at its closest encloser (RFC 4592
/// §3.3.1).
fn closest_wildcard(apex: &Apex, name: &Domain, top: &Domain) -> Option<Domain> {
    let mut encloser = name.parent();
    while let Some(domain) = encloser {
        let owner = Owner {
            wildcard: true,
            domain,
        };
        if apex.records.contains_key(&owner) {
            return Some(owner.domain);
        }
        if apex.names.contains(&owner.domain) || owner.domain == *top {
            return None;
        }
        encloser = owner.domain.parent();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(name: &str) -> Domain {
        Domain::parse(name).expect("a domain")
    }

    /// `contoso.com` with an alias `www`, and one fault.
    fn zones(name: &str, kind: Option<RecordType>, view: Option<View>) -> Zones {
        let record = |name: &str, data| Record {
            owner: Owner {
                wildcard: false,
                domain: domain(name),
            },
            ttl_seconds: 60,
            data,
            location: None,
        };
        let zone = Zone {
            name: domain("contoso.com"),
            view: View::Public,
            records: vec![
                record("contoso.com", RecordData::A(Ipv4Addr::LOCALHOST)),
                record("www.contoso.com", RecordData::Cname(domain("contoso.com"))),
            ],
            location: None,
        };
        let fault = Fault {
            name: domain(name),
            kind,
            view,
            fault: FaultKind::Timeout,
            location: None,
        };
        Zones::new(vec![zone]).with_faults(vec![fault])
    }

    /// RFC 2308 §7: a server failure is neither NXDOMAIN nor NODATA.
    #[test]
    fn a_stated_fault_goes_before_what_the_zones_say() {
        let failed = Answer::Failed(Failure::ServerFailure(FaultKind::Timeout));
        let ask = |zones: &Zones, name: &str, kind| {
            zones.query(View::Public, &domain(name), kind) == failed
        };
        let all = zones("contoso.com", None, None);
        assert!(ask(&all, "contoso.com", RecordType::A));
        assert!(ask(&all, "contoso.com", RecordType::Mx));
        assert!(ask(&all, "www.contoso.com", RecordType::A), "an alias");
        let addresses = zones("contoso.com", Some(RecordType::A), None);
        assert!(ask(&addresses, "contoso.com", RecordType::A));
        assert!(!ask(&addresses, "contoso.com", RecordType::Mx));
        let inside = zones("contoso.com", None, Some(View::Internal));
        assert!(!ask(&inside, "contoso.com", RecordType::A));
        let unstated = zones("fabrikam.com", None, None);
        assert!(ask(&unstated, "fabrikam.com", RecordType::A), "no zone");
    }
}
