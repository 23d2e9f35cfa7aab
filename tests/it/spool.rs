//! The durable store, through its contract and on a real disk.

use std::path::Path;

use bytes::Bytes;
use hybridmx::mail::{ByteSize, Limit};
use hybridmx::spool::disk::{Disk, Options};
use hybridmx::spool::{MessageId, NewMessage, Recovered, Store};

fn open(folder: &Path) -> (Disk, Recovered) {
    Disk::open(
        folder,
        &Options {
            segment: ByteSize(8 << 10),
            reserve: ByteSize(4 << 10),
            space: Limit::Unlimited,
            ..Options::default()
        },
    )
    .unwrap()
}

fn message(envelope: &str, body: &str) -> NewMessage {
    NewMessage {
        envelope: Bytes::copy_from_slice(envelope.as_bytes()),
        body: vec![Bytes::copy_from_slice(body.as_bytes())],
    }
}

fn found(recovered: Recovered) -> Vec<(MessageId, Bytes)> {
    recovered.messages.map(Result::unwrap).collect()
}

#[test]
fn what_was_accepted_is_there_when_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, recovered) = open(folder.path());
    assert_eq!(found(recovered), []);
    let ids: Vec<MessageId> = (0..100)
        .map(|n| {
            store
                .accept(message(&format!("envelope {n}"), &format!("body {n}")))
                .wait()
                .unwrap()
        })
        .collect();
    store.update(ids[7], Bytes::from_static(b"later"));
    for id in &ids[10..] {
        store.remove(*id);
    }
    drop(store);
    let (store, recovered) = open(folder.path());
    assert_eq!(recovered.damage, []);
    let found = found(recovered);
    assert_eq!(found.len(), 10);
    assert_eq!(found[7], (ids[7], Bytes::from_static(b"later")));
    assert_eq!(store.read_body(ids[7]).wait().unwrap(), "body 7");
    assert_eq!(store.read_envelope(ids[8]).wait().unwrap(), "envelope 8");
}
