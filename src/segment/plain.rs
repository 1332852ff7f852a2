//! A lane's memory on the heap for ThreadSanitizer: headers are atomics, payload is plain bytes, as the compiler sees them.
//!
//! The sanitizer follows addresses, so it cannot follow two mappings of one page; and it knows no fences. So a foreign word is loaded with acquire here, in the place of a relaxed
//! load and the fence that follows it: what that fence is worth is the loom models' to show (`src/model`). What is shown here is that nothing else touches a byte that another
//! thread may touch.

use core::cell::UnsafeCell;
use std::sync::Arc;

use super::{ForeignRing, ForeignWord, OwnRing, OwnWord, Ring};
use crate::sync::{AtomicU64, Ordering, Site};

/// A planted fault, for the test that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Headers publish nothing.
    RelaxedCommit,
    /// The released position publishes nothing.
    RelaxedRelease,
}

#[derive(Debug)]
struct Memory(Box<[UnsafeCell<u64>]>);

// SAFETY: that its users keep out of each other's way is what the sanitizer checks.
unsafe impl Sync for Memory {}
// SAFETY: as above.
unsafe impl Send for Memory {}

/// A ring: the producer's handle and the consumer's are clones of one another.
#[derive(Clone, Debug)]
pub(crate) struct PlainRing {
    memory: Arc<Memory>,
    gate: u64,
    foothold: u64,
    fault: Fault,
}

impl PlainRing {
    /// A ring of `capacity` bytes, a power of two. It starts as garbage, as one that was long in use.
    pub(crate) fn new(capacity: u64, fault: Fault) -> Self {
        assert!(capacity.is_power_of_two() && capacity >= 8);
        let words = (0..capacity / 8).map(|_| UnsafeCell::new(u64::MAX));
        Self {
            memory: Arc::new(Memory(words.collect())),
            gate: 0,
            foothold: 0,
            fault,
        }
    }

    fn header(&self, position: u64) -> &AtomicU64 {
        assert!(position % 8 == 0, "no word at {position}");
        let word = &self.memory.0[(position / 8) as usize % self.memory.0.len()];
        // SAFETY: aligned and alive; that no plain access meets this one is what the sanitizer checks.
        unsafe { AtomicU64::from_ptr(word.get()) }
    }

    /// The pieces of `length` bytes at `position`: where each lies, and where in the bytes.
    fn pieces(&self, position: u64, length: usize) -> [(*mut u8, usize, usize); 2] {
        let capacity = self.capacity() as usize;
        assert!(length <= capacity, "out of bounds");
        let from = position as usize % capacity;
        let first = length.min(capacity - from);
        let base: *mut u8 = UnsafeCell::raw_get(self.memory.0.as_ptr()).cast();
        // SAFETY: `from < capacity`, and all words are one allocation.
        [(unsafe { base.add(from) }, 0, first), (base, first, length)]
    }

    fn unless(&self, fault: Fault, order: Ordering) -> Ordering {
        // ORD: planted: Relaxed, which is the fault; partner: none, so that it is found.
        let planted = Ordering::Relaxed;
        if self.fault == fault { planted } else { order }
    }
}

impl Ring for PlainRing {
    type Place = u64;

    fn capacity(&self) -> u64 {
        self.memory.0.len() as u64 * 8
    }

    fn gate(&self) -> u64 {
        self.gate
    }

    fn set_gate(&mut self, value: u64) {
        self.gate = value;
    }

    fn place(&self, position: u64) -> u64 {
        position
    }

    fn foothold(&mut self, position: u64) {
        self.foothold = position;
    }

    unsafe fn near(&self, bytes: u64) -> u64 {
        self.foothold + bytes
    }
}

impl OwnRing for PlainRing {
    unsafe fn store(&self, origin: u64, offset: u64, word: u64, order: Ordering) {
        let order = self.unless(Fault::RelaxedCommit, order);
        // ORD: own-ring-word: the caller's; partner: named at each call.
        self.header(origin + offset).store(word, order);
    }

    unsafe fn store_fenced(&self, origin: u64, word: u64, _commit: Site, _barrier: Site) {
        // ORD: commit: publishes the frame; partner: ring/consumer.rs (take).
        let order = self.unless(Fault::RelaxedCommit, Ordering::SeqCst);
        // ORD: commit: as above; partner: ring/consumer.rs (take).
        self.header(origin).swap(word, order);
    }

    unsafe fn load(&self, origin: u64, offset: u64) -> u64 {
        // ORD: own-look: Relaxed, whoever asks has written it; partner: none.
        self.header(origin + offset).load(Ordering::Relaxed)
    }

    unsafe fn carry(&mut self, _from: &Self, _position: u64, _length: u64) {
        unreachable!("no lane is taken over under this sanitizer");
    }

    unsafe fn write(&mut self, origin: u64, offset: u64, bytes: &[u8]) {
        for (place, from, to) in self.pieces(origin + offset, bytes.len()) {
            // SAFETY: inside the allocation; nobody reads there meanwhile, which is what the sanitizer checks.
            unsafe { core::ptr::copy_nonoverlapping(bytes[from..to].as_ptr(), place, to - from) };
        }
    }
}

impl ForeignRing for PlainRing {
    unsafe fn load(&self, position: u64) -> u64 {
        // ORD: foreign-ring-word: Acquire, as the sanitizer knows no fence; partner: ring/producer.rs (commit).
        self.header(position).load(Ordering::Acquire)
    }

    unsafe fn read<const SKIP: usize>(&self, position: u64, target: &mut [u8]) {
        for (place, from, to) in self.pieces(position + SKIP as u64, target.len()) {
            let target = target[from..to].as_mut_ptr();
            // SAFETY: inside the allocation; nobody writes there meanwhile, which is what the sanitizer checks.
            unsafe { core::ptr::copy_nonoverlapping(place.cast_const(), target, to - from) };
        }
    }
}

/// A word of a control area: the owner's handle and the peer's are clones of one another.
#[derive(Clone, Debug)]
pub(crate) struct PlainWord {
    word: Arc<AtomicU64>,
    fault: Fault,
}

impl PlainWord {
    pub(crate) fn new(fault: Fault) -> Self {
        let word = Arc::new(AtomicU64::new(0));
        Self { word, fault }
    }
}

impl OwnWord for PlainWord {
    fn store(&self, value: u64, order: Ordering) {
        // ORD: planted: Relaxed, which is the fault; partner: none, so that it is found.
        let planted = Ordering::Relaxed;
        let order = if self.fault == Fault::RelaxedRelease {
            planted
        } else {
            order
        };
        // ORD: own-word: the caller's; partner: named at each call.
        self.word.store(value, order);
    }
}

impl ForeignWord for PlainWord {
    fn load(&self) -> u64 {
        // ORD: foreign-word: Acquire, as the sanitizer knows no fence; partner: named at each call.
        self.word.load(Ordering::Acquire)
    }
}
