//! Delivery queues: one for each next hop, and what is in them. A queue opens as many connections as
//! its length deserves and keeps them while there is work.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::lock::lock;
use super::message::Message;
use super::record::{Failure, Record};
use super::tally::Place;
use crate::mail::{Action, Mailbox, ReversePath};
use crate::model::SendConnectorId;
use crate::route::{Copy, NextHop};
use crate::spool::MessageId;

/// A message of which something is still to be done.
pub(super) struct Pending {
    pub(super) id: MessageId,
    /// Its Message-ID.
    pub(super) message_id: String,
    pub(super) message: Arc<Message>,
    pub(super) arrived: Timestamp,
    pub(super) state: Mutex<Progress>,
}

impl Pending {
    /// What a copy of it is called in its record.
    pub(super) fn mark(&self, recipient: &Mailbox, told: &ReversePath, anew: bool) -> String {
        lock(&self.state).record.mark(recipient, told, anew)
    }
}

/// How far a message is.
pub(super) struct Progress {
    pub(super) record: Record,
    /// Recipients that are not over.
    pub(super) left: usize,
    /// Recipients whose address was rewritten, with the address the sender wrote (RFC 3461 §4.2).
    pub(super) originals: BTreeMap<Mailbox, Mailbox>,
}

/// Copies that share everything but their recipients, on their way to one next hop.
pub(super) struct Delivery {
    pub(super) pending: Arc<Pending>,
    pub(super) recipients: Vec<Mailbox>,
    pub(super) copy: Arc<Copy>,
    /// How often it was tried.
    pub(super) attempts: u32,
    /// The queue it is in.
    #[expect(
        dead_code,
        reason = "held, not read: the message is in the queue meanwhile"
    )]
    pub(super) place: Place,
}

impl Delivery {
    /// What the copy of one of its recipients is called in the message's record.
    pub(super) fn mark(&self, recipient: &Mailbox) -> String {
        let told = &self.copy.transfer.reverse_path;
        self.pending.mark(recipient, told, self.copy.sent_anew)
    }
}

/// What comes back from the queues to the categorizer.
pub(super) enum Work {
    /// These recipients failed or wait long: their sender is to be told.
    Report(Arc<Pending>, Action, Vec<Failure>),
    /// It is time to try this again.
    Retry(Delivery),
}

/// What makes two copies go to the same place in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    next_hop: NextHop,
    tls: crate::route::TlsDemand,
    presented: crate::route::Presented,
}

impl Key {
    pub(super) fn of(copy: &Copy) -> Self {
        Self {
            next_hop: copy.next_hop.clone(),
            tls: copy.tls.clone(),
            presented: copy.presented.clone(),
        }
    }

    pub(super) fn connector(&self) -> Option<SendConnectorId> {
        self.next_hop.connector()
    }
}

/// One queue.
pub(super) struct Queue {
    pub(super) key: Key,
    waiting: Mutex<Waiting>,
    pub(super) arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    ready: VecDeque<Delivery>,
    connections: usize,
}

/// Choice: Exchange opens a second connection when 20 messages wait, and at most 20
/// (`MaxPerDomainOutboundConnections`; 40 since 2021).
const MESSAGES_PER_CONNECTION: usize = 20;
const CONNECTIONS_MAX: usize = 20;

impl Queue {
    /// Adds a delivery; says whether a connection is to be opened for it.
    pub(super) fn push(&self, delivery: Delivery) -> bool {
        let mut waiting = lock(&self.waiting);
        waiting.ready.push_back(delivery);
        let wanted = (1 + waiting.ready.len() / MESSAGES_PER_CONNECTION).min(CONNECTIONS_MAX);
        let open = waiting.connections < wanted;
        if open {
            waiting.connections += 1;
        }
        drop(waiting);
        self.arrived.notify_one();
        open
    }

    /// The next delivery, if there is one.
    pub(super) fn pop(&self) -> Option<Delivery> {
        lock(&self.waiting).ready.pop_front()
    }

    /// Everything that waits.
    pub(super) fn drain(&self) -> Vec<Delivery> {
        lock(&self.waiting).ready.drain(..).collect()
    }

    /// A connection is closed; says whether there is work left that nobody would do.
    pub(super) fn closed(&self) -> bool {
        let mut waiting = lock(&self.waiting);
        waiting.connections -= 1;
        let again = waiting.connections == 0 && !waiting.ready.is_empty();
        if again {
            waiting.connections += 1;
        }
        again
    }
}

/// The queues of a relay.
#[derive(Default)]
pub(super) struct Queues(Mutex<HashMap<Key, Arc<Queue>>>);

impl Queues {
    /// The queue for a copy.
    pub(super) fn of(&self, copy: &Copy) -> Arc<Queue> {
        let key = Key::of(copy);
        let mut queues = lock(&self.0);
        let make = || {
            Arc::new(Queue {
                key: key.clone(),
                waiting: Mutex::default(),
                arrived: Notify::new(),
            })
        };
        queues.entry(key.clone()).or_insert_with(make).clone()
    }
}
