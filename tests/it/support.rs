//! Chance for tests: one seed, one generator, the same case on every machine.
//!
//! [`world`] draws whole topologies out of alphabets so small that names collide, wildcards overlap
//! and costs tie all the time; [`question`] draws what is asked about them.
//!
//! `SEED=n` runs the one seed `n` instead of all; a disagreement prints the seed to give.

pub(crate) mod large;
pub(crate) mod order;
pub(crate) mod question;
pub(crate) mod world;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// The seeds a test goes through: all that it wants, or the one that `SEED` names.
#[expect(
    clippy::disallowed_methods,
    reason = "the one setting of the tests that a person gives by hand"
)]
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(text) => vec![text.parse().expect("SEED is a whole number")],
        Err(_) => (0..count).collect(),
    }
}

/// A seeded generator in the words that generators of worlds need.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The generator of one seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a list is no longer than 2^64");
        // The upper half of the product is below the limit, and evenly so for all that a test minds.
        usize::try_from((u64::from(self.0.next_u32()) * limit) >> 32).expect("below a usize")
    }

    /// A number from `least` to `most`.
    pub(crate) fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One element of a list.
    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// Some, in so many of a hundred cases.
    pub(crate) fn maybe<T>(
        &mut self,
        chance: usize,
        make: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        self.percent(chance).then(|| make(self))
    }

    /// A list of `least` to `most` things.
    pub(crate) fn list<T>(
        &mut self,
        least: usize,
        most: usize,
        mut make: impl FnMut(&mut Self) -> T,
    ) -> Vec<T> {
        (0..self.between(least, most)).map(|_| make(self)).collect()
    }

    /// `least` to `most` different elements of a list, or as many as there are.
    pub(crate) fn subset<T: Clone>(&mut self, list: &[T], least: usize, most: usize) -> Vec<T> {
        let count = self.between(least, most).min(list.len());
        let mut shuffled = self.shuffled(list);
        shuffled.truncate(count);
        shuffled
    }

    /// The list in another order (Fisher and Yates).
    pub(crate) fn shuffled<T: Clone>(&mut self, list: &[T]) -> Vec<T> {
        let mut shuffled = list.to_vec();
        for last in (1..shuffled.len()).rev() {
            shuffled.swap(last, self.below(last + 1));
        }
        shuffled
    }
}
