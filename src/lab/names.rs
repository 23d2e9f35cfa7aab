//! The world's DNS: hickory-server with a catalog for each view; addresses of the world become the
//! lab's.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, SOA};
use hickory_proto::rr::{LowerName, Name, RData, Record};
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, MessageResponseBuilder, ZoneType};

use crate::dns::{Answer, Failure, FaultKind, RecordData, RecordType, View, Zone, Zones};
use crate::mail::Domain;
use crate::net;
use crate::relay::AddressBook;

/// A running name server.
pub(super) struct NameServer {
    server: Server<Answers>,
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
        let mut server = Server::new(Answers {
            catalog: catalog(zones, view, book),
            zones: zones.clone(),
            view,
        });
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

/// What the name server says: the catalog, but for queries that the world lets go wrong.
struct Answers {
    catalog: Catalog,
    zones: Zones,
    view: View,
}

impl Answers {
    /// What goes wrong with a query, if anything does.
    fn fault(&self, request: &Request) -> Option<FaultKind> {
        let query = request.request_info().ok()?.query;
        let name = Domain::parse(query.name().to_string().trim_end_matches('.')).ok()?;
        let kind = match query.query_type() {
            hickory_proto::rr::RecordType::A => RecordType::A,
            hickory_proto::rr::RecordType::AAAA => RecordType::Aaaa,
            hickory_proto::rr::RecordType::CNAME => RecordType::Cname,
            hickory_proto::rr::RecordType::MX => RecordType::Mx,
            _ => return None,
        };
        // The catalog follows aliases within a zone, so a fault of their target counts too.
        match self.zones.query(self.view, &name, kind) {
            Answer::Failed(Failure::ServerFailure(fault)) => Some(fault),
            Answer::Failed(_) | Answer::Records(_) => None,
        }
    }
}

/// A response that says only that there is none.
async fn refuse<R: ResponseHandler>(
    request: &Request,
    code: ResponseCode,
    mut handle: R,
) -> ResponseInfo {
    let builder = MessageResponseBuilder::from_message_request(request);
    let response = builder.error_msg(&request.metadata, code);
    match handle.send_response(response).await {
        Ok(info) => info,
        Err(_) => unsent(request),
    }
}

/// Nothing was sent.
fn unsent(request: &Request) -> ResponseInfo {
    ResponseInfo::from(Header {
        metadata: Metadata::response_from_request(&request.metadata),
        counts: HeaderCounts::default(),
    })
}

// The trait is written with `async_trait`, of which this is the long form.
impl RequestHandler for Answers {
    fn handle_request<'handler, 'request, 'answer, R, T>(
        &'handler self,
        request: &'request Request,
        handle: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'answer>>
    where
        R: ResponseHandler + 'answer,
        T: Time + 'answer,
        'handler: 'answer,
        'request: 'answer,
        Self: 'answer,
    {
        match self.fault(request) {
            None => self.catalog.handle_request::<R, T>(request, handle),
            Some(FaultKind::Timeout) => Box::pin(async move { unsent(request) }),
            Some(FaultKind::Refused) => Box::pin(refuse(request, ResponseCode::Refused, handle)),
            Some(FaultKind::ServerFailure) => {
                Box::pin(refuse(request, ResponseCode::ServFail, handle))
            }
        }
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
