//! Something that several threads use by turns: a mutex that can be waited for until a deadline.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::outcome::SendError;

/// How often a thread with a deadline looks whether the lock is free: the standard library's mutex has no wait with an end.
const LOCK_LOOK: Duration = Duration::from_micros(100);
/// A lock that is held for a plain send is free again by then.
const YIELDS: u32 = 16;

/// A sending half, of bytes or of messages, behind a mutex. A panic of a thread that held it leaves it whole: frames become visible by one
/// store.
#[derive(Debug)]
pub(crate) struct Turns<S> {
    inner: Arc<Mutex<S>>,
}

impl<S> Clone for Turns<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<S> Turns<S> {
    pub(crate) fn new(half: S) -> Self {
        Self {
            inner: Arc::new(Mutex::new(half)),
        }
    }

    pub(crate) fn wait(&self) -> MutexGuard<'_, S> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: another thread has it.
    pub(crate) fn attempt(&self) -> Option<MutexGuard<'_, S>> {
        match self.inner.try_lock() {
            Ok(half) => Some(half),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// As `wait`, until `deadline`; it is tried at least once.
    pub(crate) fn wait_until(&self, deadline: Instant) -> Option<MutexGuard<'_, S>> {
        let mut looks = 0;
        loop {
            if let Some(half) = self.attempt() {
                return Some(half);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            pause(looks, left);
            looks += 1;
        }
    }

    /// Attempts until the answer is another than [`SendError::Full`], or until `deadline`. In between the other threads have their turns: what waits for
    /// room at one priority holds up no other.
    pub(crate) fn by_turns(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut S) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut looks = 0;
        loop {
            let half = match deadline {
                None => Some(self.wait()),
                Some(deadline) => self.wait_until(deadline),
            };
            let Some(mut half) = half else {
                return Err(SendError::TimedOut);
            };
            match attempt(&mut half) {
                Err(SendError::Full) => {}
                other => return other,
            }
            drop(half);
            let left = deadline.map_or(LOCK_LOOK, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Err(SendError::TimedOut);
            }
            pause(looks, left);
            looks += 1;
        }
    }
}

/// Between two looks.
fn pause(looks: u32, left: Duration) {
    if looks < YIELDS {
        thread::yield_now();
    } else {
        thread::sleep(LOCK_LOOK.min(left));
    }
}
