//! Mailboxes as files: a Maildir for each, whose files nobody else can read.

use std::io;
use std::path::{Path, PathBuf};

use crate::mail::Mailbox;

/// The folder of a server's mailboxes.
fn of_server(root: &Path, server: &str) -> PathBuf {
    root.join(safe(server))
}

/// The Maildir of a mailbox: `<mail directory>/<server>/<address>`.
pub(super) fn folder(root: &Path, server: &str, recipient: &Mailbox) -> PathBuf {
    of_server(root, server).join(safe(&recipient.to_string()))
}

fn safe(text: &str) -> String {
    let keep = |c: char| {
        if c.is_alphanumeric() || "@.+_=-".contains(c) {
            c
        } else {
            '_'
        }
    };
    text.chars().map(keep).collect::<String>().to_lowercase()
}

/// Does what blocks without holding up the tasks of this thread.
#[expect(
    clippy::disallowed_methods,
    reason = "the real twin of mailboxes blocks"
)]
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    // Work that panicked, or that a stopping runtime gave up, was not done.
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Writes a message into a mailbox under a name that no other has.
pub(super) async fn write_aside(folder: PathBuf, name: String, text: Vec<u8>) -> io::Result<()> {
    aside(move || write(&folder, &name, &text)).await
}

/// The names of the messages of a mailbox, read or not; a mailbox without a folder has none.
pub(super) async fn names_aside(folder: PathBuf) -> io::Result<Vec<String>> {
    aside(move || names(&folder)).await
}

/// Makes the folder of a server's mailboxes, and removes from these what deliveries left behind that
/// were cut off.
pub(super) async fn prepare_aside(root: &Path, server: &str) -> io::Result<()> {
    let folder = of_server(root, server);
    aside(move || prepare(&folder)).await
}

fn prepare(folder: &Path) -> io::Result<()> {
    make(folder)?;
    for mailbox in listed(folder)? {
        let temporary = folder.join(mailbox).join("tmp");
        for name in listed(&temporary)?.into_iter().filter(|name| is_ours(name)) {
            remove(&temporary.join(name))?;
        }
    }
    Ok(())
}

/// Whether a name is one that a relay gives: other programs may be writing into the same mailbox.
fn is_ours(name: &str) -> bool {
    let unique = name.split(',').next().unwrap_or_default();
    let hexadecimal = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit());
    unique
        .split_once('-')
        .is_some_and(|(started, number)| hexadecimal(started) && hexadecimal(number))
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = listed(&folder.join("new"))?;
    names.extend(listed(&folder.join("cur"))?);
    Ok(names)
}

/// The names in a folder; none where there is no folder.
#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn listed(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// Writes a file into `tmp`, makes it durable, and moves it into `new`; removes it where that fails.
#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn write(folder: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    for part in ["tmp", "new", "cur"] {
        make(&folder.join(part))?;
    }
    let temporary = folder.join("tmp").join(name);
    let written = write_private(&temporary, text)
        .and_then(|()| std::fs::rename(&temporary, folder.join("new").join(name)));
    if let Err(error) = written {
        // A full disk stays full of what is left there; what matters is the first failure.
        let _ = remove(&temporary);
        return Err(error);
    }
    std::fs::File::open(folder.join("new"))?.sync_all()
}

/// Writes a file that nobody else can read, whatever the umask.
#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// Makes a folder, and those around it, which nobody else can enter.
fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)
}

#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_programs_keep_what_they_are_writing() {
        assert!(is_ours("187c9a0f33b2-1f,T=1795305600,D=00ff"));
        assert!(is_ours("187c9a0f33b2-1f"));
        assert!(!is_ours("1795305600.M1P2.host"));
        assert!(!is_ours("a-b-c"));
    }
}
