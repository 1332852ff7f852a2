//! A lane's memory on the heap, instrumented: what the models put in the place of two mappings of one page.
//!
//! Each word of the ring has three faces. The atomic holds the bits, as header loads see them. Two shadow cells make loom report what the
//! atomic alone would hide, since on the real machine payload is copied by ordinary instructions:
//!
//! | access        | `payload` cell | `header` cell |
//! | ------------- | -------------- | ------------- |
//! | payload write | written        | written       |
//! | payload read  | read           |               |
//! | header store  | written        |               |
//! | header load   |                | read          |
//!
//! So everything that touches payload must be ordered against everything that touches the same word, and only a header store and a header
//! load may meet: that pair is the protocol. (Where schedules are random, nothing but what was read tells: see `cell`.) Positions wrap at the capacity, which may be as small as a few words, so that payload
//! comes to lie on payload and on headers within a few frames.

use std::sync::Arc;

#[cfg(ringway_shuttle)]
use cell::UnsafeCell;
#[cfg(loom)]
use loom::cell::UnsafeCell;

use super::{ForeignRing, ForeignWord, OwnRing, OwnWord, Ring};
use crate::sync::{AtomicU64, Ordering, Site, fence, mortal, order};

/// One word of the ring.
#[derive(Debug)]
struct Word {
    bits: AtomicU64,
    payload: UnsafeCell<u64>,
    header: UnsafeCell<()>,
}

// SAFETY: the cells are loom's, which reports any two accesses that are not ordered; that is what they are for.
unsafe impl Sync for Word {}
// SAFETY: as above.
unsafe impl Send for Word {}

/// A ring: the producer's handle and the consumer's are clones of one another.
#[derive(Clone, Debug)]
pub(crate) struct HeapRing {
    words: Arc<[Word]>,
    gate: u64,
    foothold: u64,
}

impl HeapRing {
    /// A ring of `capacity` bytes, a power of two. It starts as garbage, as a ring that was long in use: nothing may rest on zeros.
    pub(crate) fn new(capacity: u64) -> Self {
        assert!(capacity.is_power_of_two() && capacity >= 8);
        let garbage = u64::MAX;
        let word = |_| Word {
            bits: AtomicU64::new(garbage),
            payload: UnsafeCell::new(garbage),
            header: UnsafeCell::new(()),
        };
        Self {
            words: (0..capacity / 8).map(word).collect(),
            gate: 0,
            foothold: 0,
        }
    }

    fn word(&self, position: u64) -> &Word {
        &self.words[(position / 8) as usize & (self.words.len() - 1)]
    }

    /// Splits `length` bytes at `position` into words: the word, where in it, where in the bytes, and how many.
    fn pieces(
        &self,
        position: u64,
        length: usize,
    ) -> impl Iterator<Item = (&Word, usize, usize, usize)> {
        let mut done = 0;
        core::iter::from_fn(move || {
            let place = position + done as u64;
            let within = (place % 8) as usize;
            let count = (8 - within).min(length - done);
            let piece = (self.word(place), within, done, count);
            done += count;
            (count > 0).then_some(piece)
        })
    }
}

impl Ring for HeapRing {
    type Place = u64;

    fn capacity(&self) -> u64 {
        self.words.len() as u64 * 8
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
        assert!(bytes < self.capacity(), "near the foothold is within a lap");
        self.foothold + bytes
    }
}

impl OwnRing for HeapRing {
    unsafe fn store(&self, origin: u64, offset: u64, word: u64, order: Ordering) {
        assert!(
            (origin | offset) % 8 == 0 && offset + 8 <= self.capacity(),
            "store out of bounds"
        );
        mortal::step();
        let target = self.word(origin + offset);
        // SAFETY: loom hands out the pointer for the closure and reports a conflict.
        target
            .payload
            .with_mut(|payload| unsafe { *payload = word });
        // ORD: own-ring-word: the caller's; partner: named at each call.
        target.bits.store(word, order);
    }

    unsafe fn load(&self, origin: u64, offset: u64) -> u64 {
        // ORD: own-look: Relaxed, whoever asks has written it; partner: none.
        self.word(origin + offset).bits.load(Ordering::Relaxed)
    }

    unsafe fn carry(&mut self, from: &Self, position: u64, length: u64) {
        for offset in (0..length).step_by(8) {
            // SAFETY: the caller's promise, handed on.
            let word = unsafe { OwnRing::load(from, position, offset) };
            let bytes = word.to_le_bytes();
            // SAFETY: the caller's promise, handed on.
            unsafe {
                self.write(
                    position,
                    offset,
                    &bytes[..(length - offset).min(8) as usize],
                )
            };
        }
    }

    unsafe fn store_fenced(&self, origin: u64, word: u64, commit: Site, barrier: Site) {
        // Loom takes a sequentially consistent access for an acquire-release one, so the exchange is a store and a fence here.
        // SAFETY: the caller's promise, handed on.
        // ORD: commit: publishes the frame; partner: ring/consumer.rs (take).
        unsafe { self.store(origin, 0, word, order(commit, Ordering::Release)) };
        // ORD: wake-barrier: the commit before the look at the epoch; partner: wake/park.rs (park-barrier).
        fence(barrier, Ordering::SeqCst);
    }

    unsafe fn write(&mut self, origin: u64, offset: u64, bytes: &[u8]) {
        assert!(
            offset + bytes.len() as u64 <= self.capacity(),
            "write out of bounds"
        );
        for (target, within, from, count) in self.pieces(origin + offset, bytes.len()) {
            mortal::step();
            let bits = target.payload.with_mut(|payload| {
                // SAFETY: loom hands out the pointer for the closure and reports a conflict.
                let payload = unsafe { &mut *payload };
                let mut word = payload.to_le_bytes();
                word[within..within + count].copy_from_slice(&bytes[from..from + count]);
                *payload = u64::from_le_bytes(word);
                *payload
            });
            target.header.with_mut(|_| ());
            // ORD: payload: Relaxed, so that a header load at a wrong place sees these bits; partner: itself.
            target.bits.store(bits, Ordering::Relaxed);
        }
    }
}

impl ForeignRing for HeapRing {
    unsafe fn load(&self, position: u64) -> u64 {
        assert!(position % 8 == 0, "load of no word");
        mortal::step();
        let source = self.word(position);
        source.header.with(|_| ());
        // ORD: foreign-ring-word: Relaxed; the caller fences (take); partner: ring/producer.rs (commit).
        source.bits.load(Ordering::Relaxed)
    }

    unsafe fn read<const SKIP: usize>(&self, position: u64, target: &mut [u8]) {
        let offset = SKIP as u64;
        assert!(
            offset + target.len() as u64 <= self.capacity(),
            "read out of bounds"
        );
        for (source, within, to, count) in self.pieces(position + offset, target.len()) {
            mortal::step();
            #[cfg(ringway_shuttle)]
            // ORD: payload: Relaxed, for others to come in between two words; partner: itself.
            source.bits.load(Ordering::Relaxed);
            // SAFETY: loom hands out the pointer for the closure and reports a conflict.
            let word = source
                .payload
                .with(|payload| unsafe { *payload })
                .to_le_bytes();
            target[to..to + count].copy_from_slice(&word[within..within + count]);
        }
    }
}

/// The same ring, as one reads it who asks afterwards whether what he read was still there: he may meet a write, so that only the bits
/// are looked at, word by word.
#[derive(Clone, Debug)]
pub(crate) struct TappedRing(pub(crate) HeapRing);

impl Ring for TappedRing {
    type Place = u64;

    fn capacity(&self) -> u64 {
        self.0.capacity()
    }

    fn gate(&self) -> u64 {
        self.0.gate()
    }

    fn set_gate(&mut self, value: u64) {
        self.0.set_gate(value);
    }

    fn place(&self, position: u64) -> u64 {
        position
    }

    fn foothold(&mut self, position: u64) {
        self.0.foothold(position);
    }

    unsafe fn near(&self, bytes: u64) -> u64 {
        // SAFETY: the caller's promise, handed on.
        unsafe { self.0.near(bytes) }
    }
}

impl ForeignRing for TappedRing {
    unsafe fn load(&self, position: u64) -> u64 {
        assert!(position % 8 == 0, "load of no word");
        mortal::step();
        // ORD: foreign-ring-word: Relaxed; the caller fences (take); partner: ring/producer.rs (commit).
        self.0.word(position).bits.load(Ordering::Relaxed)
    }

    unsafe fn read<const SKIP: usize>(&self, position: u64, target: &mut [u8]) {
        let offset = SKIP as u64;
        assert!(
            offset + target.len() as u64 <= self.capacity(),
            "read out of bounds"
        );
        for (source, within, to, count) in self.0.pieces(position + offset, target.len()) {
            mortal::step();
            // ORD: payload: Relaxed, what races is thrown away; partner: ring/tap.rs (glimpse).
            let word = source.bits.load(Ordering::Relaxed).to_le_bytes();
            target[to..to + count].copy_from_slice(&word[within..within + count]);
        }
    }
}

/// A word of a control area: the owner's handle and the peer's are clones of one another.
#[derive(Clone, Debug)]
pub(crate) struct HeapWord {
    word: Arc<AtomicU64>,
}

impl HeapWord {
    pub(crate) fn new(value: u64) -> Self {
        Self {
            word: Arc::new(AtomicU64::new(value)),
        }
    }
}

impl OwnWord for HeapWord {
    fn store(&self, value: u64, order: Ordering) {
        mortal::step();
        // ORD: own-word: the caller's; partner: named at each call.
        self.word.store(value, order);
    }
}

impl ForeignWord for HeapWord {
    fn load(&self) -> u64 {
        mortal::step();
        // ORD: foreign-word: Relaxed; the caller fences; partner: named at each call.
        self.word.load(Ordering::Relaxed)
    }
}

/// In the place of loom's cells, where schedules are random: nothing is reported, and what is torn or written over shows in the bytes.
#[cfg(ringway_shuttle)]
mod cell {
    #[derive(Debug)]
    pub(super) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(super) fn new(value: T) -> Self {
            Self(core::cell::UnsafeCell::new(value))
        }

        pub(super) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        pub(super) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }
}
