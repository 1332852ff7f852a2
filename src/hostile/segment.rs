//! The memory of a peer that keeps no rule, and what it sees of its victim's.

use std::os::fd::{AsRawFd, OwnedFd};

use super::{CONTROL, RING, SEALS, Word, memory};

/// A range of a file that is mapped.
#[derive(Debug)]
struct Window {
    base: *mut u8,
    size: usize,
}

impl Window {
    fn new(file: &OwnedFd, size: usize, protection: i32) -> Self {
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                size,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED, "a segment cannot be mapped");
        Self {
            base: base.cast(),
            size,
        }
    }

    fn place(&self, offset: usize) -> *mut u64 {
        assert!(offset % 8 == 0 && offset + 8 <= self.size);
        // SAFETY: inside the mapping, as just checked.
        unsafe { self.base.add(offset).cast() }
    }

    fn get(&self, offset: usize) -> u64 {
        // SAFETY: aligned and inside the mapping, by `place`; whole words that others may write at any time are read volatile.
        unsafe { self.place(offset).read_volatile() }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the range is our own mapping, and nobody uses it any more.
        unsafe { libc::munmap(self.base.cast(), self.size) };
    }
}

/// A segment of the script's own, whose every word it can write at any time, from several threads or from a child of a fork too.
#[derive(Debug)]
pub struct Segment {
    /// The memory file, to be handed to the victim.
    pub file: OwnedFd,
    window: Window,
    /// Where the first ring begins, and the bytes of each.
    rings: (usize, usize),
}

// SAFETY: the mapping is the segment's own and lives as long as it; words in it are accessed volatile, whole and aligned.
unsafe impl Send for Segment {}
// SAFETY: as above. Two threads that write one word leave either value, which is as good a lie as any.
unsafe impl Sync for Segment {}

impl Segment {
    /// One with so many lanes, each with a ring of [`RING`] bytes.
    pub fn new(lanes: usize) -> Self {
        Self::of(CONTROL + lanes * RING)
    }

    /// One of `size` bytes, whose rings are taken for such of [`RING`] bytes. Allocated whole, and sealed.
    pub fn of(size: usize) -> Self {
        Self::with_rings(size, CONTROL, RING)
    }

    /// One of `size` bytes whose rings of `ring` bytes begin at `first`.
    pub fn with_rings(size: usize, first: usize, ring: usize) -> Self {
        let file = memory(size, 0, true);
        let window = Window::new(&file, size, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: no memory is passed.
        let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS) };
        assert_eq!(sealed, 0);
        Self {
            file,
            window,
            rings: (first, ring),
        }
    }

    /// Bytes in it.
    pub fn size(&self) -> usize {
        self.window.size
    }

    /// Rings of that size that it has room for.
    pub fn lanes(&self) -> usize {
        (self.size() - self.rings.0) / self.rings.1
    }

    /// Bytes of a ring.
    pub fn capacity(&self) -> usize {
        self.rings.1
    }

    /// Writes the word at an offset: a multiple of 8 inside of it.
    pub fn set(&self, offset: usize, value: u64) {
        // SAFETY: aligned and inside the mapping, which is writable.
        unsafe { self.window.place(offset).write_volatile(value) };
    }

    /// What was written there last.
    pub fn get(&self, offset: usize) -> u64 {
        self.window.get(offset)
    }

    /// Writes a word by its name.
    pub fn say(&self, word: Word, value: u64) {
        self.set(word.offset(), value);
    }

    /// Writes the word at a position of the first ring.
    pub fn ring(&self, position: usize, value: u64) {
        self.lane(0, position, value);
    }

    /// Writes the word at a position of a lane's ring.
    pub fn lane(&self, lane: usize, position: usize, value: u64) {
        self.set(self.at(lane, position), value);
    }

    /// The offset of a position of a lane's ring.
    pub fn at(&self, lane: usize, position: usize) -> usize {
        let (first, ring) = self.rings;
        first + lane * ring + position % ring
    }

    /// Tries to take a page away from under the victim, in each way there is. Says whether one of them was let.
    pub fn punch(&self, offset: usize) -> bool {
        let page = offset / 4096 * 4096;
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let zero = libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE;
        let start = self.window.place(page).cast();
        let at = libc::off_t::try_from(page).expect("an offset");
        let file = self.file.as_raw_fd();
        // SAFETY: `start` is the start of a page of the mapping, whose size is one of whole pages. What these calls take away of the file reads as zeros, by us too; nothing
        // but volatile words is there.
        unsafe {
            libc::fallocate(file, mode, at, 4096) == 0
                || libc::fallocate(file, zero, at, 4096) == 0
                || libc::ftruncate(file, at) == 0
                || libc::madvise(start, 4096, libc::MADV_REMOVE) == 0
        }
    }
}

/// A victim's segment, as its peer sees it.
#[derive(Debug)]
pub struct Shown {
    window: Window,
}

// SAFETY: the mapping is its own, and is only read, volatile and word by word.
unsafe impl Send for Shown {}
// SAFETY: as above.
unsafe impl Sync for Shown {}

impl Shown {
    /// Maps all of it.
    pub fn new(file: &OwnedFd) -> Self {
        // SAFETY: all-zero bytes are a valid `stat`, which is valid for writes.
        let size = unsafe {
            let mut stat: libc::stat = core::mem::zeroed();
            assert_eq!(libc::fstat(file.as_raw_fd(), &raw mut stat), 0);
            stat.st_size
        };
        let size = usize::try_from(size).expect("a size");
        Self {
            window: Window::new(file, size, libc::PROT_READ),
        }
    }

    /// Bytes in it.
    pub fn size(&self) -> usize {
        self.window.size
    }

    /// The word at an offset.
    pub fn get(&self, offset: usize) -> u64 {
        self.window.get(offset)
    }
}
