//! Any bytes, read as a world: `cargo +nightly fuzz run world fuzz/corpus/world testnet`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/reading/law.rs"]
mod law;

fuzz_target!(|input: &[u8]| law::holds(input));
