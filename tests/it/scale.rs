//! Large worlds: what they cost in time and memory, and that the small form of the same world is read
//! and answered as it should be.

use std::path::Path;

use hybridmx::config::{self, World};
use hybridmx::diag::Severity;
use hybridmx::verify;

use crate::files::now;
use crate::support::large::{self, Size};

fn generated(folder: &Path, size: Size) -> World {
    large::write(folder, size, 1).expect("the folder is the test's");
    let (world, found) = config::load(folder, now());
    assert!(found.is_empty(), "{found:#?}");
    world.expect("a world without mistakes")
}

#[test]
fn a_generated_world_is_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = generated(folder.path(), Size::SMALL);
    let recipients = world.topology.recipients().count();
    let wanted = Size::SMALL.recipients + Size::SMALL.groups;
    assert!(recipients.abs_diff(wanted) < 4, "{recipients}");
    let report = verify::check(&world.topology, &world.zones);
    let bad: Vec<_> = report
        .findings
        .iter()
        .map(|finding| &finding.diagnostic)
        .filter(|diagnostic| diagnostic.severity != Severity::Note)
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn a_seed_gives_the_same_world_again() {
    let texts = [(), ()].map(|()| {
        let folder = tempfile::tempdir().expect("a folder");
        large::write(folder.path(), Size::SMALL, 7).expect("the folder is the test's");
        [
            "world.toml",
            "on-premises.csv",
            "cloud.csv",
            "cloud-groups.jsonl",
        ]
        .map(|name| crate::files::read_text(&folder.path().join(name)))
    });
    assert_eq!(texts[0], texts[1]);
}
