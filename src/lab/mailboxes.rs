//! What arrived in the lab: the Maildir folders, read.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::mail::{HeaderSection, Mailbox, received_by};

/// As much of a message is kept in memory: every header section and every notification fits.
const HEAD_MAX: u64 = 256 * 1024;

/// The mailboxes of a lab.
#[derive(Clone, Debug)]
pub struct Mailboxes {
    root: Arc<PathBuf>,
    /// What was read before: a file of a Maildir never changes.
    known: Arc<Mutex<HashMap<PathBuf, Stored>>>,
}

/// A message in a mailbox.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The server that holds the mailbox, by name in lower case.
    pub server: String,
    /// The address, in lower case.
    pub address: String,
    /// Its name within the mailbox.
    pub id: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its beginning: the header section, and the body of a small message.
    pub head: Bytes,
    path: PathBuf,
}

impl Stored {
    /// Its header section.
    #[must_use]
    pub fn headers(&self) -> HeaderSection {
        HeaderSection::split(&self.head).0
    }

    /// The servers that its Received fields name, oldest first, each run once.
    #[must_use]
    pub fn received_by(&self) -> Vec<String> {
        let headers = self.headers();
        let mut names: Vec<String> = headers
            .all("Received")
            .filter_map(|value| received_by(&value))
            .map(|name| name.to_string())
            .collect();
        names.reverse();
        names.dedup();
        names
    }

    /// The whole message; `None` where it was removed.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
    pub fn raw(&self) -> Option<Vec<u8>> {
        std::fs::read(&self.path).ok()
    }
}

impl Mailboxes {
    /// The mailboxes below a folder.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            root: Arc::new(root),
            known: Arc::default(),
        }
    }

    /// Every message of every mailbox, or of one address, by address and age.
    #[must_use]
    pub fn list(&self, address: Option<&Mailbox>) -> Vec<Stored> {
        let wanted = address.map(|address| address.to_string().to_lowercase());
        let mut found = Vec::new();
        for server in children(&self.root) {
            for mailbox in children(&server) {
                let name = file_name(&mailbox);
                if wanted.as_ref().is_some_and(|wanted| *wanted != name) {
                    continue;
                }
                let files = children(&mailbox.join("new")).into_iter();
                found.extend(files.filter_map(|file| self.read(&file_name(&server), &name, file)));
            }
        }
        found.sort_by(|a, b| (&a.address, &a.id).cmp(&(&b.address, &b.id)));
        found
    }

    fn read(&self, server: &str, address: &str, path: PathBuf) -> Option<Stored> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stored) = known.get(&path) {
            return Some(stored.clone());
        }
        let (size_bytes, head) = beginning(&path)?;
        let (server, address, id) = (server.to_owned(), address.to_owned(), file_name(&path));
        let stored = Stored {
            server,
            address,
            id,
            size_bytes,
            head,
            path: path.clone(),
        };
        known.insert(path, stored.clone());
        Some(stored)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn beginning(path: &Path) -> Option<(u64, Bytes)> {
    let file = std::fs::File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut head = Vec::new();
    file.take(HEAD_MAX).read_to_end(&mut head).ok()?;
    Some((size, head.into()))
}
