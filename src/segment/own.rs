//! Our own segment: made, allocated, mapped writable, sealed, and only then handed out.

use core::ptr::NonNull;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::mapped::{MappedRing, Own};
use super::{OwnRing, OwnWord, Ring};
use crate::sync::{Arc, AtomicU64, Ordering, Site};
use crate::sys::fork::Birth;
use crate::sys::gate::Gate;
use crate::sys::map::{self, Access, Mapping};
use crate::sys::memfd;
use crate::sys::prefetch;

/// The sizes of a segment, in bytes: multiples of its page size, the ring a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentSize {
    /// The control area, and where the ring begins.
    pub(crate) control: usize,
    /// A ring, each of them.
    pub(crate) ring: usize,
    /// Rings: lanes.
    pub(crate) lanes: usize,
    /// Whether the pages are huge.
    pub(crate) huge: bool,
}

impl SegmentSize {
    /// Bytes in the file.
    pub(crate) fn total(&self) -> u64 {
        self.control as u64 + self.ring as u64 * self.lanes as u64
    }

    /// Bytes of a ring, and how many there are.
    pub(super) fn rings(&self) -> (usize, usize) {
        (self.ring, self.lanes)
    }

    fn bytes(&self) -> io::Result<usize> {
        usize::try_from(self.total()).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))
    }
}

/// A segment that this process writes and a peer may read.
#[derive(Debug)]
pub(crate) struct OwnSegment {
    mapping: Arc<Mapping>,
    size: SegmentSize,
    descriptor: Arc<OwnedFd>,
}

impl OwnSegment {
    /// Makes a zeroed segment, fully allocated and sealed. `prefault` also fills our page tables now.
    pub(crate) fn new(name: &CStr, size: SegmentSize, prefault: bool) -> io::Result<Self> {
        Self::from_file(Self::file(name, size)?, size, prefault)
    }

    /// The memory file of a segment: of its size, and without a page yet.
    pub(crate) fn file(name: &CStr, size: SegmentSize) -> io::Result<OwnedFd> {
        let descriptor = memfd::create(name, size.huge)?;
        memfd::resize(descriptor.as_fd(), size.bytes()?)?;
        Ok(descriptor)
    }

    /// Makes a segment of a [`file`](Self::file): zeroed, fully allocated and sealed. `prefault` also fills our page tables now.
    pub(crate) fn from_file(
        descriptor: OwnedFd,
        size: SegmentSize,
        prefault: bool,
    ) -> io::Result<Self> {
        memfd::allocate(descriptor.as_fd(), size.bytes()?)?;
        let mapping = Mapping::doubled(
            descriptor.as_fd(),
            size.control,
            size.rings(),
            size.huge,
            Access::ReadWrite,
            prefault,
        )?;
        // After the writable mapping: the seal refuses any later one, ours included.
        memfd::seal(descriptor.as_fd())?;
        if size.huge && !map::is_shut(descriptor.as_fd(), memfd::HUGE_PAGE)? {
            let text = "this kernel lets others write segments of huge pages: use ordinary ones, or Linux 5.13";
            return Err(io::Error::other(text));
        }
        Ok(Self {
            mapping: Arc::new(mapping),
            size,
            descriptor: Arc::new(descriptor),
        })
    }

    /// The descriptor to hand to the peer. Not needed once it has been sent.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// The same, to be kept.
    pub(crate) fn share_descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.descriptor)
    }

    /// Keeps its pages in memory for as long as it is mapped.
    pub(crate) fn lock(&self) -> io::Result<()> {
        self.mapping.lock(self.size.control, self.size.rings())
    }

    /// The mark of the process that made this segment.
    pub(crate) fn birth(&self) -> Birth {
        self.mapping.birth()
    }

    /// Writes static bytes into the control area, from `offset` on, before the segment is handed out.
    pub(crate) fn write_control(&mut self, offset: usize, bytes: &[u8]) {
        assert!(
            offset <= self.size.control && bytes.len() <= self.size.control - offset,
            "control bytes exceed the control area"
        );
        // SAFETY: the range is inside the control area, and no peer has the segment yet.
        unsafe {
            let place = self.mapping.base().add(offset);
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
        };
    }

    /// The word at `offset` in the control area. The caller sees to it that one half alone writes each word.
    pub(crate) fn word(&self, offset: usize) -> MappedOwnWord {
        assert!(
            offset % 8 == 0 && offset + 8 <= self.size.control,
            "no word at {offset}"
        );
        // SAFETY: in bounds by the check above.
        let pointer = unsafe { self.mapping.base().add(offset) };
        MappedOwnWord {
            word: word_pointer(pointer),
            _mapping: Arc::clone(&self.mapping),
        }
    }

    /// The ring of a lane. The caller sees to it that there is one producer for it.
    pub(crate) fn ring(&self, lane: usize, gate: Gate) -> MappedOwnRing {
        // SAFETY: `new` made the mapping of this size, and writable.
        unsafe { MappedRing::new(&self.mapping, &self.size, lane, gate) }
    }
}

/// Names the pointee of a mapped address; mappings are never at zero.
fn word_pointer(address: *mut u8) -> NonNull<AtomicU64> {
    // A successful mapping is never at address zero: the kernel refuses it to us, and `MAP_FIXED` was at its own choice.
    NonNull::new(address.cast()).expect("the kernel maps nothing at zero")
}

/// A word of our control area.
#[derive(Debug)]
pub(crate) struct MappedOwnWord {
    word: NonNull<AtomicU64>,
    _mapping: Arc<Mapping>,
}

// SAFETY: the word is an atomic in a mapping that `_mapping` keeps; it may be stored to from any thread.
unsafe impl Send for MappedOwnWord {}
// SAFETY: as above.
unsafe impl Sync for MappedOwnWord {}

impl OwnWord for MappedOwnWord {
    #[inline(always)]
    fn store(&self, value: u64, order: Ordering) {
        // SAFETY: aligned and in bounds (checked when it was made), mapped while `_mapping` lives, and only ever accessed atomically.
        let word = unsafe { self.word.as_ref() };
        // ORD: own-word: the caller's; partner: named at each call.
        word.store(value, order);
    }

    #[inline(always)]
    fn warm(&self) {
        prefetch::to_write(self.word.as_ptr().cast());
    }
}

/// Our ring.
pub(crate) type MappedOwnRing = MappedRing<Own>;

impl MappedOwnRing {
    /// The payload bytes at a place, to be filled in place. They hold what an earlier frame left there.
    ///
    /// # Safety
    /// `position` is where the operation starts, `offset + length <= capacity`, and the range lies in space that the peer has
    /// released and that no other slice of ours covers.
    #[inline(always)]
    pub(crate) unsafe fn slice_mut(
        &mut self,
        position: u64,
        offset: u64,
        length: usize,
    ) -> &mut [u8] {
        let place = self.place(position);
        // SAFETY: in bounds of the double mapping; initialised (the file began as zeros); nobody else can write it (sealed), and an
        // honest reader does not read it before the commit.
        unsafe { core::slice::from_raw_parts_mut(place.add(offset as usize), length) }
    }
}

/// The word at an address in our ring.
///
/// # Safety
/// `address` is a multiple of 8 inside the double mapping of a ring of ours that stays mapped for `'a`, and is accessed atomically
/// whenever a reader may look at it (docs/SAFETY.md, "Own memory").
#[inline(always)]
unsafe fn word_at<'a>(address: *mut u8) -> &'a AtomicU64 {
    // SAFETY: the caller's promise.
    unsafe { &*address.cast::<AtomicU64>() }
}

impl OwnRing for MappedOwnRing {
    #[inline(always)]
    fn prepare(&self, place: *mut u8) {
        // 1 KiB ahead: far enough for a line to arrive from the reader's cache, near enough to stay in ours (measured with
        // cli/src/bench/limits/frames.rs). The lines are asked for in a state in which they can be written.
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch has no effect that a program can see, whatever the address.
        unsafe {
            core::arch::asm!(
                "prefetchw [{0} + 1024]",
                "prefetchw [{0} + 1088]",
                in(reg) place,
                options(nostack, preserves_flags, readonly)
            );
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = place;
    }

    #[inline(always)]
    fn warm(&self, place: *mut u8) {
        prefetch::to_write(place);
        prefetch::to_write(place.wrapping_add(64));
    }

    #[inline(always)]
    unsafe fn store(&self, place: *mut u8, offset: u64, word: u64, order: Ordering) {
        // SAFETY: by the caller's contract `offset` is a multiple of 8 and in bounds of the double mapping, which `self` keeps.
        let target = unsafe { word_at(place.add(offset as usize)) };
        // ORD: own-ring-word: the caller's; partner: named at each call.
        target.store(word, order);
    }

    #[inline(always)]
    unsafe fn store_fenced(&self, place: *mut u8, word: u64, commit: Site, _barrier: Site) {
        // SAFETY: a place is the address of a word of the double mapping, which `self` keeps.
        let target = unsafe { word_at(place) };
        // On x86-64 a locked exchange is a full barrier, and cheaper than a store and `mfence`. Elsewhere a read-modify-write need not
        // order its store before later loads, so the fence is spelled out.
        #[cfg(target_arch = "x86_64")]
        {
            let _ = commit;
            // ORD: commit, wake-barrier: publishes the frame, and later loads stay behind it; partner: ring/consumer.rs (take),
            // wake/park.rs (park-barrier). proof: on this processor every exchange is a locked instruction, which is the release store and
            // the full barrier that the models weaken; SeqCst has the compiler keep both sides of it.
            target.swap(word, Ordering::SeqCst);
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            // ORD: commit: publishes the frame; partner: ring/consumer.rs (take).
            target.store(word, crate::sync::order(commit, Ordering::Release));
            // ORD: wake-barrier: the commit before the look at the epoch; partner: wake/park.rs (park-barrier).
            crate::sync::fence(_barrier, Ordering::SeqCst);
        }
    }

    unsafe fn load(&self, place: *mut u8, offset: u64) -> u64 {
        // SAFETY: as in `store`.
        let source = unsafe { word_at(place.add(offset as usize)) };
        // ORD: own-look: Relaxed, whoever asks has written it; partner: none.
        source.load(Ordering::Relaxed)
    }

    unsafe fn carry(&mut self, from: &Self, position: u64, length: u64) {
        let (source, target) = (from.place(position), self.place(position));
        // SAFETY: both ranges are inside a double mapping by the caller's contract, and of two segments. The source is written by this process only, through
        // the producer that `from` is of, which is borrowed; nobody reads the target yet.
        unsafe { core::ptr::copy_nonoverlapping(source, target, length as usize) };
    }

    #[inline(always)]
    unsafe fn write(&mut self, place: *mut u8, offset: u64, bytes: &[u8]) {
        // SAFETY: in bounds by the caller's contract. An ordinary copy is right here: only we can write this memory, and an honest reader
        // reads it only after the commit that follows.
        unsafe {
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), place.add(offset as usize), bytes.len());
        };
    }
}
