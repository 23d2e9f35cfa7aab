//! Files that are no worlds and no directories, and far too large: the program says so at once, in little
//! memory, and exits with 2.

use std::path::Path;
use std::process::Command;

use crate::files::{write, write_bytes};

/// More than any world has.
const BYTES: usize = 100 << 20;

/// What the program may have of memory, in kB: far less than a tree of the garbage would take.
const MEMORY_KB: u32 = 1_500_000;

/// Checks a world under the limit; what is said on standard error.
fn refused(world: &Path) -> String {
    let program = env!("CARGO_BIN_EXE_hybridmx");
    let script = format!("ulimit -v {MEMORY_KB}; exec \"$0\" check \"$1\"");
    let output = Command::new("sh")
        .args(["-c", &script, program])
        .arg(world)
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

fn garbage(part: &[u8]) -> Vec<u8> {
    part.repeat(BYTES / part.len())
}

#[test]
fn a_hundred_megabytes_are_no_world() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, part, said) in [
        (
            "world.toml",
            &b"all work and no play\n"[..],
            "is larger than 32 MB",
        ),
        ("world.json", b"{\"a\": [", "is larger than 32 MB"),
        (
            "binary.toml",
            b"\x00\x01\x02\x03\xff",
            "is larger than 32 MB",
        ),
    ] {
        let path = folder.path().join(name);
        write_bytes(&path, &garbage(part));
        let shown = refused(&path);
        assert!(
            shown.contains(said) && shown.contains("RecipientsFile"),
            "{name}: {shown}"
        );
    }
}

#[test]
fn a_hundred_megabytes_are_no_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    for (name, part, said) in [
        (
            "users.csv",
            &b"all work and no play\n"[..],
            "is not a column of recipients",
        ),
        (
            "users.csv",
            b"all work and no play ",
            "a row has more than 1048576 bytes",
        ),
        (
            "users.csv",
            b"\"all work\n",
            "is not a column of recipients",
        ),
        ("users.csv", b"\x00\x01\x02\x03\xff", "is not text"),
        (
            "users.jsonl",
            b"all work and no play\n",
            "reading of the file stops here",
        ),
        (
            "users.jsonl",
            b"[[[[[[[[",
            "a row has more than 1048576 bytes",
        ),
    ] {
        let world = format!("[[OnPremises]]\nName = \"Contoso\"\nRecipientsFile = \"{name}\"\n");
        write(&path("world.toml"), &world);
        write_bytes(&path(name), &garbage(part));
        let shown = refused(folder.path());
        assert!(
            shown.contains(said),
            "{name}: {}",
            &shown[..shown.len().min(2_000)]
        );
    }
}
