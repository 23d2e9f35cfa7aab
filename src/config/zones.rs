//! DNS: the zones that are written, and those that follow from the tenants' accepted domains.
//!
//! Implied, in the public view: an address record for the protection host of every domain that a
//! tenant accepts, also of the host in a signed zone that an MX record names for one, and a zone with an
//! MX record for every `onmicrosoft.com` domain among them.
//! What a world writes about these names goes before what is implied.
//!
//! Sources: Microsoft 365, "External Domain Name System records for Microsoft 365".

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use super::build::Build;
use super::exchange_online::FRONT_END;
use super::file::Folder;
use super::object::{Object, Word};
use super::sending::conflict;
use crate::diag::{Diagnostic, Location, Source};
use crate::dns::{
    Fault, FaultKind, Owner, Record, RecordData, RecordType, View, Zone, is_protection_host,
    parse_zone, protection_host, secured_key,
};
use crate::mail::Domain;
use crate::model::{OrganizationId, OrganizationKind, Routing, ServerId, ServerRole, SmartHost};

const TTL_SECONDS: u32 = 3600;

/// What to do where the records cannot be in a file.
const RECORDS_INSTEAD: &str = "write the records themselves, with `Records`";

/// Adds the zones that are written.
pub(super) fn lower(build: &mut Build, objects: &[Object], source: &Source, folder: &Folder) {
    build.refuse_duplicates("zone", objects.iter().filter_map(name_and_view));
    for object in objects {
        let (Some(name), Some(view)) = (
            object.parse::<Domain>("Name"),
            object.choose("View", &[View::Public, View::Internal], View::as_str),
        ) else {
            continue;
        };
        let (zone, diagnostics) = match (object.word("Records"), object.word("File")) {
            (Some(_), Some(_)) => {
                refuse_both(build, object);
                continue;
            }
            (Some(records), None) => in_the_world(&name, view, &records, source),
            (None, Some(file)) => match folder.zone(&file.text, &file.location, RECORDS_INSTEAD) {
                Ok(file) => in_a_file(&name, view, &file),
                Err(diagnostic) => {
                    build.diagnostics.push(*diagnostic);
                    continue;
                }
            },
            (None, None) => {
                refuse_neither(build, object);
                continue;
            }
        };
        build.zones.push(zone);
        build.diagnostics.extend(diagnostics);
    }
}

/// The queries that go wrong.
pub(super) fn faults(objects: &[Object]) -> Vec<Fault> {
    let fault = |object: &Object| {
        Some(Fault {
            name: object.parse("Name")?,
            kind: match object.text("Type") {
                Some("A") => Some(RecordType::A),
                Some("AAAA") => Some(RecordType::Aaaa),
                Some("CNAME") => Some(RecordType::Cname),
                Some("MX") => Some(RecordType::Mx),
                Some(_) | None => None,
            },
            view: object.choose("View", &[View::Public, View::Internal], View::as_str),
            fault: match object.text("Fault")? {
                "Refused" => FaultKind::Refused,
                "Timeout" => FaultKind::Timeout,
                _ => FaultKind::ServerFailure,
            },
            location: Some(object.location.clone()),
        })
    };
    objects.iter().filter_map(fault).collect()
}

/// What may stand once: the view is part of a zone's name.
fn name_and_view(object: &Object) -> Option<Word> {
    let word = object.word("Name")?;
    let domain: Domain = word.text.parse().ok()?;
    Some(Word {
        text: format!("{domain}` in the view `{}", object.text("View")?),
        location: word.location,
    })
}

fn refuse_both(build: &mut Build, object: &Object) {
    conflict(
        build,
        object,
        "File",
        "the zone has `Records` and `File`".to_owned(),
        "remove one of the two".to_owned(),
    );
}

fn refuse_neither(build: &mut Build, object: &Object) {
    if object.is_unusable("Records") || object.is_unusable("File") {
        return;
    }
    let name = object.text("Name").unwrap_or_default();
    build.report(
        "missing-key",
        &object.location,
        format!("the zone `{name}` has neither `Records` nor `File`"),
        "add `Records`, or `File` with the name of a master file; `Records = \"\"` is an empty zone",
    );
}

fn in_the_world(
    name: &Domain,
    view: View,
    records: &Word,
    source: &Source,
) -> (Zone, Vec<Diagnostic>) {
    let places = Places::new(records, source);
    parse_zone(name, view, &records.text, |span| places.locate(&span))
}

fn in_a_file(name: &Domain, view: View, file: &Source) -> (Zone, Vec<Diagnostic>) {
    let text = file.text().trim_start_matches('\u{feff}');
    let base = file.text().len() - text.len();
    parse_zone(name, view, text, |span| {
        file.location(span.start + base..span.end + base)
    })
}

/// Where the characters of a text stand in the file, in which it has delimiters and escapes.
struct Places<'a> {
    source: &'a Source,
    whole: Location,
    /// Offsets in the text and in the file, from where on both run in step; empty where the
    /// notation is not understood.
    steps: Vec<(usize, usize)>,
}

impl<'a> Places<'a> {
    fn new(word: &Word, source: &'a Source) -> Self {
        let start = word.location.offset;
        let raw = source.text().get(start..start + word.location.length);
        let steps = raw.and_then(|raw| steps(raw, word.text.len()));
        let steps = steps.unwrap_or_default();
        Self {
            source,
            whole: word.location.clone(),
            steps: steps
                .into_iter()
                .map(|(text, raw)| (text, raw + start))
                .collect(),
        }
    }

    fn locate(&self, span: &Range<usize>) -> Location {
        match (self.offset(span.start), self.offset(span.end)) {
            (Some(start), Some(end)) => self.source.location(start..end),
            _ => self.whole.clone(),
        }
    }

    fn offset(&self, at: usize) -> Option<usize> {
        let next = self.steps.partition_point(|(text, _)| *text <= at);
        let (text, raw) = self.steps.get(next.checked_sub(1)?)?;
        Some(raw + (at - text))
    }
}

/// Pairs of offsets in a text of a length and in its notation, from where on both run in step;
/// `None` where the notation gives a text of another length.
fn steps(raw: &str, length: usize) -> Option<Vec<(usize, usize)>> {
    let delimiter = ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|delimiter| raw.starts_with(delimiter))?;
    let end = raw.len().checked_sub(delimiter.len())?;
    let mut at = delimiter.len();
    if delimiter.len() == 3 {
        // TOML: a line break right after the opening delimiter is not part of the text.
        let rest = raw.get(at..)?;
        at += rest.len()
            - rest
                .strip_prefix("\r\n")
                .or(rest.strip_prefix('\n'))
                .unwrap_or(rest)
                .len();
    }
    let mut steps = vec![(0, at)];
    let mut text = 0;
    while at < end {
        let rest = raw.get(at..end)?;
        let (read, written) = match rest.strip_prefix('\\') {
            Some(escape) if delimiter.starts_with('"') => self::escape(escape)?,
            _ => {
                let c = rest.chars().next()?;
                (c.len_utf8(), c.len_utf8())
            }
        };
        at += read;
        text += written;
        if read != written {
            steps.push((text, at));
        }
    }
    (text == length).then_some(steps)
}

/// The bytes that an escape takes, its backslash among them, and those that it stands for.
fn escape(rest: &str) -> Option<(usize, usize)> {
    let unicode = |digits: usize| {
        let number = u32::from_str_radix(rest.get(1..=digits)?, 16).ok()?;
        let c = char::from_u32(number)?;
        Some((2 + digits, c.len_utf8()))
    };
    match rest.chars().next()? {
        'u' => unicode(4),
        'U' => unicode(8),
        'x' => unicode(2),
        // TOML: a backslash at the end of a line takes all white space after it along.
        c if c.is_whitespace() => Some((1 + rest.len() - rest.trim_start().len(), 0)),
        c => Some((1 + c.len_utf8(), 1)),
    }
}

/// Adds what follows from the tenants' accepted domains and is not written.
pub(super) fn imply(build: &mut Build) {
    let Some(front_end) = front_end(build) else {
        return;
    };
    let written = build.zones.len();
    let domains = tenant_domains(build);
    let fqdn = build.parts.servers[front_end.index()].fqdn.clone();
    let regional = |domain| Some((protection_host(domain)?, region(build, domain)));
    let hosts = domains.iter().filter_map(regional).chain([(fqdn, None)]);
    for (host, region) in hosts.collect::<Vec<_>>() {
        let stated = stated_addresses(&build.zones[..written], &host);
        if stated.is_empty() {
            let address = region_address(build, front_end, region);
            imply_address(build, address, &host);
        } else {
            own_addresses(build, front_end, &stated, region.as_ref());
        }
    }
    for domain in &domains {
        imply_exchange(build, written, domain);
    }
    let mut named = secured_hosts(build, &domains);
    named.extend(opaque_hosts(build, &domains));
    named.extend(former_hosts(build, &domains));
    for host in named {
        let address = region_address(build, front_end, None);
        imply_address(build, address, &host);
    }
}

/// The protection hosts that MX records name for domains accepted on premises and by no tenant.
///
/// Choice: they have addresses, because a record that names one was copied from the admin center, and what
/// a domain outside every tenant is told is Exchange Online Protection's refusal, not one of DNS's
/// (Exchange Online, "Fix NDR error 550 5.7.64 TenantAttribution"). No document says when the name goes.
fn former_hosts(build: &Build, tenants: &[Domain]) -> Vec<Domain> {
    let records: Vec<&Record> = build.zones.iter().flat_map(|zone| &zone.records).collect();
    let has_owner = |host: &Domain| records.iter().any(|record| record.owner.domain == *host);
    let accepted = build.parts.accepted_domains.iter();
    let former = accepted.filter(|accepted| !tenants.contains(&accepted.domain));
    let hosts = former.filter_map(|accepted| {
        let host = protection_host(&accepted.domain)?;
        let named = records.iter().any(|record| {
            let exchange = match &record.data {
                RecordData::Mx { exchange, .. } => exchange.as_ref(),
                RecordData::A(_)
                | RecordData::Aaaa(_)
                | RecordData::Cname(_)
                | RecordData::Other(..) => None,
            };
            record.owner.domain == accepted.domain && exchange == Some(&host)
        });
        (named && !has_owner(&host)).then_some(host)
    });
    hosts.collect()
}

/// The hosts in signed zones that MX records and Send connectors name for the tenants' domains: which zone
/// a domain is given follows from nothing that a world says, so only those that are named are known.
fn secured_hosts(build: &Build, tenants: &[Domain]) -> BTreeSet<Domain> {
    let records = || build.zones.iter().flat_map(|zone| &zone.records);
    let exchanges = records().filter_map(|record| match &record.data {
        RecordData::Mx { exchange, .. } => exchange.as_ref(),
        RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Cname(_) | RecordData::Other(..) => {
            None
        }
    });
    let connectors = build.parts.send_connectors.iter();
    let smart_hosts = connectors.flat_map(|connector| match &connector.routing {
        Routing::SmartHosts(hosts) => hosts.as_slice(),
        _ => &[],
    });
    let smart_hosts = smart_hosts.filter_map(|host| match host {
        SmartHost::Name(name) => Some(name),
        SmartHost::Address(_) => None,
    });
    let keys: Vec<Domain> = tenants.iter().filter_map(protection_host).collect();
    let is_ours = |host: &&Domain| {
        secured_key(host).is_some_and(|key| {
            let mut own = keys.iter().map(|host| host.labels().next());
            own.any(|label| label == Some(key))
        })
    };
    let is_stated = |host: &&Domain| records().any(|record| record.owner.domain == **host);
    let named = exchanges.chain(smart_hosts).filter(is_ours);
    named.filter(|host| !is_stated(host)).cloned().collect()
}

/// The protection hosts that MX records name for the tenants' domains whose own host cannot be computed:
/// what the admin center showed is taken for it.
fn opaque_hosts(build: &Build, tenants: &[Domain]) -> BTreeSet<Domain> {
    let records = || build.zones.iter().flat_map(|zone| &zone.records);
    let is_stated = |host: &Domain| records().any(|record| record.owner.domain == *host);
    let hosts = records().filter_map(|record| match &record.data {
        RecordData::Mx { exchange, .. } => {
            let owner = &record.owner.domain;
            let is_opaque = tenants.contains(owner) && protection_host(owner).is_none();
            exchange.as_ref().filter(|_| is_opaque)
        }
        RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Cname(_) | RecordData::Other(..) => {
            None
        }
    });
    let hosts = hosts.filter(|host| is_protection_host(host) && !is_stated(host));
    hosts.cloned().collect()
}

/// The region that serves a tenant's domain: its own, else the tenant's.
fn region(build: &Build, domain: &Domain) -> Option<String> {
    let mut accepted = build.parts.accepted_domains.iter();
    let accepted = accepted.find(|each| {
        let owner = &build.parts.organizations[each.organization.index()];
        each.domain == *domain && owner.kind == OrganizationKind::ExchangeOnline
    })?;
    let tenant = &build.parts.organizations[accepted.organization.index()].tenant;
    let own = accepted.cloud.mail_flow_region.as_ref();
    own.or(tenant.mail_flow_region.as_ref()).cloned()
}

/// The address at which the front end serves a region; its first where no region is said.
fn region_address(
    build: &mut Build,
    front_end: ServerId,
    region: Option<String>,
) -> Option<Ipv4Addr> {
    let server = &build.parts.servers[front_end.index()];
    let mut v4 = server.addresses.iter().filter_map(|address| match address {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    let Some(region) = region else {
        return v4.next();
    };
    let known = v4.find(|address| server.regions.get(&IpAddr::V4(*address)) == Some(&region));
    if known.is_some() {
        return known;
    }
    let IpAddr::V4(address) = build.free_address(FRONT_END) else {
        return None;
    };
    let server = &mut build.parts.servers[front_end.index()];
    server.addresses.push(IpAddr::V4(address));
    server.regions.insert(IpAddr::V4(address), region);
    Some(address)
}

fn front_end(build: &Build) -> Option<ServerId> {
    let mut servers = build.parts.servers.iter();
    let front_end = servers.position(|server| server.role == ServerRole::FrontEnd);
    front_end.map(ServerId::new)
}

/// The accepted domains of all tenants, each once.
fn tenant_domains(build: &Build) -> Vec<Domain> {
    let hubs = build
        .parts
        .servers
        .iter()
        .filter(|server| server.role == ServerRole::Hub);
    let tenants: Vec<OrganizationId> = hubs.map(|hub| hub.organization).collect();
    let accepted = build.parts.accepted_domains.iter();
    let ours = accepted.filter(|domain| tenants.contains(&domain.organization));
    let mut domains: Vec<Domain> = Vec::new();
    for domain in ours {
        if !domains.contains(&domain.domain) {
            domains.push(domain.domain.clone());
        }
    }
    domains
}

/// The addresses that written public zones give a host.
fn stated_addresses(zones: &[Zone], host: &Domain) -> Vec<IpAddr> {
    let public = zones.iter().filter(|zone| zone.view == View::Public);
    let records = public.flat_map(|zone| &zone.records);
    let of_host = records.filter(|record| !record.owner.wildcard && record.owner.domain == *host);
    of_host
        .filter_map(|record| match record.data {
            RecordData::A(address) => Some(IpAddr::V4(address)),
            RecordData::Aaaa(address) => Some(IpAddr::V6(address)),
            RecordData::Cname(_) | RecordData::Mx { .. } | RecordData::Other(..) => None,
        })
        .collect()
}

/// Gives the front end the addresses that a world writes for it, unless they are another's.
fn own_addresses(
    build: &mut Build,
    front_end: ServerId,
    addresses: &[IpAddr],
    region: Option<&String>,
) {
    for address in addresses {
        if build.addresses.insert(*address) {
            let server = &mut build.parts.servers[front_end.index()];
            server.addresses.push(*address);
            let regions = region.map(|region| (*address, region.clone()));
            server.regions.extend(regions);
        }
    }
}

/// Adds the address of a protection host to the longest zone that covers it, or to a new one.
fn imply_address(build: &mut Build, address: Option<Ipv4Addr>, host: &Domain) {
    let Some((address, apex)) = address.zip(host.parent()) else {
        return;
    };
    let covering = build
        .zones
        .iter_mut()
        .filter(|zone| zone.view == View::Public && host.is_within(&zone.name))
        .max_by_key(|zone| zone.name.as_str().len());
    let record = record(host, RecordData::A(address));
    match covering {
        Some(zone) => zone.records.push(record),
        None => build.zones.push(Zone {
            name: apex,
            view: View::Public,
            records: vec![record],
            location: None,
        }),
    }
}

/// Adds a zone with an MX record for a domain of Microsoft's that no written zone covers.
fn imply_exchange(build: &mut Build, written: usize, domain: &Domain) {
    let covered = build.zones[..written]
        .iter()
        .any(|zone| zone.view == View::Public && domain.is_within(&zone.name));
    let is_microsofts = domain.as_str().ends_with(".onmicrosoft.com");
    if let (true, false, Some(host)) = (is_microsofts, covered, protection_host(domain)) {
        let data = RecordData::Mx {
            preference: 0,
            exchange: Some(host),
        };
        build.zones.push(Zone {
            name: domain.clone(),
            view: View::Public,
            records: vec![record(domain, data)],
            location: None,
        });
    }
}

fn record(owner: &Domain, data: RecordData) -> Record {
    Record {
        owner: Owner {
            wildcard: false,
            domain: owner.clone(),
        },
        ttl_seconds: TTL_SECONDS,
        data,
        location: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_in_a_text_are_found_in_its_notation() {
        for (raw, text, part) in [
            ("\"\"\"\nab\ncd\n\"\"\"", "ab\ncd\n", "cd"),
            ("'''\r\nab\r\ncd'''", "ab\r\ncd", "cd"),
            (r#""ab\ncd""#, "ab\ncd", "cd"),
            (r#""a\u00e4b\tcd""#, "aäb\tcd", "cd"),
            ("\"\"\"ab \\\n   cd\"\"\"", "ab cd", "cd"),
            ("'a\\b cd'", "a\\b cd", "cd"),
        ] {
            let source = Source::new("w.toml", raw);
            let word = Word {
                text: text.to_owned(),
                location: source.location(0..raw.len()),
            };
            let at = text.find(part).expect("the part is in the text");
            let place = Places::new(&word, &source).locate(&(at..at + part.len()));
            assert_eq!(
                &raw[place.offset..place.offset + place.length],
                part,
                "{raw}"
            );
        }
    }
}
