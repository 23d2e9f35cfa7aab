//! The world's DNS: hickory-server with a catalog for each view; addresses of the world become the
//! lab's.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, SOA};
use hickory_proto::rr::{LowerName, Name, RData, Record};
use hickory_server::Server;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};

use crate::dns::{RecordData, View, Zone, Zones};
use crate::mail::Domain;
use crate::net;
use crate::relay::AddressBook;

/// A running name server.
pub(super) struct NameServer {
    server: Server<Catalog>,
    /// Where it answers, over UDP and TCP.
    pub(super) address: SocketAddr,
}

impl std::fmt::Debug for NameServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NameServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl NameServer {
    /// Answers for the zones of a view.
    ///
    /// # Errors
    /// When the address is taken.
    pub(super) async fn start(
        zones: &Zones,
        view: View,
        book: &AddressBook,
        address: SocketAddr,
    ) -> std::io::Result<Self> {
        let mut server = Server::new(catalog(zones, view, book));
        server.register_socket(net::bind_udp(address).await?);
        server.register_listener(net::listen(address)?, Duration::from_secs(5), 128);
        Ok(Self { server, address })
    }

    /// Stops answering.
    pub(super) async fn stop(mut self) {
        // A name server that fails while it stops has stopped.
        let _ = self.server.shutdown_gracefully().await;
    }
}

fn catalog(zones: &Zones, view: View, book: &AddressBook) -> Catalog {
    let mut catalog = Catalog::new();
    let mut names: BTreeMap<&Domain, Vec<&Zone>> = BTreeMap::new();
    for zone in zones.all() {
        // An internal zone replaces the public one of the same name.
        let answers = zones.zone_of(view, &zone.name);
        if answers.is_some_and(|other| other.name == zone.name && other.view == zone.view) {
            names.entry(&zone.name).or_default().push(zone);
        }
    }
    for (name, zones) in names {
        let origin = absolute(name);
        let handler =
            InMemoryZoneHandler::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny);
        let mut handler: InMemoryZoneHandler = handler;
        let mut add = |record: Record| {
            handler.upsert_mut(record, 1);
        };
        for record in supplied(&origin) {
            add(record);
        }
        for record in zones.iter().flat_map(|zone| &zone.records) {
            let owner = if record.owner.wildcard {
                Name::from_str(&format!("*.{}.", record.owner.domain))
                    .unwrap_or_else(|_| origin.clone())
            } else {
                absolute(&record.owner.domain)
            };
            if let Some(data) = data(&record.data, book) {
                add(Record::from_rdata(owner, record.ttl_seconds, data));
            }
        }
        catalog.upsert(LowerName::new(&origin), vec![Arc::new(handler)]);
    }
    catalog
}

/// SOA and NS, which a zone of a world need not have.
fn supplied(origin: &Name) -> [Record; 2] {
    let server = Name::from_str("ns.lab.invalid.").unwrap_or_else(|_| origin.clone());
    let soa = SOA::new(server.clone(), server.clone(), 1, 3600, 600, 86_400, 60);
    [
        Record::from_rdata(origin.clone(), 3600, RData::SOA(soa)),
        Record::from_rdata(origin.clone(), 3600, RData::NS(NS(server))),
    ]
}

fn data(data: &RecordData, book: &AddressBook) -> Option<RData> {
    Some(match data {
        RecordData::A(address) => match book.local(IpAddr::V4(*address)) {
            Some(IpAddr::V4(local)) => RData::A(A(local)),
            Some(IpAddr::V6(_)) | None => RData::A(A(*address)),
        },
        RecordData::Aaaa(address) => match book.local(IpAddr::V6(*address)) {
            Some(IpAddr::V4(local)) => RData::A(A(local)),
            Some(IpAddr::V6(_)) | None => RData::AAAA(AAAA(*address)),
        },
        RecordData::Cname(target) => RData::CNAME(CNAME(absolute(target))),
        RecordData::Mx {
            preference,
            exchange,
        } => RData::MX(MX::new(
            *preference,
            exchange.as_ref().map_or_else(Name::root, absolute),
        )),
        RecordData::Other(..) => return None,
    })
}

fn absolute(domain: &Domain) -> Name {
    Name::from_str(&format!("{domain}.")).unwrap_or_else(|_| Name::root())
}
