//! The door to files: one folder, and files in it that are read and written at offsets.
//!
//! A seam of its own, so that tests can pull the plug, fill the disk and break it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;

/// A folder.
pub(super) trait Folder: Send + Sync {
    /// Where it is, for people.
    fn path(&self) -> &Path;
    /// The names of the files in it, in no order.
    fn list(&self) -> Result<Vec<String>, Error>;
    /// Opens a file.
    fn open(&self, name: &str) -> Result<Arc<dyn Blob>, Error>;
    /// Makes a file, or empties the one that has the name.
    fn create(&self, name: &str) -> Result<Arc<dyn Blob>, Error>;
    /// Gives a file another name; durable after `sync`.
    fn rename(&self, from: &str, to: &str) -> Result<(), Error>;
    /// Removes a file; durable after `sync`.
    fn remove(&self, name: &str) -> Result<(), Error>;
    /// Writes a file in the folder for damaged pieces, and gives its name.
    fn set_aside(&self, name: &str, content: &[u8]) -> Result<String, Error>;
    /// Makes names durable.
    fn sync(&self) -> Result<(), Error>;
}

/// A file.
pub(super) trait Blob: Send + Sync {
    /// Its length.
    fn len(&self) -> Result<u64, Error>;
    /// Reads exactly as many bytes as `bytes` has.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), Error>;
    /// Writes all of `bytes`; durable after `sync`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Error>;
    /// Makes the content durable.
    fn sync(&self) -> Result<(), Error>;
}

/// All of a file.
pub(super) fn read_all(blob: &dyn Blob) -> Result<Vec<u8>, Error> {
    let len = usize::try_from(blob.len()?).map_err(|_| Error::Full)?;
    let mut content = vec![0; len];
    blob.read_at(&mut content, 0)?;
    Ok(content)
}

/// The folder for damaged pieces.
const DAMAGED: &str = "damaged";
/// The file whose lock is the folder's.
const LOCK: &str = "lock";

/// A folder of the file system, which this process has to itself.
#[derive(Debug)]
pub(super) struct RealFolder {
    path: PathBuf,
    lock: File,
}

impl Drop for RealFolder {
    fn drop(&mut self) {
        // Closing the file is not enough where another process was started and has it too, if only
        // for a moment. Where this fails, closing is what there is.
        let _ = self.lock.unlock();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the spool keeps its messages in files"
)]
impl RealFolder {
    /// Takes the folder, which is made where it is not there.
    pub(super) fn lock(path: &Path) -> Result<Self, Error> {
        make(path)?;
        let name = path.join(LOCK);
        let lock = options().create(true).truncate(false).open(&name);
        let lock = lock.map_err(|error| failed("open", &name, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                lock,
            }),
            Err(fs::TryLockError::WouldBlock) => Err(Error::Locked(path.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(failed("lock", &name, error)),
        }
    }

    fn blob(&self, name: &str, options: &OpenOptions) -> Result<Arc<dyn Blob>, Error> {
        let path = self.path.join(name);
        let file = options.open(&path);
        let file = file.map_err(|error| failed("open", &path, error))?;
        Ok(Arc::new(RealBlob { path, file }))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the spool keeps its messages in files"
)]
impl Folder for RealFolder {
    fn path(&self) -> &Path {
        &self.path
    }

    fn list(&self) -> Result<Vec<String>, Error> {
        let listed = |error| failed("list", &self.path, error);
        let entries = fs::read_dir(&self.path).map_err(listed)?;
        let names = entries.map(|entry| Ok(entry.map_err(listed)?.file_name()));
        // What is not UTF-8 is not ours.
        let names = names.filter_map(|name| name.map(|name| name.into_string().ok()).transpose());
        names.collect()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Blob>, Error> {
        self.blob(name, &options())
    }

    fn create(&self, name: &str) -> Result<Arc<dyn Blob>, Error> {
        self.blob(name, options().create(true).truncate(true))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        let path = self.path.join(from);
        fs::rename(&path, self.path.join(to)).map_err(|error| failed("rename", &path, error))
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        fs::remove_file(&path).map_err(|error| failed("remove", &path, error))
    }

    fn set_aside(&self, name: &str, content: &[u8]) -> Result<String, Error> {
        let name = format!("{DAMAGED}/{name}");
        let path = self.path.join(&name);
        let folder = self.path.join(DAMAGED);
        private_folder(&folder).map_err(|error| failed("create", &folder, error))?;
        let file = options().create(true).truncate(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(content));
        written.map_err(|error| failed("write", &path, error))?;
        let written = File::open(&path).and_then(|file| file.sync_all());
        let listed = written.and_then(|()| File::open(&folder)?.sync_all());
        listed.map_err(|error| failed("sync", &path, error))?;
        self.sync()?;
        Ok(name)
    }

    fn sync(&self) -> Result<(), Error> {
        let synced = File::open(&self.path).and_then(|folder| folder.sync_all());
        synced.map_err(|error| failed("sync", &self.path, error))
    }
}

/// Makes a folder, and its name and those of the folders around it durable.
#[expect(
    clippy::disallowed_methods,
    reason = "the spool keeps its messages in files"
)]
fn make(path: &Path) -> Result<(), Error> {
    let missing = path.ancestors().take_while(|path| !path.exists());
    let parents: Vec<&Path> = missing.filter_map(Path::parent).collect();
    private_folder(path).map_err(|error| failed("create", path, error))?;
    for parent in parents {
        let parent = if parent == Path::new("") {
            Path::new(".")
        } else {
            parent
        };
        let synced = File::open(parent).and_then(|folder| folder.sync_all());
        synced.map_err(|error| failed("sync", parent, error))?;
    }
    Ok(())
}

/// Makes a folder, and those around it, which nobody else can enter: mail is private.
fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// For files that nobody else can read, whatever the umask.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

struct RealBlob {
    path: PathBuf,
    file: File,
}

impl Blob for RealBlob {
    fn len(&self) -> Result<u64, Error> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|error| failed("examine", &self.path, error))?;
        Ok(metadata.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), Error> {
        let read = self.file.read_exact_at(bytes, offset);
        read.map_err(|error| failed("read", &self.path, error))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|error| failed("write", &self.path, error))
    }

    fn sync(&self) -> Result<(), Error> {
        let synced = self.file.sync_data();
        synced.map_err(|error| failed("sync", &self.path, error))
    }
}

/// What the system said, in our words: being full is no failure.
fn failed(doing: &'static str, path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Error::Full
        }
        _ => Error::Io {
            doing,
            path: path.to_owned(),
            source: Arc::new(error),
        },
    }
}
