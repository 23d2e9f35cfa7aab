//! A folder that exists in memory only, with a plug to pull, a disk to fill and one to break.
//!
//! What was not synced may survive a loss of power or not, sector by sector; names that were not
//! synced survive in the order in which they were given.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Error;
use super::file::{Blob, Folder};

/// What a disk writes in one piece.
const SECTOR: usize = 512;

/// A simulated folder.
#[derive(Default)]
pub(super) struct Sim(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// All states of `names` since the last sync of the folder.
    later_names: Vec<BTreeMap<String, usize>>,
    room: Option<u64>,
    /// How many writes and syncs go well before one fails.
    until_failure: Option<u32>,
    syncs: u32,
}

#[derive(Default)]
struct File {
    content: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync.
    writes: Vec<(usize, Vec<u8>)>,
}

/// Chance, from a seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

impl Sim {
    /// The same folder, as another owner sees it.
    pub(super) fn share(&self) -> Arc<dyn Folder> {
        Arc::new(Self(Arc::clone(&self.0)))
    }

    /// How much may be in the folder, in bytes.
    pub(super) fn set_room(&self, room: Option<u64>) {
        self.world().room = room;
    }

    /// Lets a write or a sync fail after so many that go well; once.
    pub(super) fn fail_after(&self, count: u32) {
        self.world().until_failure = Some(count);
    }

    /// How many times a file was synced.
    pub(super) fn syncs(&self) -> u32 {
        self.world().syncs
    }

    /// The names of all files, with their lengths.
    pub(super) fn files(&self) -> BTreeMap<String, usize> {
        let world = self.world();
        let lengths = world.names.iter();
        lengths
            .map(|(name, at)| (name.clone(), world.files[*at].content.len()))
            .collect()
    }

    /// Changes a file behind everybody's back.
    pub(super) fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.world();
        let at = world.names[name];
        edit(&mut world.files[at].content);
        world.files[at].durable = world.files[at].content.clone();
    }

    /// A copy that nobody else has.
    pub(super) fn copy(&self) -> Self {
        let world = self.world();
        let files = world.names.values().map(|at| &world.files[*at].content);
        let files = files.map(|content| File {
            content: content.clone(),
            durable: content.clone(),
            writes: Vec::new(),
        });
        let names: BTreeMap<String, usize> = world.names.keys().cloned().zip(0..).collect();
        Self(Arc::new(Mutex::new(World {
            files: files.collect(),
            durable_names: names.clone(),
            names,
            ..World::default()
        })))
    }

    /// The folder after a loss of power.
    pub(super) fn crash(&self, dice: &mut Dice) -> Self {
        let mut world = self.world();
        let kept = dice.below(world.later_names.len() as u64 + 1);
        let names = match kept.checked_sub(1) {
            None => world.durable_names.clone(),
            Some(at) => world.later_names.swap_remove(at as usize),
        };
        let mut files = Vec::new();
        let mut after = BTreeMap::new();
        for (name, at) in names {
            after.insert(name, files.len());
            files.push(world.files[at].crash(dice));
        }
        Self(Arc::new(Mutex::new(World {
            files,
            names: after.clone(),
            durable_names: after,
            ..World::default()
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rename_names(&self, change: impl FnOnce(&mut BTreeMap<String, usize>)) {
        let mut world = self.world();
        change(&mut world.names);
        let names = world.names.clone();
        world.later_names.push(names);
    }
}

impl File {
    fn crash(&self, dice: &mut Dice) -> Self {
        let mut content = self.durable.clone();
        for (offset, bytes) in &self.writes {
            let mut at = *offset;
            let end = offset + bytes.len();
            while at < end {
                let sector_end = end.min((at / SECTOR + 1) * SECTOR);
                if dice.below(2) == 0 {
                    put(&mut content, at, &bytes[at - offset..sector_end - offset]);
                }
                at = sector_end;
            }
        }
        Self {
            durable: content.clone(),
            content,
            writes: Vec::new(),
        }
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    content.resize(content.len().max(end), 0);
    content[at..end].copy_from_slice(bytes);
}

impl World {
    fn may_fail(&mut self) -> Result<(), Error> {
        match self.until_failure {
            Some(0) => {
                self.until_failure = None;
                Err(failure())
            }
            Some(count) => {
                self.until_failure = Some(count - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn len(&self) -> u64 {
        let files = self.names.values();
        files.map(|at| self.files[*at].content.len() as u64).sum()
    }
}

fn failure() -> Error {
    Error::Io {
        doing: "write",
        path: "sim".into(),
        source: Arc::new(io::Error::other("broken")),
    }
}

fn missing() -> Error {
    let source = Arc::new(io::ErrorKind::NotFound.into());
    Error::Io {
        doing: "open",
        path: "sim".into(),
        source,
    }
}

impl Folder for Sim {
    fn path(&self) -> &Path {
        Path::new("sim")
    }

    fn list(&self) -> Result<Vec<String>, Error> {
        Ok(self.world().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Blob>, Error> {
        let at = *self.world().names.get(name).ok_or_else(missing)?;
        Ok(Arc::new(SimBlob {
            world: Arc::clone(&self.0),
            at,
        }))
    }

    fn create(&self, name: &str) -> Result<Arc<dyn Blob>, Error> {
        let at = {
            let mut world = self.world();
            world.files.push(File::default());
            world.files.len() - 1
        };
        self.rename_names(|names| {
            names.insert(name.to_owned(), at);
        });
        Ok(Arc::new(SimBlob {
            world: Arc::clone(&self.0),
            at,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        self.world().may_fail()?;
        let at = *self.world().names.get(from).ok_or_else(missing)?;
        self.rename_names(|names| {
            names.remove(from);
            names.insert(to.to_owned(), at);
        });
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        self.world().names.get(name).ok_or_else(missing)?;
        self.rename_names(|names| {
            names.remove(name);
        });
        Ok(())
    }

    fn set_aside(&self, name: &str, content: &[u8]) -> Result<String, Error> {
        let name = format!("damaged/{name}");
        let blob = self.create(&name)?;
        blob.write_at(content, 0)?;
        blob.sync()?;
        self.sync()?;
        Ok(name)
    }

    fn sync(&self) -> Result<(), Error> {
        let mut world = self.world();
        world.may_fail()?;
        world.durable_names = world.names.clone();
        world.later_names.clear();
        Ok(())
    }
}

struct SimBlob {
    world: Arc<Mutex<World>>,
    at: usize,
}

impl SimBlob {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blob for SimBlob {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.world().files[self.at].content.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), Error> {
        let world = self.world();
        let start = offset as usize;
        let content = world.files[self.at].content.get(start..start + bytes.len());
        bytes.copy_from_slice(content.ok_or_else(failure)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        let mut world = self.world();
        world.may_fail()?;
        let grown =
            (offset + bytes.len() as u64).saturating_sub(world.files[self.at].content.len() as u64);
        if grown > 0 && world.room.is_some_and(|room| world.len() + grown > room) {
            return Err(Error::Full);
        }
        let file = &mut world.files[self.at];
        put(&mut file.content, offset as usize, bytes);
        file.writes.push((offset as usize, bytes.to_vec()));
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        let mut world = self.world();
        world.syncs += 1;
        world.may_fail()?;
        let file = &mut world.files[self.at];
        file.durable = file.content.clone();
        file.writes.clear();
        Ok(())
    }
}
