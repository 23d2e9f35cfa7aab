//! The twin in memory: the same contract, on one thread, with a plug to pull.
//!
//! Nothing happens by itself and nothing is left to chance, so a run with it can be repeated.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Completion, Error, MessageId, NewMessage, Recovered, Store, Usage};
use crate::mail::{ByteSize, Limit};

/// When a store in memory syncs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syncing {
    /// With every accepted message, and what was handed in before it.
    #[default]
    AtOnce,
    /// When [`Memory::sync`] is called; until then completions stay open.
    WhenTold,
}

/// A store that lives as long as the process, or until it is made to crash.
#[derive(Debug, Default)]
pub struct Memory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    syncing: Syncing,
    space: Option<ByteSize>,
    /// What reads see.
    written: Content,
    /// What a crash leaves.
    synced: Content,
    /// What the two differ in, in order.
    unsynced: Vec<Op>,
    accepts: Vec<(MessageId, oneshot::Sender<Result<MessageId, Error>>)>,
    flushes: Vec<oneshot::Sender<Result<(), Error>>>,
    next_id: u64,
    is_crashed: bool,
}

type Content = BTreeMap<MessageId, Message>;

#[derive(Clone, Debug)]
struct Message {
    envelope: Bytes,
    body: Bytes,
}

#[derive(Clone, Debug)]
enum Op {
    Accept(MessageId, Message),
    Update(MessageId, Bytes),
    Remove(MessageId),
}

impl Memory {
    /// A store that is empty.
    #[must_use]
    pub fn new(syncing: Syncing) -> Self {
        Self(Mutex::new(State {
            syncing,
            next_id: 1,
            ..State::default()
        }))
    }

    /// Sets how much there may be. What is there already stays.
    pub fn set_space(&self, space: Limit) {
        self.lock().space = match space {
            Limit::Bytes(bytes) => Some(bytes),
            Limit::Unlimited => None,
        };
    }

    /// Makes durable what was handed in, and resolves what waits for that.
    pub fn sync(&self) {
        self.lock().sync();
    }

    /// How many operations a crash would lose.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    /// The store as it is after a loss of power, with the first `kept` of the operations that were
    /// not synced: a disk may have written more than it was made to. This one is closed.
    #[must_use]
    pub fn crash(&self, kept: usize) -> (Self, Recovered) {
        let mut state = self.lock();
        let mut content = std::mem::take(&mut state.synced);
        for op in state.unsynced.drain(..).take(kept) {
            apply(&mut content, op);
        }
        state.is_crashed = true;
        state.written.clear();
        state.accepts.clear();
        state.flushes.clear();
        let messages = content
            .iter()
            .map(|(id, message)| Ok((*id, message.envelope.clone())));
        let messages: Vec<Result<(MessageId, Bytes), Error>> = messages.collect();
        let after = State {
            syncing: state.syncing,
            space: state.space,
            written: content.clone(),
            synced: content,
            next_id: state.next_id,
            ..State::default()
        };
        let recovered = Recovered {
            messages: Box::new(messages.into_iter()),
            damage: Vec::new(),
        };
        (Self(Mutex::new(after)), recovered)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change to it is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, id: MessageId, part: fn(&Message) -> &Bytes) -> Completion<Bytes> {
        let state = self.lock();
        Completion::ready(match state.written.get(&id) {
            _ if state.is_crashed => Err(Error::Closed),
            Some(message) => Ok(part(message).clone()),
            None => Err(Error::Unknown(id)),
        })
    }
}

impl Store for Memory {
    fn accept(&self, message: NewMessage) -> Completion<MessageId> {
        let mut state = self.lock();
        if state.is_crashed {
            return Completion::ready(Err(Error::Closed));
        }
        let needed = state.live_bytes() + message.size_bytes();
        if state.space.is_some_and(|space| needed > space.0) {
            return Completion::ready(Err(Error::Full));
        }
        let id = MessageId(state.next_id);
        state.next_id += 1;
        let NewMessage { envelope, body } = message;
        state.write(Op::Accept(
            id,
            Message {
                envelope,
                body: join(body),
            },
        ));
        let (reply, completion) = Completion::new();
        state.accepts.push((id, reply));
        state.sync_if_at_once();
        completion
    }

    fn update(&self, id: MessageId, envelope: Bytes) {
        self.lock().write(Op::Update(id, envelope));
    }

    fn remove(&self, id: MessageId) {
        self.lock().write(Op::Remove(id));
    }

    fn flush(&self) -> Completion<()> {
        let mut state = self.lock();
        let (reply, completion) = Completion::new();
        if !state.is_crashed {
            state.flushes.push(reply);
            state.sync_if_at_once();
        }
        completion
    }

    fn read_envelope(&self, id: MessageId) -> Completion<Bytes> {
        self.read(id, |message| &message.envelope)
    }

    fn read_body(&self, id: MessageId) -> Completion<Bytes> {
        self.read(id, |message| &message.body)
    }

    fn usage(&self) -> Usage {
        let state = self.lock();
        let live_bytes = state.live_bytes();
        Usage {
            messages: state.written.len(),
            live_bytes,
            disk_bytes: live_bytes,
            waiting_bytes: 0,
        }
    }
}

impl State {
    fn write(&mut self, op: Op) {
        if !self.is_crashed {
            apply(&mut self.written, op.clone());
            self.unsynced.push(op);
        }
    }

    fn sync_if_at_once(&mut self) {
        match self.syncing {
            Syncing::AtOnce => self.sync(),
            Syncing::WhenTold => {}
        }
    }

    fn sync(&mut self) {
        for op in self.unsynced.drain(..) {
            apply(&mut self.synced, op);
        }
        // Who no longer waits for an answer needs none.
        for (id, reply) in self.accepts.drain(..) {
            let _ = reply.send(Ok(id));
        }
        for reply in self.flushes.drain(..) {
            let _ = reply.send(Ok(()));
        }
    }

    fn live_bytes(&self) -> u64 {
        let sizes = self.written.values();
        sizes
            .map(|message| (message.envelope.len() + message.body.len()) as u64)
            .sum()
    }
}

fn apply(content: &mut Content, op: Op) {
    match op {
        Op::Accept(id, message) => {
            content.insert(id, message);
        }
        Op::Update(id, envelope) => {
            if let Some(message) = content.get_mut(&id) {
                message.envelope = envelope;
            }
        }
        Op::Remove(id) => {
            content.remove(&id);
        }
    }
}

fn join(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        1 => pieces.remove(0),
        _ => pieces.concat().into(),
    }
}
