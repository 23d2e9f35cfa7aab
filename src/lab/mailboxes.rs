//! What arrived in the lab: the Maildir folders, read.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::mail::{HeaderSection, Mailbox, received_by};

/// The mailboxes of a lab.
#[derive(Clone, Debug)]
pub struct Mailboxes {
    root: Arc<PathBuf>,
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
    /// The whole message.
    pub raw: Bytes,
}

impl Stored {
    /// Its header section.
    #[must_use]
    pub fn headers(&self) -> HeaderSection {
        HeaderSection::split(&self.raw).0
    }

    /// The servers that its Received fields name, oldest first, each run once.
    #[must_use]
    pub fn received_by(&self) -> Vec<String> {
        let headers = self.headers();
        let mut names: Vec<String> =
            headers.all("Received").filter_map(|value| received_by(&value)).map(|name| name.to_string()).collect();
        names.reverse();
        names.dedup();
        names
    }
}

impl Mailboxes {
    /// The mailboxes below a folder.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root: Arc::new(root) }
    }

    /// Every message of every mailbox, or of one address.
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
                for file in children(&mailbox.join("new")) {
                    if let Some(raw) = read(&file) {
                        let (server, id) = (file_name(&server), file_name(&file));
                        found.push(Stored { server, address: name.clone(), id, raw: raw.into() });
                    }
                }
            }
        }
        found.sort_by(|a, b| (&a.address, &a.id).cmp(&(&b.address, &b.id)));
        found
    }
}

fn file_name(path: &std::path::Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn children(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn read(file: &std::path::Path) -> Option<Vec<u8>> {
    std::fs::read(file).ok()
}
