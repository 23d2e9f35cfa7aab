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

fn contoso() -> World {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso");
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

criterion_group!(benches, engine, process);
criterion_main!(benches);
