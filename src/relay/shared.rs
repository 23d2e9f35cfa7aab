//! What the tasks of one relay share.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::RootCertStore;
use tokio::sync::mpsc;

use super::address_book::AddressBook;
use super::duplicates::{self, Duplicates};
use super::ending::Ending;
use super::health::Health;
use super::lock::lock;
use super::queue::{Queues, Work};
use super::sessions::Sessions;
use super::tally::Tally;
use super::tracked::Tracked;
use crate::clock;
use crate::metrics::Metrics;
use crate::model::{CertificateId, SendConnectorId, ServerId, Topology};
use crate::net::{Identity, Resolver, Secured, TlsMaterials};
use crate::route;
use crate::spool::{MessageId, Store};

/// Passwords by address, in lower case.
pub type Users = HashMap<String, String>;

/// How fast time passes for retries and expiry: 1 is real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(pub u32);

impl Pace {
    /// How long one of Exchange's intervals lasts here.
    #[must_use]
    pub fn real(self, interval: SignedDuration) -> Duration {
        Duration::try_from(interval).unwrap_or_default() / self.0.max(1)
    }

    /// How long it is for a message what lasted so long here.
    #[must_use]
    pub fn passed(self, real: SignedDuration) -> SignedDuration {
        real.checked_mul(i32::try_from(self.0.max(1)).unwrap_or(i32::MAX))
            .unwrap_or(SignedDuration::MAX)
    }
}

/// By what a relay takes a peer for a server of its own organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// By its address alone: for a lab, on whose network nobody else has the addresses of the world.
    ByAddress,
    /// By TLS with a certificate that proves it (`route::certified`, `route::proves`).
    ByCertificate,
}

/// Everything a relay is made of.
pub struct Config {
    /// The world.
    pub topology: Arc<Topology>,
    /// Which of its servers this is.
    pub server: ServerId,
    /// Where the world's addresses are.
    pub addresses: Arc<AddressBook>,
    /// Whom it takes for a server of its organization.
    pub recognition: Recognition,
    /// The address outgoing connections are made from.
    pub local_address: Option<IpAddr>,
    /// The name server of the server's view.
    pub resolver: Resolver,
    /// The public name server, for connectors that use it.
    pub external_resolver: Resolver,
    /// Whom it trusts.
    pub roots: RootCertStore,
    /// The certificates it holds.
    pub identities: HashMap<CertificateId, Identity>,
    /// Its self-signed certificate.
    pub self_signed: Identity,
    /// The moment at which the certificates of peers are judged; without, the present one.
    pub certificates_at: Option<Timestamp>,
    /// Where messages survive.
    pub store: Arc<dyn Store>,
    /// Where mailboxes are.
    pub mail_directory: PathBuf,
    /// Who may submit.
    pub users: Arc<Users>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How fast time passes.
    pub pace: Pace,
    /// Who is told of every step.
    pub observer: Option<mpsc::UnboundedSender<Tracked>>,
}

/// What the tasks of one relay share.
pub(super) struct Shared {
    pub(super) topology: Arc<Topology>,
    pub(super) server: ServerId,
    pub(super) addresses: Arc<AddressBook>,
    pub(super) recognition: Recognition,
    /// Servers of the organization whose sessions proved nothing, and of whom it was said.
    pub(super) unproven: Mutex<BTreeSet<ServerId>>,
    pub(super) local_address: Option<IpAddr>,
    pub(super) resolver: Resolver,
    pub(super) external_resolver: Resolver,
    pub(super) tls: TlsMaterials,
    pub(super) identities: HashMap<CertificateId, Identity>,
    pub(super) self_signed: Identity,
    certificates_at: Option<Timestamp>,
    pub(super) store: Arc<dyn Store>,
    pub(super) mail_directory: PathBuf,
    pub(super) users: Arc<Users>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) pace: Pace,
    pub(super) observer: Option<mpsc::UnboundedSender<Tracked>>,
    pub(super) ending: Ending,
    pub(super) health: Arc<Health>,
    pub(super) queues: Queues,
    pub(super) duplicates: Duplicates,
    pub(super) tally: Arc<Tally>,
    pub(super) sessions: Arc<Sessions>,
    work: mpsc::UnboundedSender<Work>,
    sequence: AtomicU64,
    taken: AtomicU64,
    finished: AtomicU64,
    started: Timestamp,
}

impl Shared {
    pub(super) fn new(config: Config, work: mpsc::UnboundedSender<Work>, ending: Ending) -> Self {
        Self {
            topology: config.topology,
            server: config.server,
            addresses: config.addresses,
            recognition: config.recognition,
            unproven: Mutex::default(),
            local_address: config.local_address,
            resolver: config.resolver,
            external_resolver: config.external_resolver,
            tls: TlsMaterials::new(config.roots),
            identities: config.identities,
            self_signed: config.self_signed,
            certificates_at: config.certificates_at,
            store: config.store,
            mail_directory: config.mail_directory,
            users: config.users,
            metrics: config.metrics,
            pace: config.pace,
            observer: config.observer,
            ending,
            health: Arc::default(),
            queues: Queues::default(),
            duplicates: Duplicates::new(config.pace.real(duplicates::WINDOW)),
            tally: Arc::default(),
            sessions: Arc::default(),
            work,
            sequence: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            started: clock::now(),
        }
    }

    /// Gives something to the categorizer to do.
    pub(super) fn hand_back(&self, work: Work) {
        // A relay that is stopping does it after its next start.
        let _ = self.work.send(work);
    }

    /// A message is in the spool, and something is to be done about it.
    pub(super) fn take_up(&self) {
        self.taken.fetch_add(1, Ordering::SeqCst);
    }

    /// Nothing is to be done about a message any more: the spool forgets it.
    pub(super) fn forget(&self, id: MessageId) {
        self.store.remove(id);
        self.finished.fetch_add(1, Ordering::SeqCst);
    }

    /// How many messages this process took up.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    /// How many of them it is done with.
    pub(super) fn finished(&self) -> u64 {
        self.finished.load(Ordering::SeqCst)
    }

    /// This server in the model.
    pub(super) fn this(&self) -> &crate::model::Server {
        self.topology.server(self.server)
    }

    /// The name under which metrics know this server.
    pub(super) fn name(&self) -> &str {
        &self.this().name
    }

    /// Counts a TLS handshake; `direction` is `in` or `out`.
    pub(super) fn count_handshake<E>(&self, direction: &str, result: &Result<Secured, E>) {
        let (version, outcome) = match result {
            Ok(secured) => (secured.version, "succeeded"),
            Err(_) => ("none", "failed"),
        };
        let labels = [self.name(), direction, version, outcome];
        self.metrics.count("tls_handshakes_total", &labels);
    }

    /// Observes how long a message took to a recipient's delivery.
    pub(super) fn observe_latency(&self, arrived: Timestamp, connector: Option<SendConnectorId>) {
        let seconds = clock::now().duration_since(arrived).as_secs_f64();
        let labels = [self.name(), &self.connector_label(connector)];
        self.metrics
            .observe("delivery_latency_seconds", &labels, seconds);
    }

    /// A name that nothing else in this process has, and nothing in an earlier one.
    pub(super) fn unique(&self) -> String {
        let number = self.sequence.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{number:x}", self.started.as_nanosecond())
    }

    /// What sending through a certificate shows.
    pub(super) fn identity(&self, certificate: Option<CertificateId>) -> Identity {
        certificate
            .and_then(|id| self.identities.get(&id))
            .unwrap_or(&self.self_signed)
            .clone()
    }

    /// The certificate with the server's own Fqdn, by which the others of its organization know it.
    pub(super) fn own_certificate(&self) -> Option<&Identity> {
        let id = route::chosen(&self.topology, self.server, None)?;
        self.identities.get(&id)
    }

    /// Says once that a server of the organization is treated as any stranger.
    pub(super) fn note_unproven(&self, from: ServerId, remote: IpAddr) {
        if lock(&self.unproven).insert(from) {
            tracing::warn!(
                server = self.name(),
                client = %remote,
                peer = self.topology.server(from).name,
                "a session from the address of a server of this organization does not prove to be it: it is treated as any stranger, until it shows under TLS a trusted certificate with its Fqdn"
            );
        }
    }

    /// The moment at which the certificates of peers are judged.
    pub(super) fn judged_at(&self) -> Timestamp {
        self.certificates_at.unwrap_or_else(clock::now)
    }
}
