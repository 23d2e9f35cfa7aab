//! What the dialects share while they lower their objects: the lists that become a topology, names
//! and references.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use super::file::Folder;
use super::object::{Object, Word, listed};
use crate::diag::{Diagnostic, Location, did_you_mean};
use crate::dns::{Fault, Zone};
use crate::mail::{Domain, Mailbox};
use crate::model::{
    AcceptedDomain, CloudDomain, DomainPattern, DomainType, Organization, OrganizationId, Parts,
    Recipient, RecipientId, Server, ServerId,
};

/// A world under construction.
#[derive(Debug, Default)]
pub(super) struct Build {
    pub(super) parts: Parts,
    pub(super) zones: Vec<Zone>,
    pub(super) faults: Vec<Fault>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Every address that something of the world has.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Where the files that the world names are.
    pub(super) folder: Folder,
    /// The domains of addresses, each once.
    pub(super) domains: HashSet<Domain>,
}

impl Build {
    /// Reports something.
    pub(super) fn report(
        &mut self,
        code: &'static str,
        place: &Location,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let diagnostic = Diagnostic::new(code, Some(place.clone()), message);
        self.diagnostics.push(diagnostic.help(help));
    }

    /// Adds an organization.
    pub(super) fn organization(&mut self, organization: Organization) -> OrganizationId {
        self.parts.organizations.push(organization);
        OrganizationId::new(self.parts.organizations.len() - 1)
    }

    /// Adds a server.
    pub(super) fn server(&mut self, server: Server) -> ServerId {
        self.parts.servers.push(server);
        ServerId::new(self.parts.servers.len() - 1)
    }

    /// Lets addresses share their domains with those that are known already, and their local-parts
    /// with each other: a directory has a thousand addresses of each domain.
    pub(super) fn intern(&mut self, addresses: &mut [Mailbox]) {
        for address in &mut *addresses {
            match self.domains.get(&address.domain) {
                Some(known) => address.domain = known.clone(),
                None => {
                    self.domains.insert(address.domain.clone());
                }
            }
        }
        if let [first, others @ ..] = addresses {
            for other in others {
                if other.local_part.as_str() == first.local_part.as_str() {
                    other.local_part = first.local_part.clone();
                }
            }
        }
    }

    /// Adds a recipient.
    pub(super) fn recipient(&mut self, recipient: Recipient) -> RecipientId {
        self.parts.recipients.push(recipient);
        RecipientId::new(self.parts.recipients.len() - 1)
    }

    /// Notes every address that the world gives a server or a host, and reports one that two have: mail
    /// could reach one of them only.
    pub(super) fn note_addresses(&mut self, world: &Object) {
        let mut holders: BTreeMap<IpAddr, Location> = BTreeMap::new();
        let inside = world
            .objects("OnPremises")
            .iter()
            .map(|each| each.objects("Servers"));
        let outside = world
            .objects("Internet")
            .iter()
            .map(|each| each.objects("Hosts"));
        let gateways = std::iter::once(world.objects("Gateways"));
        for object in inside.chain(outside).chain(gateways).flatten() {
            for word in object.list("IPAddress") {
                let Ok(address) = word.text.parse::<IpAddr>() else {
                    continue;
                };
                self.addresses.insert(address);
                if let Some(first) = holders.get(&address) {
                    let message = format!("a second server has the address `{address}`");
                    let diagnostic =
                        Diagnostic::new("duplicate-name", Some(word.location.clone()), message)
                            .because(format!("the first is at {first}"))
                            .help("give each server an address of its own");
                    self.diagnostics.push(diagnostic);
                } else {
                    holders.insert(address, word.location.clone());
                }
            }
        }
    }

    /// Whether two organizations accept one and the same domain.
    pub(super) fn share_a_domain(&self, ours: OrganizationId, theirs: OrganizationId) -> bool {
        let of = |organization| {
            let all = self.parts.accepted_domains.iter();
            all.filter(move |domain| domain.organization == organization)
        };
        of(ours).any(|each| of(theirs).any(|other| other.domain == each.domain))
    }

    /// The first address from here on that nothing of the world has.
    pub(super) fn free_address(&mut self, from: Ipv4Addr) -> IpAddr {
        let numbers = u32::from(from)..=u32::MAX;
        let mut addresses = numbers.map(|number| IpAddr::V4(number.into()));
        let free = addresses
            .find(|address| !self.addresses.contains(address))
            .unwrap_or(IpAddr::V4(from));
        self.addresses.insert(free);
        free
    }

    /// The servers of an organization with their ids.
    pub(super) fn servers_of(
        &self,
        organization: OrganizationId,
    ) -> impl Iterator<Item = (ServerId, &Server)> {
        let all = self.parts.servers.iter().enumerate();
        all.map(|(index, server)| (ServerId::new(index), server))
            .filter(move |(_, server)| server.organization == organization)
    }

    /// The server that a word names, by name or FQDN; reports a name that none has.
    pub(super) fn server_named(
        &mut self,
        word: &Word,
        among: impl Fn(&Server) -> bool,
    ) -> Option<ServerId> {
        let found = self.find_server(&word.text, &among);
        if found.is_none() {
            let servers = &self.parts.servers;
            let known = servers.iter().filter(|server| among(server));
            let names: Vec<&str> = known.map(|server| server.name.as_str()).collect();
            let diagnostic = unknown("server", word, &names, "describe the server first");
            self.diagnostics.push(diagnostic);
        }
        found
    }

    /// The servers that a list names, and the names that no server has.
    pub(super) fn servers_or_names(
        &self,
        words: &[Word],
        among: impl Fn(&Server) -> bool,
    ) -> (Vec<ServerId>, Vec<String>) {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for word in words {
            match self.find_server(&word.text, &among) {
                Some(server) if found.contains(&server) => {}
                Some(server) => found.push(server),
                None => missing.push(word.text.clone()),
            }
        }
        (found, missing)
    }

    fn find_server(&self, name: &str, among: impl Fn(&Server) -> bool) -> Option<ServerId> {
        let is_named = |server: &Server| {
            server.name.eq_ignore_ascii_case(name)
                || server.fqdn.as_str().eq_ignore_ascii_case(name)
        };
        let mut servers = self.parts.servers.iter();
        let found = servers.position(|server| among(server) && is_named(server));
        found.map(ServerId::new)
    }

    /// The servers that a list names.
    pub(super) fn servers_named(
        &mut self,
        words: &[Word],
        among: impl Fn(&Server) -> bool,
    ) -> Vec<ServerId> {
        let mut found = Vec::new();
        for word in words {
            if let Some(server) = self.server_named(word, &among)
                && !found.contains(&server)
            {
                found.push(server);
            }
        }
        found
    }

    /// Reports every name that several objects of a kind have, whatever its case.
    pub(super) fn refuse_duplicates(&mut self, kind: &str, names: impl IntoIterator<Item = Word>) {
        let mut seen: BTreeMap<String, Location> = BTreeMap::new();
        for word in names {
            // Names of domains are the same in U-labels and in A-labels.
            let lower = word.text.to_lowercase();
            let name = Domain::parse(&lower).map_or(lower, |domain| domain.to_string());
            match seen.get(&name) {
                None => {
                    seen.insert(name, word.location);
                }
                Some(first) => {
                    let message = format!("a second {kind} is called `{}`", word.text);
                    let diagnostic =
                        Diagnostic::new("duplicate-name", Some(word.location), message)
                            .because(format!("the first is at {first}"))
                            .help("rename or remove one of the two");
                    self.diagnostics.push(diagnostic);
                }
            }
        }
    }

    /// Lowers the accepted domains of an organization; the first Authoritative one is the default
    /// where none says so.
    pub(super) fn accepted_domains(&mut self, organization: OrganizationId, objects: &[Object]) {
        let first = self.parts.accepted_domains.len();
        let names = objects
            .iter()
            .filter_map(|object| object.word("DomainName"));
        self.refuse_duplicates("accepted domain", names);
        for object in objects {
            let lowered = accepted_domain(organization, object);
            self.parts.accepted_domains.extend(lowered);
        }
        self.refuse_second_default(objects);
        let added = &mut self.parts.accepted_domains[first..];
        if added.iter().all(|domain| !domain.default)
            && let Some(domain) = added
                .iter_mut()
                .find(|domain| domain.kind == DomainType::Authoritative)
        {
            domain.default = true;
        }
    }

    fn refuse_second_default(&mut self, objects: &[Object]) {
        let mut defaults = objects.iter().filter(|object| object.flag("Default"));
        let Some(first) = defaults.next() else {
            return;
        };
        for second in defaults {
            let name = second.text("DomainName").unwrap_or_default();
            let message = format!("`{name}` is a second default domain");
            let place = Some(second.at("Default").clone());
            let diagnostic = Diagnostic::new("conflicting-settings", place, message)
                .because(format!("the first is at {}", first.at("Default")))
                .help("leave `Default` to one of the two");
            self.diagnostics.push(diagnostic);
        }
    }
}

fn accepted_domain(organization: OrganizationId, object: &Object) -> Option<AcceptedDomain> {
    let pattern: DomainPattern = object.parse("DomainName")?;
    let everything = pattern == DomainPattern::Any;
    let (domain, wildcard) = match pattern {
        DomainPattern::Exact(domain) => (domain, false),
        DomainPattern::WithSubdomains(domain) => (domain, true),
        // What stands for every domain is the name of none.
        DomainPattern::Any => (Domain::parse("any.invalid").ok()?, false),
        DomainPattern::AllAcceptedDomains
        | DomainPattern::InternalDomains
        | DomainPattern::Foreign { .. } => return None,
    };
    let name = object.text("Name").or_else(|| object.text("DomainName"))?;
    let types = [
        DomainType::Authoritative,
        DomainType::ExternalRelay,
        DomainType::InternalRelay,
    ];
    let kind = object.choose("DomainType", &types, DomainType::as_str)?;
    Some(AcceptedDomain {
        name: name.to_owned(),
        subdomains: wildcard || object.flag("MatchSubDomains"),
        everything,
        default: object.flag("Default"),
        address_book: match object.knows("AddressBookEnabled") && object.has("AddressBookEnabled") {
            true => object.flag("AddressBookEnabled"),
            false => kind == DomainType::Authoritative,
        },
        cloud: cloud_domain(object, &domain),
        settings: object.settings(),
        ..AcceptedDomain::new(organization, domain, kind)
    })
}

/// What only domains of a tenant have.
fn cloud_domain(object: &Object, domain: &Domain) -> CloudDomain {
    if !object.knows("OutboundOnly") {
        return CloudDomain::default();
    }
    CloudDomain {
        outbound_only: object.flag("OutboundOnly"),
        sending_from_disabled: object.flag("SendingFromDomainDisabled"),
        sending_to_disabled: object.flag("SendingToDomainDisabled"),
        coexistence: match object.has("IsCoexistenceDomain") {
            true => object.flag("IsCoexistenceDomain"),
            false => domain.as_str().ends_with(".mail.onmicrosoft.com"),
        },
        initial: object.flag("InitialDomain"),
        mail_flow_region: object.text("MailFlowRegion").map(str::to_owned),
    }
}

/// Says that a name stands for nothing; `add` says what to do where there is nothing of the kind.
pub(super) fn unknown(kind: &str, word: &Word, known: &[&str], add: &str) -> Diagnostic {
    let help = match did_you_mean(&word.text, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => add.to_owned(),
        None => format!("known are {}", listed(known.iter().copied().take(20))),
    };
    let message = format!("there is no {kind} `{}`", word.text);
    Diagnostic::new("unknown-reference", Some(word.location.clone()), message).help(help)
}
