//! Locks of what tasks share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock whose holder cannot leave it half done: what panics there is a bug, and what it holds is
/// whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
