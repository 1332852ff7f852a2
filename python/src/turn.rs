//! Taking turns: of several threads that call one half, each waits for the one before it, without the interpreter's lock.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::deadline::Deadline;
use crate::errors::{Fault, raise};

/// Between two looks at signals, for who waits for its turn.
const SLICE: Duration = Duration::from_millis(50);

/// Something that one thread at a time has.
///
/// It is taken and given up with the interpreter's lock held, though not necessarily kept all the time between: so who finds it taken can say that it waits before anybody gives it up. And so it needs no lock of
/// its own, which would cost a message two locked instructions, of which the second waits until the peer's processor has given up the line that was written. The module says that it needs that lock, and is not loaded where
/// there is none (`module.rs`).
#[derive(Debug)]
pub(crate) struct Turn<T> {
    held: UnsafeCell<T>,
    /// The mark of the thread that has it, or 0.
    owner: AtomicUsize,
    /// Threads that wait.
    waiting: AtomicUsize,
    /// How often it was given up while somebody waited.
    freed: Mutex<u64>,
    bell: Condvar,
    /// The process that made it.
    process: u32,
}

// SAFETY: what is in it is reached by who has the turn only, through `Held`. That is one at a time: `owner` is looked at and written with the interpreter's lock held, so that nothing comes between the look and the store; and
// what one thread did before it gave the turn up comes before what the next one does, by the store and the load of `owner`.
unsafe impl<T: Send> Sync for Turn<T> {}

/// It is this thread's turn until this is dropped, with the interpreter attached.
pub(crate) struct Held<'a, T> {
    turn: &'a Turn<T>,
    /// It stays with its thread.
    _here: PhantomData<*const ()>,
}

impl<T> Turn<T> {
    /// Whether this is a forked child of the process that made it.
    pub(crate) fn is_forked(&self) -> bool {
        std::process::id() != self.process
    }
}

impl<T: Send> Turn<T> {
    pub(crate) fn new(held: T) -> Self {
        Self {
            held: UnsafeCell::new(held),
            owner: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            freed: Mutex::new(0),
            bell: Condvar::new(),
            process: std::process::id(),
        }
    }

    /// Whether this thread has it: a signal's handler or a destructor asks, which has interrupted the call that took it.
    pub(crate) fn is_mine(&self) -> bool {
        // ORD: owner: Relaxed, as in `try_take`: what this thread has written it reads; partner: the stores in this file.
        self.owner.load(Ordering::Relaxed) == mark()
    }

    /// Takes the turn, waiting for it.
    ///
    /// # Errors
    /// `TimedOut`; what is said against the deadline, where it has to wait; what a signal's handler raised; `Forked` in a child, if a thread had it when the process was forked.
    #[inline]
    pub(crate) fn take(
        &self,
        py: Python<'_>,
        deadline: impl FnOnce() -> PyResult<Deadline>,
    ) -> PyResult<Held<'_, T>> {
        match self.try_take(py) {
            Some(held) => Ok(held),
            None => self.wait(py, deadline()?),
        }
    }

    /// Takes the turn to end what is in it. `None`: the interpreter ends, and a thread has it that hangs for that; what is in it goes with the process.
    ///
    /// # Errors
    /// As for [`take`](Self::take).
    pub(crate) fn take_to_end(&self, py: Python<'_>) -> PyResult<Option<Held<'_, T>>> {
        match self.take(py, || Ok(None)) {
            Err(_) if is_ending(py) => Ok(None),
            taken => taken.map(Some),
        }
    }

    #[inline]
    fn try_take(&self, _: Python<'_>) -> Option<Held<'_, T>> {
        // ORD: owner: Acquire, what was done in the turn before comes first; partner: the drop of `Held`.
        if self.owner.load(Ordering::Acquire) != 0 {
            return None;
        }
        // ORD: owner: Relaxed, the interpreter's lock is held here and where it is read; partner: the loads in this file.
        self.owner.store(mark(), Ordering::Relaxed);
        Some(Held {
            turn: self,
            _here: PhantomData,
        })
    }

    /// Takes the turn if no other thread has it.
    ///
    /// # Errors
    /// `InUse`, if this one has it; `Forked` as for [`take`](Self::take).
    #[inline]
    pub(crate) fn take_at_once(&self, py: Python<'_>) -> PyResult<Option<Held<'_, T>>> {
        match self.try_take(py) {
            Some(held) => Ok(Some(held)),
            None => self.is_others(py).map(|()| None),
        }
    }

    /// It is taken: by another thread that will give it up.
    #[cold]
    fn is_others(&self, py: Python<'_>) -> PyResult<()> {
        // The locks are copies of those of the parent, whose threads are not here to open them.
        if self.is_forked() {
            return Err(raise(
                py,
                Fault::Forked,
                "another thread used this half when the process was forked; connect again here",
            ));
        }
        if self.is_mine() {
            return Err(raise(
                py,
                Fault::InUse,
                "this thread is in a call of this half already, which a signal's handler or a destructor has interrupted",
            ));
        }
        Ok(())
    }

    #[cold]
    fn wait(&self, py: Python<'_>, deadline: Deadline) -> PyResult<Held<'_, T>> {
        self.is_others(py)?;
        let _here = Waiting::of(&self.waiting);
        loop {
            let seen = *lock(&self.freed);
            if let Some(held) = self.try_take(py) {
                return Ok(held);
            }
            if py.detach(|| self.sleep(seen, deadline)) {
                return Err(raise(
                    py,
                    Fault::TimedOut,
                    "another thread used this half until the deadline",
                ));
            }
            py.check_signals()?;
            if is_ending(py) {
                // The thread that has it may hang for ever, as those do that want the interpreter's lock now.
                return Err(raise(
                    py,
                    Fault::InUse,
                    "another thread uses this half while the interpreter ends",
                ));
            }
        }
    }

    /// Sleeps until it was given up, or signals are to be looked at. Returns whether the deadline has passed.
    fn sleep(&self, seen: u64, deadline: Deadline) -> bool {
        let now = Instant::now();
        let slice = now + SLICE;
        let until = deadline.map_or(slice, |deadline| deadline.min(slice));
        let freed = lock(&self.freed);
        let left = until.saturating_duration_since(now);
        let (freed, _) = self
            .bell
            .wait_timeout_while(freed, left, |freed| *freed == seen)
            .unwrap_or_else(PoisonError::into_inner);
        *freed == seen && deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// Whether the interpreter is about to end: then other threads do not run any more.
fn is_ending(py: Python<'_>) -> bool {
    let asked = PyModule::import(py, "sys").and_then(|sys| sys.call_method0("is_finalizing"));
    // Where it cannot even be asked it is far gone.
    asked.and_then(|answer| answer.extract()).unwrap_or(true)
}

/// What tells this thread from others that live: an address of its own.
#[inline]
fn mark() -> usize {
    thread_local! {
        static MARK: u8 = const { 0 };
    }
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

/// A thread that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        // ORD: turns: Relaxed, the interpreter's lock is held here and where it is read; partner: the load in this file.
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // ORD: turns: Relaxed, as above; partner: the load in this file.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it is this thread's turn, until the drop, and so nobody else's.
        unsafe { &*self.turn.held.get() }
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `self` is borrowed for as long as the answer.
        unsafe { &mut *self.turn.held.get() }
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // ORD: owner: Release, what was done in this turn comes before the next one; partner: `try_take`.
        self.turn.owner.store(0, Ordering::Release);
        // In a child those who waited are not there, and one of them may have had the lock.
        // ORD: turns: Relaxed, as above; partner: the additions in this file.
        if self.turn.waiting.load(Ordering::Relaxed) > 0 && !self.turn.is_forked() {
            *lock(&self.turn.freed) += 1;
            self.turn.bell.notify_all();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
