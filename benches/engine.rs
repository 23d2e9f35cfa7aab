//! How long the engine takes, on the shipped world: one walk in process, every rule, and the whole
//! command as a process.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};
use hybridmx::config::{self, World};
use hybridmx::flow::{Question, origin, walk};
use hybridmx::mail::{ByteSize, Mailbox, MessageKind, ReversePath};
use hybridmx::verify;

#[path = "../tests/it/support/large.rs"]
#[expect(dead_code, reason = "the tests use the other size")]
mod large;

fn contoso() -> World {
    shipped("contoso")
}

fn shipped(name: &str) -> World {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testnet")
        .join(name);
    let now = "2026-11-22T00:00:00Z".parse().expect("a timestamp");
    config::load(&path, now).0.expect("the shipped world loads")
}

fn question(world: &World, from: &str, to: &str) -> Question {
    let from = ReversePath::Mailbox(Mailbox::parse(from).expect("an address"));
    let submission = origin(&world.topology, &from, None).expect("a sender");
    let to = vec![Mailbox::parse(to).expect("an address")];
    Question {
        from,
        to,
        size: ByteSize(10_240),
        kind: MessageKind::Message,
        submission,
    }
}

fn engine(criterion: &mut Criterion) {
    let world = contoso();
    let moved = question(&world, "david@contoso.com", "julie@contoso.com");
    let group = question(
        &world,
        "david@contoso.com",
        "engineering@groups.contoso.com",
    );
    criterion.bench_function("trace: to a moved mailbox, 3 servers", |bencher| {
        bencher.iter(|| walk(&world.topology, &world.zones, black_box(&moved)));
    });
    criterion.bench_function("trace: to a group of 4, 5 forks", |bencher| {
        bencher.iter(|| walk(&world.topology, &world.zones, black_box(&group)));
    });
    let fabrikam = shipped("fabrikam");
    let moved = question(&fabrikam, "anna@fabrikam.com", "maria@fabrikam.com");
    criterion.bench_function("trace: to a moved mailbox of fabrikam", |bencher| {
        bencher.iter(|| walk(&fabrikam.topology, &fabrikam.zones, black_box(&moved)));
    });
    criterion.bench_function("check: every rule, in process", |bencher| {
        bencher.iter(|| verify::check(black_box(&world.topology), black_box(&world.zones)));
    });
    criterion.bench_function("load: read the world", |bencher| bencher.iter(contoso));
}

fn process(criterion: &mut Criterion) {
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso");
    criterion.bench_function("check testnet/contoso, whole process", |bencher| {
        bencher.iter(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_hybridmx"));
            let status = command
                .arg("check")
                .arg(&world)
                .stdout(Stdio::null())
                .status();
            assert!(status.expect("the program starts").success());
        });
    });
}

/// A generated world, so small that ten samples end soon; `large` measures the one that counts.
fn generated(criterion: &mut Criterion) {
    let size = large::Size {
        domains: 50,
        connectors: 10,
        recipients: 2_000,
        groups: 40,
    };
    let folder = tempfile::tempdir().expect("a folder");
    large::write(folder.path(), size, 1).expect("the disk has room");
    let now = "2026-11-22T00:00:00Z".parse().expect("a timestamp");
    let load = || config::load(folder.path(), now).0.expect("it loads");
    let world = load();
    let mut group = criterion.benchmark_group("2,000 recipients, 50 domains");
    group.sample_size(10);
    group.bench_function("load", |bencher| bencher.iter(load));
    group.bench_function("check", |bencher| {
        bencher.iter(|| verify::check(black_box(&world.topology), black_box(&world.zones)));
    });
    group.finish();
}

criterion_group!(benches, engine, generated, process);
criterion_main!(benches);
