//! Start and stop of a relay.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::categorizer;
use super::ending::Ending;
use super::gauges;
use super::health::Health;
use super::maildir;
use super::receive;
use super::record::Record;
use super::shared::{Config, Recognition, Shared};
use super::tally::{Place, Queued};
use super::tracking::NO_CONNECTOR;
use crate::clock;
use crate::route;
use crate::spool::{MessageId, Recovered};

/// Why a relay cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// Mailboxes have no place.
    #[error("the mailboxes cannot be kept in `{path}`: {source}")]
    Mailboxes {
        /// The mail directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A message in the spool cannot be read.
    #[error("the spool cannot be read: {0}")]
    Spool(#[from] crate::spool::Error),
}

/// A running server.
pub struct Relay {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    listeners: Vec<JoinHandle<()>>,
    worker: JoinHandle<()>,
    recovered: usize,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("server", &self.shared.name())
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// Takes up what the spool holds, then listens: each listener with the port of the world that it
    /// stands for.
    ///
    /// # Errors
    /// When the spool cannot be read, or there is no place for mailboxes.
    pub async fn start(
        config: Config,
        recovered: Recovered,
        listeners: Vec<(u16, TcpListener)>,
    ) -> Result<Self, RelayError> {
        let (work, todo) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared::new(config, work, Ending::new(stopped)));
        let worker = tokio::spawn(categorizer::run(shared.clone(), todo));
        prepare_mailboxes(&shared).await?;
        preset(&shared);
        warn_of_strangers(&shared);
        gauges::keep(&shared);
        for damage in &recovered.damage {
            tracing::warn!(server = shared.name(), %damage, "the spool was not as it had been written");
        }
        let recovered = resume(&shared, recovered).await?;
        note_start(&shared, &listeners, recovered);
        let listeners = listeners
            .into_iter()
            .map(|(port, listener)| tokio::spawn(listen(shared.clone(), listener, port)))
            .collect();
        Ok(Self {
            shared,
            stop,
            listeners,
            worker,
            recovered,
        })
    }

    /// How many messages an earlier run had left in the spool.
    #[must_use]
    pub fn recovered(&self) -> usize {
        self.recovered
    }

    /// Whether it can do its work.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        self.shared.health.clone()
    }

    /// How many messages it took up since it started.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.shared.taken()
    }

    /// How many of them it is done with: delivered, handed on, reported or dropped.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.shared.finished()
    }

    /// Takes no more connections and begins nothing new; lets clients finish the messages that they
    /// are sending, and next hops answer for those they have. Resolves when this is done, or took too
    /// long, and everything handed to the spool is durable.
    pub async fn stop(self) {
        let server = self.shared.name();
        tracing::info!(server, "the relay stops");
        // Nobody listening any more is what is wanted.
        let _ = self.stop.send(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
        if !self.shared.ending.settled().await {
            tracing::warn!(
                server,
                "not all sessions came to their end in time: messages of theirs may come twice"
            );
        }
        self.worker.abort();
        let flushed = self.shared.store.flush();
        let flushed = tokio::time::timeout(Duration::from_secs(10), flushed).await;
        let is_flushed = matches!(flushed, Ok(Ok(())));
        let left = self.shared.taken().saturating_sub(self.shared.finished());
        tracing::info!(server, left, is_flushed, "the relay has stopped");
    }
}

/// Says so when the other servers of the organization cannot recognise this one.
fn warn_of_strangers(shared: &Shared) {
    let wanted = shared.recognition == Recognition::ByCertificate;
    if !wanted || shared.own_certificate().is_some() {
        return;
    }
    let topology = &shared.topology;
    let others = topology.servers().filter(|(id, _)| {
        *id != shared.server
            && (route::is_own(topology, *id, shared.server)
                || route::is_own(topology, shared.server, *id))
    });
    let others: Vec<&str> = others.map(|(_, server)| server.name.as_str()).collect();
    if !others.is_empty() {
        tracing::warn!(
            server = shared.name(),
            others = others.join(", "),
            "no certificate of the settings covers `{}`: this server will be a stranger to the others of its organization, and its mail arrives there as Anonymous",
            shared.this().fqdn
        );
    }
}

async fn prepare_mailboxes(shared: &Shared) -> Result<(), RelayError> {
    let prepared = maildir::prepare_aside(&shared.mail_directory, shared.name()).await;
    prepared.map_err(|source| RelayError::Mailboxes {
        path: shared.mail_directory.clone(),
        source,
    })
}

/// One line about where it listens, and what it found.
fn note_start(shared: &Shared, listeners: &[(u16, TcpListener)], recovered: usize) {
    let places = listeners.iter().map(|(port, listener)| {
        let place = listener.local_addr();
        let place = place.map_or_else(|_| "nowhere".to_owned(), |place| place.to_string());
        format!("{port} at {place}")
    });
    let places: Vec<String> = places.collect();
    let ports = places.join(", ");
    tracing::info!(server = shared.name(), ports, recovered, "the relay starts");
}

/// Every series of this server, at zero.
fn preset(shared: &Shared) {
    let topology = &shared.topology;
    let organization = shared.this().organization;
    let send = topology
        .send_connectors_of(organization)
        .iter()
        .map(|id| topology.send_connector(*id).name.as_str());
    let receive = topology.receive_connectors_on(shared.server).iter();
    let receive = receive.map(|id| topology.receive_connector(*id).name.as_str());
    let mut connectors: Vec<&str> = send.chain(receive).chain([NO_CONNECTOR]).collect();
    connectors.sort_unstable();
    connectors.dedup();
    shared.metrics.preset(shared.name(), &connectors);
}

/// Messages that an earlier run left.
async fn resume(shared: &Arc<Shared>, recovered: Recovered) -> Result<usize, RelayError> {
    let found: Vec<_> = recovered
        .messages
        .filter_map(|message| match message {
            Ok((id, envelope)) => Some(found(shared, id, &envelope)),
            Err(error) => {
                shared.tally.enter(Queued::Poison, None, clock::now()).stay();
                tracing::error!(server = shared.name(), %error, "a message of the spool is damaged");
                None
            }
        })
        .collect();
    let count = found.len();
    for (id, record, place) in found {
        let arrived = record
            .as_ref()
            .map_or_else(clock::now, |record| record.arrived);
        let body = shared.store.read_body(id).await?;
        let taken = record.is_some_and(|record| categorizer::resume(shared, id, record, &body));
        drop(place);
        if !taken {
            shared.tally.enter(Queued::Poison, None, arrived).stay();
            tracing::error!(server = shared.name(), %id, "a message of the spool does not fit this world; it stays where it is");
        }
    }
    Ok(count)
}

/// A message that is not categorized yet.
fn found(
    shared: &Shared,
    id: MessageId,
    envelope: &[u8],
) -> (MessageId, Option<Record>, Option<Place>) {
    let record = Record::from_bytes(envelope);
    let place = record
        .as_ref()
        .map(|record| shared.tally.enter(Queued::Submission, None, record.arrived));
    (id, record, place)
}

async fn listen(shared: Arc<Shared>, listener: TcpListener, port: u16) {
    loop {
        tokio::select! {
            biased;
            () = shared.ending.wanted() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => {
                    let _ = stream.set_nodelay(true);
                    let local = stream.local_addr().ok().map(|address| address.ip());
                    let (shared, held) = (shared.clone(), shared.ending.hold());
                    tokio::spawn(async move {
                        receive::serve(shared, Box::new(stream), client, local, port).await;
                        drop(held);
                    });
                }
                // Too many open files and the like: not for ever.
                Err(error) => {
                    tracing::warn!(server = shared.name(), %error, "a connection cannot be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}
