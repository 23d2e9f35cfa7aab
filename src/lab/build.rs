//! Building a lab out of a world, and taking it down.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::task::JoinHandle;

use super::addresses::Block;
use super::authority::Authority;
use super::control::{self, Door};
use super::mailboxes::Mailboxes;
use super::names::NameServer;
use super::outside;
use crate::dns::{View, Zones};
use crate::metrics::Metrics;
use crate::model::{Matcher, RecipientKind, ServerId, ServerRole, Topology};
use crate::net::{self, Resolver};
use crate::relay::{AddressBook, Config, Pace, Recognition, Relay, RelayError, SyncMeter, Users};
use crate::route;
use crate::spool::disk::{Disk, Options};

/// The password of every user of a lab: it is on loopback, and everybody may know it.
pub const PASSWORD: &str = "lab";

const SMTP_PORT: u16 = 25;
const SUBMISSION_PORT: u16 = 587;
const DNS_PORT: u16 = 53;
const HTTP_PORT: u16 = 80;

/// Why a lab cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// An address cannot be used.
    #[error("cannot listen on {address} for {what}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What for.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// No loopback addresses are free.
    #[error("cannot find free loopback addresses: {0}")]
    Addresses(std::io::Error),
    /// The lab's folder cannot be used.
    #[error("cannot use the folder `{path}`: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A server's own certificate cannot be made.
    #[error(transparent)]
    SelfSigned(#[from] net::TlsError),
    /// A server's spool cannot be opened.
    #[error("cannot open the spool of {server}: {source}")]
    Spool {
        /// The server.
        server: String,
        /// What the spool says.
        source: crate::spool::Error,
    },
    /// A server cannot start.
    #[error("cannot start {server}: {source}")]
    Relay {
        /// The server.
        server: String,
        /// What the relay says.
        source: RelayError,
    },
    /// The resolver cannot be set up.
    #[error("cannot ask the lab's name server: {0}")]
    Resolver(String),
}

/// How a lab runs.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// How fast time passes for retries and expiry.
    pub pace: Pace,
    /// Where it keeps spools and mailboxes; without, in a new folder that goes with it.
    pub folder: Option<PathBuf>,
}

/// A server of a running lab.
#[derive(Clone, Debug)]
pub struct RunningServer {
    /// Its name in the world.
    pub name: String,
    /// What it is.
    pub role: ServerRole,
    /// Where it takes mail.
    pub smtp: SocketAddr,
    /// Where its users submit.
    pub submission: Option<SocketAddr>,
}

/// A running world.
#[derive(Debug)]
pub struct Lab {
    topology: Arc<Topology>,
    zones: Zones,
    addresses: Arc<AddressBook>,
    relays: Vec<Relay>,
    public: NameServer,
    internal: NameServer,
    door: JoinHandle<()>,
    http: SocketAddr,
    servers: Vec<RunningServer>,
    mailboxes: Mailboxes,
    metrics: Arc<Metrics>,
    folder: PathBuf,
    keep_folder: bool,
    port_offset: u16,
    _block: Block,
}

impl Lab {
    /// Starts every server of a world, and returns when all of them listen.
    ///
    /// # Errors
    /// When something it needs is not to be had.
    pub async fn start(
        topology: Arc<Topology>,
        zones: &Zones,
        options: &LabOptions,
    ) -> Result<Self, LabError> {
        let block = Block::claim(first_block()).map_err(LabError::Addresses)?;
        let pairs = block.assign(&topology);
        let addresses = Arc::new(AddressBook::mapped(pairs, block.port_offset));
        let folder = options.folder.clone().unwrap_or_else(new_folder);
        make_folder(&folder)?;
        let at = |last, port: u16| SocketAddr::new(block.address(last), port + block.port_offset);
        let public = name_server(zones, View::Public, &addresses, at(1, DNS_PORT)).await?;
        let internal = name_server(zones, View::Internal, &addresses, at(2, DNS_PORT)).await?;
        let metrics = Arc::new(Metrics::new());
        let authority = Authority::new()?;
        let building = Building {
            topology: &topology,
            addresses: &addresses,
            authority: &authority,
            identities: authority.identities(&topology)?,
            metrics: &metrics,
            users: Arc::new(users(&topology)),
            folder: &folder,
            pace: options.pace,
            public: public.address,
            internal: internal.address,
            relays: Vec::new(),
            servers: Vec::new(),
        };
        let (relays, servers) = building.every_server().await?;
        let http = at(1, HTTP_PORT);
        let door = Door {
            mailboxes: Mailboxes::new(folder.join("mail")),
            metrics: metrics.clone(),
            root_pem: authority.root_pem().into(),
            topology: topology.clone(),
        };
        let mailboxes = door.mailboxes.clone();
        let door = open_door(http, door)?;
        let keep_folder = options.folder.is_some();
        let port_offset = block.port_offset;
        Ok(Self {
            topology,
            zones: zones.clone(),
            addresses,
            relays,
            public,
            internal,
            door,
            http,
            servers,
            mailboxes,
            metrics,
            folder,
            keep_folder,
            port_offset,
            _block: block,
        })
    }

    /// Stops every server, and removes the folder if the lab made it.
    pub async fn stop(self) {
        for relay in self.relays {
            relay.stop().await;
        }
        self.public.stop().await;
        self.internal.stop().await;
        self.door.abort();
        if !self.keep_folder {
            remove_folder(&self.folder);
        }
    }

    /// Whether no server has anything left to do: then nothing more arrives until somebody sends.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        // First what is done, then what was taken up: counts only grow, and a message is taken up
        // before its last holder is done with it, so the sums are equal only if nothing was under
        // way in between.
        let finished: u64 = self.relays.iter().map(Relay::finished).sum();
        let taken: u64 = self.relays.iter().map(Relay::taken).sum();
        finished == taken
    }

    /// The servers, in the order of the world.
    #[must_use]
    pub fn servers(&self) -> &[RunningServer] {
        &self.servers
    }

    /// Where the public view of DNS answers.
    #[must_use]
    pub fn dns(&self) -> SocketAddr {
        self.public.address
    }

    /// Where the internal view of DNS answers.
    #[must_use]
    pub fn internal_dns(&self) -> SocketAddr {
        self.internal.address
    }

    /// Where mailboxes and metrics are read.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// What arrived.
    #[must_use]
    pub fn mailboxes(&self) -> &Mailboxes {
        &self.mailboxes
    }

    /// What was counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What its name servers answer from.
    #[must_use]
    pub fn zones(&self) -> &Zones {
        &self.zones
    }

    /// The world.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Where a server of the world takes mail on a port of the world, here.
    pub(super) fn address_of(&self, server: ServerId, port: u16) -> Option<SocketAddr> {
        let world = self.topology.server(server).addresses.first()?;
        Some(self.addresses.real(*world, port))
    }

    /// What a port of the world is here.
    pub(super) fn port(&self, port: u16) -> u16 {
        port + self.port_offset
    }

    /// The address of a server's host, here.
    pub(super) fn local_address(&self, server: ServerId) -> Option<IpAddr> {
        self.addresses
            .local(*self.topology.server(server).addresses.first()?)
    }

    /// A resolver of the public view.
    pub(super) fn resolver(&self) -> Result<Resolver, LabError> {
        Resolver::at(self.public.address).map_err(|error| LabError::Resolver(error.to_string()))
    }
}

struct Building<'a> {
    topology: &'a Arc<Topology>,
    addresses: &'a Arc<AddressBook>,
    authority: &'a Authority,
    identities: HashMap<crate::model::CertificateId, net::Identity>,
    metrics: &'a Arc<Metrics>,
    users: Arc<Users>,
    folder: &'a Path,
    pace: Pace,
    public: SocketAddr,
    internal: SocketAddr,
    relays: Vec<Relay>,
    servers: Vec<RunningServer>,
}

impl Building<'_> {
    async fn every_server(mut self) -> Result<(Vec<Relay>, Vec<RunningServer>), LabError> {
        for (id, _) in self.topology.servers() {
            self.server(id).await?;
        }
        Ok((self.relays, self.servers))
    }

    async fn server(&mut self, id: ServerId) -> Result<(), LabError> {
        let server = self.topology.server(id);
        let Some(world) = server.addresses.first().copied() else {
            return Ok(());
        };
        let smtp = self.addresses.real(world, SMTP_PORT);
        if is_stranger(self.topology, id) {
            return Ok(());
        }
        let ports = ports(self.topology, id);
        let submission = ports
            .contains(&SUBMISSION_PORT)
            .then(|| self.addresses.real(world, SUBMISSION_PORT));
        let running = RunningServer {
            name: server.name.clone(),
            role: server.role,
            smtp,
            submission,
        };
        if is_third_party(self.topology, id) {
            self.third_party(id, smtp)?;
        } else {
            let relay = self.relay(id, &ports).await?;
            self.relays.push(relay);
        }
        self.servers.push(running);
        Ok(())
    }

    /// A host that only takes mail.
    fn third_party(&self, id: ServerId, address: SocketAddr) -> Result<(), LabError> {
        let server = self.topology.server(id);
        let connectors = self.topology.receive_connectors_on(id).iter();
        let mut connectors = connectors.map(|id| self.topology.receive_connector(*id));
        let secured = connectors.find(|connector| connector.offers_tls);
        let own = net::Identity::self_signed(server.fqdn.as_str())?;
        let identity = secured.map(|connector| {
            let served = route::served(self.topology, connector);
            served
                .and_then(|id| self.identities.get(&id))
                .unwrap_or(&own)
        });
        let host = outside::Host {
            name: &server.name,
            domains: domains(self.topology, server.organization),
            identity,
        };
        let started = outside::third_party(host, address, self.folder);
        started.map_err(|source| LabError::Listen {
            address,
            what: server.name.clone(),
            source,
        })
    }

    async fn relay(&self, id: ServerId, ports: &[u16]) -> Result<Relay, LabError> {
        let server = self.topology.server(id);
        let listeners = self.listeners(id, ports)?;
        let spool = self.folder.join("spool").join(server.name.to_lowercase());
        make_folder(&spool)?;
        let spool_options = Options {
            observer: Arc::new(SyncMeter::new(self.metrics.clone(), &server.name)),
            ..Options::default()
        };
        let opened = Disk::open(&spool, &spool_options);
        let (store, recovered) = opened.map_err(|source| LabError::Spool {
            server: server.name.clone(),
            source,
        })?;
        let config = self.config(id, store)?;
        let started = Relay::start(config, recovered, listeners).await;
        started.map_err(|source| LabError::Relay {
            server: server.name.clone(),
            source,
        })
    }

    /// The ports of a server, on each of its addresses.
    fn listeners(
        &self,
        id: ServerId,
        ports: &[u16],
    ) -> Result<Vec<(u16, tokio::net::TcpListener)>, LabError> {
        let server = self.topology.server(id);
        let mut listeners = Vec::new();
        for address in &server.addresses {
            for port in ports {
                let real = self.addresses.real(*address, *port);
                let listening = |source| LabError::Listen {
                    address: real,
                    what: server.name.clone(),
                    source,
                };
                listeners.push((*port, net::listen(real).map_err(listening)?));
            }
        }
        Ok(listeners)
    }

    /// What the relay of a server is told.
    fn config(&self, id: ServerId, store: Disk) -> Result<Config, LabError> {
        let server = self.topology.server(id);
        let resolver = |at| Resolver::at(at).map_err(|error| LabError::Resolver(error.to_string()));
        let view = match server.dns_view {
            crate::model::DnsView::Internal => self.internal,
            crate::model::DnsView::Public => self.public,
        };
        let holds = |certificate: &crate::model::CertificateId| {
            self.topology
                .certificate(*certificate)
                .servers
                .contains(&id)
        };
        let identities = self
            .identities
            .iter()
            .filter(|(certificate, _)| holds(certificate));
        Ok(Config {
            topology: self.topology.clone(),
            server: id,
            addresses: self.addresses.clone(),
            // The lab gives each server its address, and nobody else uses one of them.
            recognition: Recognition::ByAddress,
            local_address: server
                .addresses
                .first()
                .and_then(|world| self.addresses.local(*world)),
            resolver: resolver(view)?,
            external_resolver: resolver(self.public)?,
            roots: self.authority.roots(),
            identities: identities
                .map(|(id, identity)| (*id, identity.clone()))
                .collect(),
            self_signed: net::Identity::self_signed(server.fqdn.as_str())?,
            certificates_at: Some(self.topology.as_of()),
            store: Arc::new(store),
            mail_directory: self.folder.join("mail"),
            users: self.users.clone(),
            metrics: self.metrics.clone(),
            pace: self.pace,
            observer: None,
        })
    }
}

/// A host of which nothing is known but that somebody sends from it.
fn is_stranger(topology: &Topology, id: ServerId) -> bool {
    let server = topology.server(id);
    server.role == ServerRole::Host
        && !is_gateway(topology, id)
        && !topology
            .accepted_domains()
            .any(|(_, accepted)| accepted.organization == server.organization)
}

/// Whether a host relays for whoever sends to it.
fn is_gateway(topology: &Topology, id: ServerId) -> bool {
    topology.server(id).role == ServerRole::Host
        && topology
            .receive_connectors_on(id)
            .iter()
            .any(|id| topology.receive_connector(*id).anonymous_relay)
}

/// Hosts that only receive are played by a server that is not ours. It takes no notifications, so a
/// host whose users send, and must be told of failures, is a relay.
pub(super) fn is_third_party(topology: &Topology, id: ServerId) -> bool {
    let sends = topology
        .parts()
        .outside_senders
        .iter()
        .any(|(_, host)| *host == id);
    // A gateway passes on what it takes, which that server does not.
    let relays = is_gateway(topology, id);
    topology.server(id).role == ServerRole::Host && !sends && !relays
}

/// What an organization takes mail for.
fn domains(topology: &Topology, organization: crate::model::OrganizationId) -> Vec<String> {
    let all = topology.accepted_domains().map(|(_, accepted)| accepted);
    let own = all.filter(|accepted| accepted.organization == organization);
    own.map(|accepted| accepted.domain.to_string().to_lowercase())
        .collect()
}

/// The ports of the world on which a server listens.
fn ports(topology: &Topology, id: ServerId) -> Vec<u16> {
    let mut ports: Vec<u16> = topology
        .receive_connectors_on(id)
        .iter()
        .filter_map(|id| match &topology.receive_connector(*id).matcher {
            Matcher::Endpoint { bindings, .. } => {
                Some(bindings.iter().map(SocketAddr::port).collect::<Vec<u16>>())
            }
            Matcher::Peer { .. } => None,
        })
        .flatten()
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Everybody with a mailbox may submit.
fn users(topology: &Topology) -> Users {
    topology
        .recipients()
        .filter(|(_, recipient)| matches!(recipient.kind, RecipientKind::Mailbox { .. }))
        .flat_map(|(_, recipient)| &recipient.addresses)
        .map(|address| (address.to_string().to_lowercase(), PASSWORD.to_owned()))
        .collect()
}

/// Serves HTTP until the task is ended.
fn open_door(address: SocketAddr, door: Door) -> Result<JoinHandle<()>, LabError> {
    let listener = net::listen(address).map_err(|source| LabError::Listen {
        address,
        what: "HTTP".to_owned(),
        source,
    })?;
    Ok(tokio::spawn(control::serve(listener, door)))
}

async fn name_server(
    zones: &Zones,
    view: View,
    book: &AddressBook,
    address: SocketAddr,
) -> Result<NameServer, LabError> {
    let started = NameServer::start(zones, view, book, address).await;
    started.map_err(|source| LabError::Listen {
        address,
        what: "DNS".to_owned(),
        source,
    })
}

/// Where the search for addresses begins: elsewhere for each process, and for each lab in it.
fn first_block() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(std::process::id() % 16_384).unwrap_or_default();
    process
        .wrapping_mul(67)
        .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
}

#[expect(clippy::disallowed_methods, reason = "the lab's own folder")]
fn new_folder() -> PathBuf {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("hybridmx-lab-{}-{number}", std::process::id()))
}

#[expect(clippy::disallowed_methods, reason = "the lab's own folder")]
fn make_folder(path: &Path) -> Result<(), LabError> {
    std::fs::create_dir_all(path).map_err(|source| LabError::Folder {
        path: path.to_owned(),
        source,
    })
}

#[expect(clippy::disallowed_methods, reason = "the lab's own folder")]
fn remove_folder(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path) {
        tracing::warn!(path = %path.display(), %error, "the lab's folder stays");
    }
}
