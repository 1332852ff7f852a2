//! A ring in a segment, mapped twice back to back: what is the same of ours and of a peer's.

use core::marker::PhantomData;
use core::ptr::NonNull;

use super::{Ring, SegmentSize};
use crate::sync::Arc;
use crate::sys::gate::Gate;
use crate::sys::map::Mapping;

/// Marks a ring that we write.
#[derive(Debug)]
pub(crate) enum Own {}

/// Marks a ring that the peer writes: the mapping is read-only.
#[derive(Debug)]
pub(crate) enum Foreign {}

/// A mapped ring, `Own` or `Foreign`.
#[derive(Debug)]
pub(crate) struct MappedRing<S> {
    base: NonNull<u8>,
    /// An address in the first copy.
    foothold: NonNull<u8>,
    mask: u64,
    gate: Gate,
    _mapping: Arc<Mapping>,
    side: PhantomData<S>,
}

// SAFETY: the ring is memory that `_mapping` keeps; the one half that uses it may move between threads.
unsafe impl<S> Send for MappedRing<S> {}
// SAFETY: `&self` methods only store and load atomically, or copy foreign bytes out.
unsafe impl<S> Sync for MappedRing<S> {}

impl<S> MappedRing<S> {
    /// The ring of a lane in a segment.
    ///
    /// # Panics
    /// When there is no such lane.
    ///
    /// # Safety
    /// `mapping` is `Mapping::doubled` of `size`, writable if `S` is [`Own`].
    pub(super) unsafe fn new(
        mapping: &Arc<Mapping>,
        size: &SegmentSize,
        lane: usize,
        gate: Gate,
    ) -> Self {
        assert!(lane < size.lanes, "no lane {lane}");
        // SAFETY: behind the control area there are both copies of each ring, and this is one of them.
        let base = unsafe { mapping.base().add(size.control + 2 * lane * size.ring) };
        let base = NonNull::new(base).expect("the kernel maps nothing at zero");
        Self {
            base,
            foothold: base,
            mask: size.ring as u64 - 1,
            gate,
            _mapping: Arc::clone(mapping),
            side: PhantomData,
        }
    }
}

impl<S> Ring for MappedRing<S> {
    type Place = *mut u8;

    #[inline(always)]
    fn capacity(&self) -> u64 {
        self.mask + 1
    }

    #[inline(always)]
    fn gate(&self) -> u64 {
        self.gate.get()
    }

    #[inline(always)]
    fn set_gate(&mut self, value: u64) {
        self.gate.set(value);
    }

    #[inline(always)]
    fn place(&self, position: u64) -> *mut u8 {
        // SAFETY: `position & mask < capacity`, inside the first copy of the ring; `capacity` bytes from there are mapped.
        unsafe { self.base.as_ptr().add((position & self.mask) as usize) }
    }

    fn foothold(&mut self, position: u64) {
        // SAFETY: as in `place`; it is not null, being in a mapping.
        self.foothold = unsafe { self.base.add((position & self.mask) as usize) };
    }

    #[inline(always)]
    unsafe fn near(&self, bytes: u64) -> *mut u8 {
        // SAFETY: the foothold is in the first copy, so `capacity` bytes from there are mapped, and `bytes` is less.
        unsafe { self.foothold.as_ptr().add(bytes as usize) }
    }
}
