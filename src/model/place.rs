//! Where in the world's files an object and each of its settings stand.

use crate::diag::Location;

/// The places of one object: of the object itself, and of every key that was written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the object begins; `None` for what the world implies but does not write.
    pub object: Option<Location>,
    /// Key and place of its value, in the order they were read.
    pub values: Vec<(&'static str, Location)>,
}

impl Settings {
    /// Where the value of `key` stands, or the object where the default holds.
    #[must_use]
    pub fn at(&self, key: &str) -> Option<&Location> {
        self.written(key).or(self.object.as_ref())
    }

    /// Where the value of `key` stands, if somebody wrote it.
    #[must_use]
    pub fn written(&self, key: &str) -> Option<&Location> {
        self.values
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, location)| location)
    }
}
