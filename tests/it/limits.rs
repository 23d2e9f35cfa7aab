//! Limits of recipients, rules and forwarding, and the words of an older server: what the documents say
//! about single messages in a world of its own.

use std::path::Path;

use crate::testnet;

#[test]
fn messages_meet_their_limits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/limits");
    assert!(testnet::messages_of(&folder) >= 10);
}
