//! Words that a fork shuts.
//!
//! The fast path of each half compares a position with one private word before it touches its ring. That word lies on a page
//! that the kernel wipes in a child (`MADV_WIPEONFORK`), where it therefore reads as zero, and no frame passes: so the
//! child, which holds no mapping of the ring, is kept off it at no cost to the parent. What the child is told, the slow path finds out
//! by [`Birth`](super::fork::Birth).

use core::ptr::NonNull;
use std::io;
use std::sync::Arc;

use super::map;
use super::memfd::page_size;

/// Far enough apart for two threads, each with its gate, not to disturb one another (pairs of lines are fetched together).
const APART: usize = 128;

/// A private page that is zero in a child.
#[derive(Debug)]
struct Page(NonNull<u8>);

// SAFETY: the page is plain memory, each word of which belongs to one gate.
unsafe impl Send for Page {}
// SAFETY: as above; the page itself is never accessed through a shared reference.
unsafe impl Sync for Page {}

impl Drop for Page {
    fn drop(&mut self) {
        map::unmap(self.0.as_ptr(), page_size());
    }
}

/// A word of one owner, zero in every child of the process that made it.
#[derive(Debug)]
pub(crate) struct Gate {
    word: NonNull<u64>,
    _page: Arc<Page>,
}

// SAFETY: the word is this gate's alone, so it moves with it between threads.
unsafe impl Send for Gate {}
// SAFETY: `&Gate` only reads, and writing takes `&mut Gate`. The kernel zeroes the word in another process only.
unsafe impl Sync for Gate {}

impl Gate {
    /// Two gates, shut. One mapping of a page.
    #[cfg(test)]
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let mut gates = Self::several(2)?.into_iter();
        match (gates.next(), gates.next()) {
            (Some(one), Some(other)) => Ok((one, other)),
            _ => unreachable!("two were made"),
        }
    }

    /// So many gates, shut: no more than a page has room for. One mapping of a page.
    pub(crate) fn several(count: usize) -> io::Result<Vec<Self>> {
        assert!(count * APART <= page_size(), "a page of gates");
        let base = map::anonymous(page_size())?;
        let Some(base) = NonNull::new(base) else {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        };
        let page = Arc::new(Page(base));
        map::wipe_on_fork(base.as_ptr(), page_size())?;
        let gate = |offset: usize| Self {
            // SAFETY: inside the page, and a multiple of 8.
            word: unsafe { base.add(offset) }.cast(),
            _page: Arc::clone(&page),
        };
        Ok((0..count).map(|index| gate(index * APART)).collect())
    }

    /// The word.
    #[inline(always)]
    pub(crate) fn get(&self) -> u64 {
        // SAFETY: aligned, initialised (pages begin as zeros), mapped while `_page` lives; nobody writes it meanwhile.
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
    use super::Gate;

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
