//! What a process has one of, and the child of a fork another.
//!
//! A child has a copy of its parent's memory, and of the parent's threads only the one that forked: a lock that another one held is
//! locked there for ever, and what the kernel gave the parent may not be the child's. So whatever a process has once for all its
//! threads is kept here: a child does not look at its parent's, not even at the lock, and makes its own.

use std::io;

use super::fork::Birth;
use crate::planted::unless_raced;
use crate::sync::{AtomicPtr, Ordering};

/// One `T` for each process, made when it is first asked for. No lock is needed to find it.
///
/// It is never freed: threads use it until the process ends, and in a child one may be about to look at the parent's. So a child keeps its parent's
/// memory and descriptors, as it would without us.
#[derive(Debug)]
pub(crate) struct PerProcess<T: 'static> {
    /// That of this process, or of an ancestor; null before the first.
    kept: AtomicPtr<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    birth: Birth,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self {
            kept: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// This process's. `make` may be called by several threads at once: one of what they make is kept, and the others are dropped.
    ///
    /// # Errors
    /// What `make` answers, or the system where there is no page to know a child by. The next call tries again.
    pub(crate) fn get(&self, make: impl FnOnce() -> io::Result<T>) -> io::Result<&'static T> {
        // ORD: per-process: Acquire, what it points to is made; partner: the exchange in this file (`compare_exchange`). proof: the value is
        // read through the address, and was written before the exchange; with Relaxed that would be a race.
        let known = self.kept.load(unless_raced("made", Ordering::Acquire));
        // SAFETY: null, or leaked by whoever stored it; a child has a copy of it.
        let found = unsafe { known.as_ref() };
        if let Some(kept) = found.filter(|kept| !kept.birth.is_forked()) {
            return Ok(&kept.value);
        }
        let birth = Birth::here()?;
        let value = make()?;
        let made = Box::into_raw(Box::new(Kept { birth, value }));
        // ORD: per-process: AcqRel, it is made before its address is seen; partner: the load in this file (`load`). proof: Release for whoever
        // loads it; Acquire for who comes too late and reads the other's value. The Acquire of the winner is redundant: it reads its own.
        let exchanged =
            self.kept
                .compare_exchange(known, made, Ordering::AcqRel, Ordering::Acquire);
        let first = match exchanged {
            Ok(_) => made,
            Err(first) => {
                // SAFETY: made above, and seen by nobody.
                drop(unsafe { Box::from_raw(made) });
                first
            }
        };
        // SAFETY: leaked by whoever stored it. Nothing is ever freed, so that no address comes again: it is of this process.
        Ok(unsafe { &(*first).value })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, PoisonError};

    use super::*;
    use crate::sync::{AtomicU64, Mutex};

    #[test]
    fn all_threads_find_the_same_and_what_failed_is_tried_again() {
        static NUMBER: PerProcess<Mutex<u32>> = PerProcess::new();
        let failed = NUMBER.get(|| Err(io::ErrorKind::OutOfMemory.into()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        let together = Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    together.wait();
                    let number = NUMBER.get(|| Ok(Mutex::new(0))).unwrap();
                    *number.lock().unwrap() += 1;
                });
            }
        });
        let number = NUMBER.get(|| panic!("it is there")).unwrap();
        assert_eq!(*number.lock().unwrap(), 4);
    }

    /// What orders the two is what is tried, and nothing else does.
    #[test]
    fn what_one_thread_made_another_one_finds_whole() {
        static NUMBER: PerProcess<u64> = PerProcess::new();
        static MADE: AtomicU64 = AtomicU64::new(0);
        let makes = std::thread::spawn(|| {
            NUMBER.get(|| Ok(7)).unwrap();
            // ORD: made: Relaxed, it is to order nothing; partner: the load below.
            MADE.store(1, Ordering::Relaxed);
        });
        // ORD: made: Relaxed, as above; partner: the store above.
        while MADE.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(NUMBER.get(|| panic!("it is made")).unwrap(), &7);
        makes.join().unwrap();
    }

    #[test]
    fn a_child_makes_its_own_whatever_its_parent_had_locked() {
        static NUMBER: PerProcess<Mutex<u32>> = PerProcess::new();
        let parents = NUMBER.get(|| Ok(Mutex::new(7))).unwrap();
        let kept = parents.lock().unwrap();
        // SAFETY: the child takes no lock but the allocator's, which is mended on fork, and its own; it leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let own = NUMBER.get(|| Ok(Mutex::new(1)));
            let fresh = own.is_ok_and(|own| {
                *own.lock().unwrap_or_else(PoisonError::into_inner) == 1
                    && NUMBER
                        .get(|| Err(io::ErrorKind::Other.into()))
                        .is_ok_and(|again| core::ptr::eq(own, again))
            });
            // SAFETY: `_exit` ends the process and runs nothing.
            unsafe { libc::_exit(i32::from(!fresh)) };
        }
        drop(kept);
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
        let again = NUMBER.get(|| panic!("the parent has it still")).unwrap();
        assert_eq!(*again.lock().unwrap(), 7);
    }
}
