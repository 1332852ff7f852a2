//! The memory of a peer that keeps no rule.

use std::os::fd::{AsRawFd, OwnedFd};

use super::{CONTROL, RING, SEALS, memory};

/// A segment of the script's own, whose every word it can write at any time.
pub(crate) struct Segment {
    pub(crate) file: OwnedFd,
    base: *mut u8,
    size: usize,
}

// SAFETY: the mapping is the segment's own and lives as long as it; words in it are accessed volatile, whole and aligned.
unsafe impl Send for Segment {}

impl Segment {
    pub(crate) fn new(lanes: usize) -> Self {
        Self::of(CONTROL + lanes * RING)
    }

    pub(crate) fn of(size: usize) -> Self {
        let file = memory(size, 0, true);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED);
        // SAFETY: no memory is passed.
        let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS) };
        assert_eq!(sealed, 0);
        Self {
            file,
            base: base.cast(),
            size,
        }
    }

    /// Writes any word.
    pub(crate) fn set(&self, offset: usize, value: u64) {
        assert!(offset % 8 == 0 && offset + 8 <= self.size);
        // SAFETY: aligned and inside the mapping, as just checked.
        unsafe { self.base.add(offset).cast::<u64>().write_volatile(value) };
    }

    /// Writes a word of the first ring.
    pub(crate) fn ring(&self, position: usize, value: u64) {
        self.lane(0, position, value);
    }

    /// Writes a word of a lane's ring.
    pub(crate) fn lane(&self, lane: usize, position: usize, value: u64) {
        self.set(CONTROL + lane * RING + position % RING, value);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the range is our own mapping, and nobody uses it any more.
        unsafe { libc::munmap(self.base.cast(), self.size) };
    }
}
