//! What a large world costs: seconds to load it, seconds for every flow and every rule, and the most
//! memory that the process ever held. Each figure is of a process of its own.
//!
//! `cargo bench --bench large`; `LARGE=10` makes the world a tenth of what the engine has to cope
//! with, `LARGE_FOLDER=…` keeps the generated files, so that the next run need not write them.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that measures: it reads clocks and files, and prints"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use hybridmx::config;
use hybridmx::verify;

#[path = "../tests/it/support/large.rs"]
#[expect(dead_code, reason = "the tests use the other size")]
mod large;

use large::Size;

/// What the engine has to cope with.
const LARGE: Size = Size {
    domains: 1_000,
    connectors: 50,
    recipients: 1_000_000,
    groups: 10_000,
};

fn main() {
    if let Some(folder) = std::env::var_os("LARGE_MEASURE") {
        return measure(Path::new(&folder));
    }
    let part = std::env::var("LARGE")
        .ok()
        .and_then(|text| text.parse().ok());
    let part: usize = part.unwrap_or(1);
    let size = Size {
        domains: LARGE.domains / part,
        recipients: LARGE.recipients / part,
        groups: LARGE.groups / part,
        ..LARGE
    };
    let kept = std::env::var_os("LARGE_FOLDER").map(PathBuf::from);
    let scratch = tempfile::tempdir().expect("a folder for the world");
    let folder = kept.as_deref().unwrap_or(scratch.path());
    if !folder.join("world.toml").is_file() {
        std::fs::create_dir_all(folder).expect("a folder for the world");
        large::write(folder, size, 1).expect("the disk has room");
    }
    println!("{size:?}");
    for _ in 0..3 {
        let this = std::env::current_exe().expect("this program");
        let status = Command::new(this).env("LARGE_MEASURE", folder).status();
        assert!(status.expect("the program starts").success());
    }
}

fn measure(folder: &Path) {
    let now = "2026-11-22T00:00:00Z".parse().expect("a timestamp");
    let start = Instant::now();
    let (world, found) = config::load(folder, now);
    let load = start.elapsed();
    assert!(found.is_empty(), "{found:?}");
    let world = world.expect("a world without mistakes");
    let loaded = peak_megabytes();
    let start = Instant::now();
    let report = verify::check(&world.topology, &world.zones);
    let check = start.elapsed();
    println!(
        "load {:.2} s, at most {loaded} MB; every flow and rule {:.2} s, at most {} MB; {:?}",
        load.as_secs_f64(),
        check.as_secs_f64(),
        peak_megabytes(),
        report.summary,
    );
}

/// The most memory that this process had resident at any time.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.expect("a size in kB") / 1024
}
