//! Domains that routing cannot tell apart: a large organization has a thousand of them, all accepted
//! and carried alike.
//!
//! Two domains are alike if every organization accepts them in the same words, the same address spaces
//! cover them as closely and at the same cost, and DNS leads them to the same hosts in both views. A
//! domain that anything else of the world names, or that is special in any way, is alike to none: what
//! this file does not know of can only make classes smaller.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use rayon::prelude::*;

use super::word::word;
use crate::dns::{self, Targets, View, Zones};
use crate::mail::Domain;
use crate::model::{DomainPattern, DomainType, Parts, RecipientKind, Topology};

/// For each domain the first of those that are like it.
pub(in crate::verify) struct Domains {
    first: HashMap<Domain, Domain>,
    /// A number for those that are alike, by where the text of a domain lies.
    numbers: HashMap<usize, u64>,
}

impl Domains {
    /// Compares the domains of all addresses of a world.
    pub(in crate::verify) fn new(topology: &Topology, zones: &Zones) -> Self {
        let mentions = Mentions::of(topology.parts());
        let (found, texts) = domains(topology.parts());
        let mut alike: BTreeMap<String, Domain> = BTreeMap::new();
        let mut first = HashMap::new();
        for domain in found {
            if let Some(text) = describe(topology, zones, &mentions, domain) {
                let like = alike.entry(text).or_insert_with(|| domain.clone());
                first.insert(domain.clone(), like.clone());
            }
        }
        let mut all = Self {
            first,
            numbers: HashMap::new(),
        };
        let numbers = texts
            .into_iter()
            .map(|domain| (text_of(domain), word(all.of(domain))));
        all.numbers = numbers.collect();
        all
    }

    /// The domain that stands for this one.
    fn of<'a>(&'a self, domain: &'a Domain) -> &'a Domain {
        self.first.get(domain).unwrap_or(domain)
    }

    /// Writes a number that domains have in common which are alike.
    pub(in crate::verify) fn write(&self, domain: &Domain, hasher: &mut impl Hasher) {
        let known = self.numbers.get(&text_of(domain)).copied();
        known.unwrap_or_else(|| word(self.of(domain))).hash(hasher);
    }
}

/// Where the text of a domain lies: addresses share their domains, so that most are known by that.
fn text_of(domain: &Domain) -> usize {
    domain.as_str().as_ptr().addr()
}

/// Every domain that an address of the world is in, in order, and all their texts.
fn domains(parts: &Parts) -> (BTreeSet<&Domain>, Vec<&Domain>) {
    let recipients = parts.recipients.par_chunks(1 << 16);
    let texts = recipients.map(|recipients| {
        let mut texts = HashMap::new();
        for recipient in recipients {
            let target = match &recipient.kind {
                RecipientKind::MailUser { target_address, .. } => target_address.as_ref(),
                _ => None,
            };
            for address in recipient.addresses.iter().chain(target) {
                texts.insert(text_of(&address.domain), &address.domain);
            }
        }
        texts
    });
    let mut texts: HashMap<usize, &Domain> = texts.reduce(HashMap::new, |mut all, more| {
        all.extend(more);
        all
    });
    let senders = parts.outside_senders.iter().map(|(address, _)| address);
    for address in senders.chain(&parts.outside_recipients) {
        texts.insert(text_of(&address.domain), &address.domain);
    }
    (
        texts.values().copied().collect(),
        texts.into_values().collect(),
    )
}

/// What routing reads of a domain; `None` where it is special.
fn describe(
    topology: &Topology,
    zones: &Zones,
    mentions: &Mentions,
    domain: &Domain,
) -> Option<String> {
    let is_special = mentions.name(domain)
        || topology.group_domain_owner(domain).is_some()
        || domain.as_str().ends_with(".onmicrosoft.com");
    if is_special {
        return None;
    }
    // Receive connectors may refuse domains by the number of their labels, and by the last one.
    let count = domain.labels().count();
    let mut text = format!("{count}{:?}", domain.labels().next_back());
    for (organization, _) in topology.organizations() {
        let Some(id) = topology.accepted_domain_for(organization, domain) else {
            text.push_str("|-");
            continue;
        };
        let accepted = topology.accepted_domain(id);
        // Domains that are relayed have rules of their own, and so has the default domain.
        if accepted.kind != DomainType::Authoritative || accepted.default {
            return None;
        }
        let covering = (accepted.domain != *domain).then_some(id);
        let (book, cloud) = (accepted.address_book, &accepted.cloud);
        let _ = write!(text, "|{covering:?}{}{book}{cloud:?}", accepted.subdomains);
    }
    for configuration in &topology.parts().hybrid_configurations {
        let _ = write!(text, "|{}", configuration.domains.contains(domain));
    }
    spaces(topology, domain, &mut text);
    for view in [View::Internal, View::Public] {
        leads(&dns::targets(zones, view, domain), domain, &mut text);
    }
    Some(text)
}

/// Which address spaces cover a domain, and how.
fn spaces(topology: &Topology, domain: &Domain, text: &mut String) {
    for (id, connector) in topology.send_connectors() {
        for space in &connector.address_spaces {
            let (cost, local) = (space.cost, space.local);
            let _ = match &space.pattern {
                DomainPattern::Exact(own) if own == domain => {
                    write!(text, "|{id:?}={cost}{local}")
                }
                DomainPattern::WithSubdomains(parent) if domain.is_within(parent) => {
                    write!(text, "|{id:?}*{parent}{cost}{local}")
                }
                // The others cover every domain that the organizations accept alike.
                _ => Ok(()),
            };
        }
    }
}

/// Where DNS leads mail for a domain. The hosts of Exchange Online Protection have a name for each
/// domain, and the same certificate.
fn leads(targets: &Targets, domain: &Domain, text: &mut String) {
    let Targets::Hosts(hosts) = targets else {
        let words = format!("{targets:?}").replace(domain.as_str(), "@");
        let _ = write!(text, "|{words}");
        return;
    };
    for target in hosts {
        let host = match dns::is_protection_host(&target.host) {
            true => "protection",
            false => target.host.as_str(),
        };
        let host = if target.host == *domain { "@" } else { host };
        let (preference, addresses) = (target.preference, &target.addresses);
        let failed = target.failure.is_some();
        let _ = write!(text, "|{preference}{host}{addresses:?}{failed}");
    }
}

/// The domain names that stand anywhere in a world but in the lists that are compared here.
struct Mentions {
    names: HashSet<String>,
    /// These and all names that they lie below.
    around: HashSet<String>,
}

impl Mentions {
    fn of(parts: &Parts) -> Self {
        let mut connectors = parts.send_connectors.clone();
        for connector in &mut connectors {
            connector.address_spaces.clear();
        }
        let text = format!(
            "{:?}{:?}{:?}{:?}{connectors:?}{:?}{:?}{:?}{:?}",
            parts.organizations,
            parts.servers,
            parts.remote_domains,
            parts.receive_connectors,
            parts.certificates,
            parts.rules,
            parts.address_policies,
            parts.entra,
        );
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let words = text
            .split(|c| !is_part(c))
            .map(|word| word.trim_matches('.'));
        let names: HashSet<String> = words
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let mut around = HashSet::new();
        for name in &names {
            let mut rest = Some(name.as_str());
            while let Some(name) = rest.filter(|name| !around.contains(*name)) {
                around.insert(name.to_owned());
                rest = name.split_once('.').map(|(_, parent)| parent);
            }
        }
        Self { names, around }
    }

    /// Whether a domain, one below it, or one around it stands somewhere.
    fn name(&self, domain: &Domain) -> bool {
        let mut parent = domain.parent();
        while let Some(name) = parent {
            if self.names.contains(name.as_str()) {
                return true;
            }
            parent = name.parent();
        }
        self.around.contains(domain.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mailbox;
    use crate::model::{
        AcceptedDomain, EXCHANGE_SERVER, Organization, OrganizationId, OrganizationKind, Recipient,
        RemoteDomain, ServerId,
    };

    /// One organization with users in each of these domains.
    fn world(domains: &[&str]) -> Parts {
        let organization = OrganizationId::new(0);
        let kind = OrganizationKind::OnPremises;
        let mut parts = Parts {
            organizations: vec![Organization::new("Contoso", kind, &EXCHANGE_SERVER)],
            ..Parts::default()
        };
        for name in domains {
            let domain: Domain = name.parse().expect("a domain");
            let address = Mailbox::parse(&format!("ann@{name}")).expect("an address");
            let mailbox = RecipientKind::Mailbox {
                server: ServerId::new(0),
                echo: false,
            };
            let recipient = Recipient::new(organization, vec![address], mailbox);
            parts.recipients.push(recipient);
            let accepted = AcceptedDomain::new(organization, domain, DomainType::Authoritative);
            parts.accepted_domains.push(accepted);
        }
        parts
    }

    fn like(parts: Parts, name: &str) -> String {
        let domains = Domains::new(&Topology::new(parts), &Zones::default());
        domains.of(&name.parse().expect("a domain")).to_string()
    }

    #[test]
    fn domains_that_nothing_tells_apart_are_alike() {
        assert_eq!(
            like(world(&["a.example", "b.example"]), "b.example"),
            "a.example"
        );
        assert_eq!(like(world(&["a.example", "b.test"]), "b.test"), "b.test");
        assert_eq!(
            like(world(&["a.example", "b.c.example"]), "b.c.example"),
            "b.c.example"
        );
    }

    #[test]
    fn a_domain_that_something_names_is_alone() {
        let mut parts = world(&["a.example", "b.example"]);
        parts.accepted_domains[1].kind = DomainType::InternalRelay;
        assert_eq!(like(parts, "b.example"), "b.example");
        for named in ["b.example", "mail.b.example"] {
            let mut parts = world(&["a.example", "b.example"]);
            let pattern = named.parse().expect("a domain");
            let remote = RemoteDomain::new(OrganizationId::new(0), pattern);
            parts.remote_domains.push(remote);
            assert_eq!(like(parts, "b.example"), "b.example", "{named}");
        }
        let mut parts = world(&["a.example", "x.b.example", "y.b.example"]);
        let pattern = "*.b.example".parse().expect("a pattern");
        let remote = RemoteDomain::new(OrganizationId::new(0), pattern);
        parts.remote_domains.push(remote);
        assert_eq!(like(parts, "y.b.example"), "y.b.example");
    }
}
