//! A mutex, and memory that is shared, whose every step `ThreadSanitizer` sees.
//!
//! Whoever waits for a mutex of the standard library does so in code that was built without the sanitizer; and the last owner of an `Arc` has what the others did behind it by a
//! fence, of which the sanitizer knows none. What is done behind these would look like a race with what was done before.

use core::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{self as std_sync, LockResult, MutexGuard, TryLockError, TryLockResult};
use std::thread;

use super::{AtomicU64, Ordering};

/// The standard library's, which is only ever tried: that is built with its user.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std_sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std_sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        loop {
            match self.0.try_lock() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(poisoned)) => return Err(poisoned),
                Err(TryLockError::WouldBlock) => thread::yield_now(),
            }
        }
    }

    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        self.0.try_lock()
    }

    pub(crate) fn into_inner(self) -> LockResult<T> {
        self.0.into_inner()
    }
}

/// The standard library's, with what its fence would order.
#[derive(Debug, Default)]
pub(crate) struct Arc<T>(std_sync::Arc<Shared<T>>);

#[derive(Debug, Default)]
struct Shared<T> {
    // Dropped in this order.
    left: Left,
    value: T,
}

/// Whoever goes says so, and the last one sees that.
#[derive(Debug, Default)]
struct Left(AtomicU64);

impl Left {
    fn see(&self) {
        // ORD: left: Acquire, what the others did lies behind it; partner: the addition in this file.
        self.0.load(Ordering::Acquire);
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        self.see();
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        // ORD: left: Release, before the count of owners goes down; partner: the load in this file.
        self.0.left.0.fetch_add(1, Ordering::Release);
    }
}

impl<T> Arc<T> {
    pub(crate) fn new(value: T) -> Self {
        let left = Left::default();
        Self(std_sync::Arc::new(Shared { left, value }))
    }

    pub(crate) fn downgrade(this: &Self) -> Weak<T> {
        Weak(std_sync::Arc::downgrade(&this.0))
    }

    pub(crate) fn strong_count(this: &Self) -> usize {
        std_sync::Arc::strong_count(&this.0)
    }

    pub(crate) fn ptr_eq(this: &Self, other: &Self) -> bool {
        std_sync::Arc::ptr_eq(&this.0, &other.0)
    }

    pub(crate) fn try_unwrap(this: Self) -> Result<T, Self> {
        let inner = std_sync::Arc::clone(&this.0);
        drop(this);
        let Shared { left, value } = std_sync::Arc::try_unwrap(inner).map_err(Self)?;
        left.see();
        Ok(value)
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(std_sync::Arc::clone(&self.0))
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: AsFd> AsFd for Arc<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.value.as_fd()
    }
}

#[derive(Debug)]
pub(crate) struct Weak<T>(std_sync::Weak<Shared<T>>);

impl<T> Weak<T> {
    pub(crate) const fn new() -> Self {
        Self(std_sync::Weak::new())
    }

    pub(crate) fn upgrade(&self) -> Option<Arc<T>> {
        self.0.upgrade().map(Arc)
    }

    pub(crate) fn strong_count(&self) -> usize {
        self.0.strong_count()
    }
}

impl<T> Default for Weak<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Weak<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
