//! A peer's segment, mapped read-only. Everything in it may change at any time.

use core::ptr::NonNull;
use std::os::fd::BorrowedFd;

use super::mapped::{Foreign, MappedRing};
use super::{ForeignRing, ForeignWord, SegmentSize, copy};
use crate::sync::{Arc, AtomicU64, Ordering};
use crate::sys::gate::Gate;
use crate::sys::map::{Access, Mapping};
use crate::sys::memfd::{self, Defect, Identity};
use crate::sys::prefetch;

/// A segment that the peer writes and we read.
#[derive(Debug)]
pub(crate) struct ForeignSegment {
    mapping: Arc<Mapping>,
    size: SegmentSize,
}

impl ForeignSegment {
    /// Checks a received descriptor against the announced `size` and maps it, unless it is `own`. The descriptor is not needed afterwards.
    pub(crate) fn map(
        descriptor: BorrowedFd<'_>,
        size: SegmentSize,
        prefault: bool,
        own: Option<Identity>,
    ) -> Result<Self, Defect> {
        memfd::inspect(descriptor, size.total(), size.huge, own)?;
        let mapping = Mapping::doubled(
            descriptor,
            size.control,
            size.rings(),
            size.huge,
            Access::ReadOnly,
            prefault,
        )
        .map_err(|error| Defect::Unreadable(error.raw_os_error().unwrap_or(0)))?;
        Ok(Self {
            mapping: Arc::new(mapping),
            size,
        })
    }

    /// Keeps its pages in memory for as long as it is mapped.
    pub(crate) fn lock(&self) -> std::io::Result<()> {
        self.mapping.lock(self.size.control, self.size.rings())
    }

    /// What it takes.
    pub(crate) fn size(&self) -> SegmentSize {
        self.size
    }

    /// The word at `offset` in the peer's control area.
    pub(crate) fn word(&self, offset: usize) -> MappedForeignWord {
        assert!(
            offset % 8 == 0 && offset + 8 <= self.size.control,
            "no word at {offset}"
        );
        // SAFETY: in bounds by the check above.
        let pointer = unsafe { self.mapping.base().add(offset) };
        MappedForeignWord {
            word: non_null(pointer).cast(),
            _mapping: Arc::clone(&self.mapping),
        }
    }

    /// Copies bytes out of the peer's control area, from `offset` on.
    pub(crate) fn copy_control(&self, offset: usize, target: &mut [u8]) {
        assert!(
            offset <= self.size.control && target.len() <= self.size.control - offset,
            "no such bytes at {offset}"
        );
        // SAFETY: the range is in bounds by the check above and stays mapped while `self` lives; `target` is private.
        unsafe {
            let place = self.mapping.base().add(offset);
            copy::copy_out::<0>(place, target.as_mut_ptr(), target.len());
        };
    }

    /// The ring of a lane that the peer sends into.
    pub(crate) fn ring(&self, lane: usize, gate: Gate) -> MappedForeignRing {
        // SAFETY: `map` made the mapping of this size.
        unsafe { MappedRing::new(&self.mapping, &self.size, lane, gate) }
    }
}

fn non_null(address: *mut u8) -> NonNull<u8> {
    // A successful mapping is never at address zero: the kernel chose the address.
    NonNull::new(address).expect("the kernel maps nothing at zero")
}

/// A word of the peer's control area.
#[derive(Debug)]
pub(crate) struct MappedForeignWord {
    word: NonNull<AtomicU64>,
    _mapping: Arc<Mapping>,
}

// SAFETY: the word is an atomic in a mapping that `_mapping` keeps, and it is only loaded.
unsafe impl Send for MappedForeignWord {}
// SAFETY: as above.
unsafe impl Sync for MappedForeignWord {}

impl ForeignWord for MappedForeignWord {
    #[inline(always)]
    fn load(&self) -> u64 {
        // SAFETY: aligned and in bounds (checked when it was made), mapped while `_mapping` lives. The reference is to an atomic, which
        // may be changed by others.
        let word = unsafe { self.word.as_ref() };
        // ORD: foreign-word: Relaxed; the caller fences; partner: named at each call.
        word.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn warm(&self) {
        prefetch::to_read(self.word.as_ptr().cast());
    }
}

/// The peer's ring.
pub(crate) type MappedForeignRing = MappedRing<Foreign>;

impl ForeignRing for MappedForeignRing {
    #[inline(always)]
    unsafe fn load(&self, place: *mut u8) -> u64 {
        // SAFETY: aligned by the caller's contract, in bounds, and mapped while `self` lives.
        let word = unsafe { &*place.cast::<AtomicU64>() };
        // ORD: foreign-ring-word: Relaxed; the caller fences (take); partner: ring/producer.rs (commit).
        word.load(Ordering::Relaxed)
    }

    #[inline(always)]
    unsafe fn read<const SKIP: usize>(&self, place: *mut u8, target: &mut [u8]) {
        // SAFETY: `capacity` bytes are mapped from `place`, and `SKIP + target.len()` is no more; `target` is private.
        unsafe { copy::copy_out::<SKIP>(place, target.as_mut_ptr(), target.len()) };
    }

    #[inline(always)]
    fn warm(&self, place: *mut u8) {
        // Enough for the processor's own prefetcher to see where this goes.
        for line in 0..8 {
            prefetch::to_read(place.wrapping_add(line * 64));
        }
    }

    #[inline(always)]
    fn warm_before(&self, place: *mut u8) {
        prefetch::to_read(place.wrapping_sub(64));
    }

    #[inline(always)]
    fn warm_after(&self, place: *mut u8) {
        prefetch::to_read(place.wrapping_add(64));
    }

    #[inline(always)]
    fn warm_behind(&self, place: *mut u8) {
        prefetch::to_read(place.wrapping_add(512));
    }
}
