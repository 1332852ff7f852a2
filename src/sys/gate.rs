//! Words that a fork shuts.
//!
//! The fast path of each half compares a position with one private word before it touches its ring. That word lies on a page
//! that the kernel wipes in a child (`MADV_WIPEONFORK`), where it therefore reads as zero, and no frame passes: so the
//! child, which holds no mapping of the ring, is kept off it at no cost to the parent. What the child is told, the slow path finds out
//! by [`Birth`](super::fork::Birth).

use core::ptr::NonNull;
use std::io;

use super::map;
use super::memfd::page_size;
use crate::planted::is_raced;
use crate::sync::{Arc, Mutex, Weak};

/// Far enough apart for two threads, each with its gate, not to disturb one another (pairs of lines are fetched together).
const APART: usize = 128;
/// Bytes of a place: two gates.
const PLACE: usize = 2 * APART;

/// Pages with places that are free. All connections of a process share them: with a page for each, a thread that serves a thousand would need a thousand
/// translations more than its core remembers.
///
/// Nobody waits for a lock here, since a child of a fork may have it from a thread that it lacks: who finds one taken does without.
static SHELF: Mutex<Vec<Weak<Page>>> = Mutex::new(Vec::new());

/// A private page that is zero in a child.
#[derive(Debug)]
struct Page {
    base: NonNull<u8>,
    /// A bit for each place that is free.
    free: Mutex<u64>,
}

// SAFETY: the page is plain memory, each word of which belongs to one gate.
unsafe impl Send for Page {}
// SAFETY: as above; the page itself is never accessed through a shared reference.
unsafe impl Sync for Page {}

impl Page {
    fn new() -> io::Result<Self> {
        let base = map::anonymous(page_size())?;
        let Some(base) = NonNull::new(base) else {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        };
        let places = (page_size() / PLACE).min(64) as u32;
        let page = Self {
            base,
            free: Mutex::new(u64::MAX >> (64 - places)),
        };
        map::wipe_on_fork(base.as_ptr(), page_size())?;
        Ok(page)
    }

    /// Takes a place, if one is free. Returns its number, and whether another one is free.
    fn take(&self) -> Option<(u32, bool)> {
        let mut free = self.free.try_lock().ok()?;
        let number = (*free != 0).then(|| free.trailing_zeros())?;
        // What the sanitizer is to find: the same place for two.
        if !is_raced("gate") {
            *free &= *free - 1;
        }
        Some((number, *free != 0))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        map::unmap(self.base.as_ptr(), page_size());
    }
}

/// A place on a page, for the gates of one connection.
#[derive(Debug)]
struct Place {
    page: Arc<Page>,
    number: u32,
}

impl Place {
    fn take() -> io::Result<Self> {
        let Ok(mut shelf) = SHELF.try_lock() else {
            let page = Arc::new(Page::new()?);
            let number = page.take().map_or(0, |(number, _)| number);
            return Ok(Self { page, number });
        };
        while let Some(last) = shelf.last() {
            let Some(page) = last.upgrade() else {
                shelf.pop();
                continue;
            };
            let Some((number, more)) = page.take() else {
                // Somebody gives a place back at this moment.
                break;
            };
            if !more {
                // It comes back with the first of its places.
                shelf.pop();
            }
            return Ok(Self { page, number });
        }
        let page = Arc::new(Page::new()?);
        let number = page.take().map_or(0, |(number, _)| number);
        shelf.push(Arc::downgrade(&page));
        Ok(Self { page, number })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(mut free) = self.page.free.try_lock() else {
            // The place stays taken for as long as the page is there.
            return;
        };
        let was_full = *free == 0;
        *free |= 1 << self.number;
        drop(free);
        if was_full {
            // Where another thread is at the shelf, the page does not come back to it, and goes with the last of its places.
            if let Ok(mut shelf) = SHELF.try_lock() {
                shelf.push(Arc::downgrade(&self.page));
            }
        }
    }
}

/// A word of one owner, zero in every child of the process that made it.
#[derive(Debug)]
pub(crate) struct Gate {
    word: NonNull<u64>,
    _place: Arc<Place>,
}

// SAFETY: the word is this gate's alone, so it moves with it between threads.
unsafe impl Send for Gate {}
// SAFETY: `&Gate` only reads, and writing takes `&mut Gate`. The kernel zeroes the word in another process only.
unsafe impl Sync for Gate {}

impl Gate {
    /// Two gates, shut. At most one mapping of a page.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let place = Arc::new(Place::take()?);
        let gate = |offset: usize| {
            let offset = place.number as usize * PLACE + offset;
            let mut gate = Self {
                // SAFETY: inside the page, and a multiple of 8.
                word: unsafe { place.page.base.add(offset) }.cast(),
                _place: Arc::clone(&place),
            };
            // Somebody else's may have been there.
            gate.set(0);
            gate
        };
        Ok((gate(0), gate(APART)))
    }

    /// So many gates, shut.
    pub(crate) fn several(count: usize) -> io::Result<Vec<Self>> {
        let mut gates = Vec::with_capacity(count + 1);
        while gates.len() < count {
            let (one, other) = Self::pair()?;
            gates.extend([one, other]);
        }
        gates.truncate(count);
        Ok(gates)
    }

    /// The word.
    #[inline(always)]
    pub(crate) fn get(&self) -> u64 {
        // SAFETY: aligned, initialised (pages begin as zeros), mapped while `_place` lives, which is this gate's and its twin's; nobody writes it meanwhile.
        unsafe { self.word.read() }
    }

    /// Sets the word.
    #[inline(always)]
    pub(crate) fn set(&mut self, value: u64) {
        // SAFETY: as in `get`, and `self` is borrowed uniquely.
        unsafe { self.word.write(value) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::PoisonError;

    use super::*;

    /// Of whoever takes the shelf for itself, or needs it to be free: one test at a time.
    static ONE: Mutex<()> = Mutex::new(());

    #[test]
    fn gates_share_pages_and_a_place_is_used_again_and_shut() {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let page = |gate: &Gate| gate.word.as_ptr().addr() / page_size();
        let mut pairs: Vec<_> = (0..100).map(|_| Gate::pair().unwrap()).collect();
        let mut words: Vec<_> = pairs
            .iter()
            .flat_map(|(one, other)| [one, other].map(|gate| gate.word.as_ptr().addr()))
            .collect();
        words.sort_unstable();
        assert!(words.windows(2).all(|two| two[1] - two[0] >= APART));
        let mut pages: Vec<_> = pairs.iter().map(|(one, _)| page(one)).collect();
        pages.dedup();
        // Other tests take places too.
        assert!(pages.len() < 50, "{} pages", pages.len());
        for (one, other) in &mut pairs {
            one.set(1);
            other.set(2);
        }
        pairs.truncate(50);
        let again: Vec<_> = (0..50).map(|_| Gate::pair().unwrap()).collect();
        assert!(
            again
                .iter()
                .all(|(one, other)| (one.get(), other.get()) == (0, 0))
        );
        assert!(
            pairs
                .iter()
                .all(|(one, other)| (one.get(), other.get()) == (1, 2))
        );
        let seen = again.iter().filter(|(one, _)| pages.contains(&page(one)));
        assert!(seen.count() > 0, "no place was used again");
    }

    #[test]
    fn a_child_that_finds_the_shelf_taken_has_gates_of_its_own() {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = SHELF.lock().unwrap();
        let (mut one, other) = Gate::pair().unwrap();
        one.set(7);
        assert_eq!((one.get(), other.get()), (7, 0));
        drop(shelf);
    }

    #[test]
    fn a_child_finds_both_gates_shut() {
        let (mut one, mut other) = Gate::pair().unwrap();
        assert_eq!((one.get(), other.get()), (0, 0));
        one.set(7);
        other.set(9);
        // SAFETY: the child only reads and writes memory, makes no allocation and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let shut = (one.get(), other.get()) == (0, 0);
            // SAFETY: `_exit` ends the process and runs nothing.
            unsafe { libc::_exit(i32::from(!shut)) };
        }
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
        assert_eq!((one.get(), other.get()), (7, 9));
    }
}
