//! A lock that outlives whoever panicked while he held it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A thread that panicked while it wrote leaves at worst half a line.
pub(super) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
