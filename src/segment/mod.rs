//! Own and foreign mappings: the only code that touches shared bytes.
//!
//! Two kinds of memory, four small traits. What is *own* is written by exactly one half of this process and read by the peer; what
//! is *foreign* is written by the peer at any time and can only be read. The traits exist so that `ring` and `wake` run on
//! mapped memory in production and on loom's instrumented memory in the models, from the same source.
//!
//! Absent on purpose: offsets with a meaning (`layout`), frames (`ring`), and any `&` or `&mut` into foreign memory: it leaves
//! by copy only ([`copy`]), save through the pointer that the trusted mode asks for by name.

#[cfg(not(any(loom, ringway_shuttle)))]
pub(crate) mod copy;
#[cfg(not(any(loom, ringway_shuttle)))]
mod foreign;
#[cfg(any(loom, ringway_shuttle))]
pub(crate) mod heap;
#[cfg(not(any(loom, ringway_shuttle)))]
mod mapped;
#[cfg(not(any(loom, ringway_shuttle)))]
mod own;
#[cfg(all(test, ringway_tsan))]
pub(crate) mod plain;

#[cfg(not(any(loom, ringway_shuttle)))]
pub(crate) use crate::sys::gate::Gate;
#[cfg(not(any(loom, ringway_shuttle)))]
pub(crate) use foreign::{ForeignSegment, MappedForeignRing, MappedForeignWord};
#[cfg(not(any(loom, ringway_shuttle)))]
pub(crate) use own::{MappedOwnRing, MappedOwnWord, OwnSegment, SegmentSize};

use crate::sync::{Ordering, Site};

/// A word in our segment. One half writes it; the peer reads it.
pub(crate) trait OwnWord {
    /// Stores `value`.
    fn store(&self, value: u64, order: Ordering);

    /// Asks for its line, which will soon be written. A hint.
    #[inline(always)]
    fn warm(&self) {}
}

/// A word in the peer's segment. It may change at any time and hold anything.
pub(crate) trait ForeignWord {
    /// Loads it once, relaxed: an acquire load from a read-only mapping is not promised, so callers fence.
    fn load(&self) -> u64;

    /// Asks for its line, which will soon be read. A hint.
    #[inline(always)]
    fn warm(&self) {}
}

/// The memory of a ring, as the one half that uses it holds it.
///
/// One operation asks once for the [`place`](Ring::place) of the 64-bit position at which it starts, and names everything else by a
/// byte offset from there: so all its accesses go through the same copy of the doubled mapping, and the address is computed once.
pub(crate) trait Ring {
    /// Where a position lies.
    type Place: Copy;

    /// Bytes in the ring: a power of two.
    fn capacity(&self) -> u64;

    /// A private word for the half that owns this handle. In a child of a fork, where the ring is not mapped, it reads as zero; so a
    /// half that compares with it before it touches the ring needs no other look for a fork.
    fn gate(&self) -> u64;

    /// Sets the [`gate`](Ring::gate).
    fn set_gate(&mut self, value: u64);

    /// The place of `position`.
    fn place(&self, position: u64) -> Self::Place;

    /// Makes the place of `position` the one from which [`near`](Ring::near) goes.
    fn foothold(&mut self, position: u64);

    /// The place `bytes` behind the foothold, at which fewer than `capacity - bytes` bytes may be used: one addition, where [`place`](Ring::place)
    /// takes two steps.
    ///
    /// # Safety
    /// `bytes < capacity`.
    unsafe fn near(&self, bytes: u64) -> Self::Place;
}

/// The ring that we send into.
pub(crate) trait OwnRing: Ring {
    /// Stores a header word.
    ///
    /// # Safety
    /// `place` is of this ring and of a position that is a multiple of 8, `offset` is one too, and `offset + 8 <= capacity`.
    unsafe fn store(&self, place: Self::Place, offset: u64, word: u64, order: Ordering);

    /// Stores a header word at `place` with release at `commit`, and lets no later load pass it (the barrier at `barrier`).
    ///
    /// # Safety
    /// `place` is of this ring and of a position that is a multiple of 8.
    unsafe fn store_fenced(&self, place: Self::Place, word: u64, commit: Site, barrier: Site);

    /// Loads a word that we have written.
    ///
    /// # Safety
    /// As for [`store`](OwnRing::store).
    unsafe fn load(&self, place: Self::Place, offset: u64) -> u64;

    /// Copies `length` bytes from where they lie in another ring of ours, which may have another capacity, to the same positions in this one.
    ///
    /// # Safety
    /// `length` is at most either capacity, and the range lies in space of this ring that nobody has been told of.
    unsafe fn carry(&mut self, from: &Self, position: u64, length: u64);

    /// Asks for the lines that frames written soon will need, so that the store that fills them does not wait for them. A hint: it
    /// changes nothing that a program can see.
    fn prepare(&self, _place: Self::Place) {}

    /// The same for a short frame at `place` itself.
    fn warm(&self, _place: Self::Place) {}

    /// Writes payload bytes.
    ///
    /// # Safety
    /// `place` is of this ring, `offset + bytes.len() <= capacity`, and the range lies in space that the peer has released.
    unsafe fn write(&mut self, place: Self::Place, offset: u64, bytes: &[u8]);
}

/// The ring that we receive from.
pub(crate) trait ForeignRing: Ring {
    /// Loads the word at `place`, relaxed. The value is the peer's to choose.
    ///
    /// # Safety
    /// `place` is of this ring and of a position that is a multiple of 8.
    unsafe fn load(&self, place: Self::Place) -> u64;

    /// Copies bytes out, from `SKIP` bytes behind `place` on. What arrives is whatever the peer had there; nothing is assumed of it.
    ///
    /// # Safety
    /// `place` is of this ring, and `SKIP + target.len() <= capacity`; less what a place near the foothold is behind it.
    unsafe fn read<const SKIP: usize>(&self, place: Self::Place, target: &mut [u8]);

    /// Asks for the lines at `place`, which will soon be read. A hint.
    #[inline(always)]
    fn warm(&self, _place: Self::Place) {}

    /// Asks for the line before `place`. A hint.
    #[inline(always)]
    fn warm_before(&self, _place: Self::Place) {}

    /// Asks for the line behind that of `place`, to be read. A hint.
    #[inline(always)]
    fn warm_after(&self, _place: Self::Place) {}

    /// Asks for the line a few lines behind `place`. A hint.
    #[inline(always)]
    fn warm_behind(&self, _place: Self::Place) {}
}
