//! The sending half: reserve space, write, commit.
//!
//! Invariant: the word at the published tail is always zero in shared memory, so a consumer that has read everything that was
//! published sees "not yet". While a group is open its first header is withheld in `withheld`, and every later header lies
//! behind a word that is still zero.

use super::ahead::Ahead;
use crate::layout::geometry::{Geometry, padding};
use crate::layout::header::{HEADER, Header, frame_length};
use crate::layout::violation::Violation;
use crate::segment::{ForeignWord, OwnRing};
use crate::sync::{Ordering, Site, fence, order};

/// Space for one frame, handed out by [`Producer::try_reserve`] and taken back by a commit. Dropping it aborts: nothing was written
/// that a reader could see.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Where the operation starts: the pad's header if there is one, else the frame's.
    origin: u64,
    /// Bytes of pad before the frame.
    pad: u64,
    /// Payload bytes reserved.
    payload: u32,
}

impl Slot {
    /// Position and offset of the payload, for writing in place.
    pub(crate) fn payload_place(&self) -> (u64, u64) {
        (self.origin, self.pad + HEADER)
    }

    /// Payload bytes reserved.
    pub(crate) fn payload(&self) -> u32 {
        self.payload
    }
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no room now. There will be, once the consumer has released enough.
    Full,
    /// There will never be room: the payload, in bytes, and the most that is certain to fit.
    TooLarge { payload: usize, most: u64 },
    /// The alignment is not one that the handshake allowed for.
    Alignment { asked: usize, most: u32 },
    /// The peer broke a rule; the lane is over.
    Broken(Violation),
}

/// The sending half of a lane.
#[derive(Debug)]
pub(crate) struct Producer<R, W> {
    ring: R,
    /// The consumer's released position, in its segment.
    released: W,
    /// Where the next frame goes. Private: never read back from shared memory.
    tail: u64,
    /// `released (as last seen) + capacity`: a frame fits if it and its terminator end at or before this.
    limit: u64,
    /// The longest payload that is certain to fit.
    most: u64,
    /// Everything before this is visible to the consumer.
    published: u64,
    /// The first header of the open group; zero: no group is open.
    withheld: u64,
    /// Commits are followed by a look at the peer's park epoch, and so carry the barrier.
    fenced: bool,
    alignment: u32,
    ahead: Ahead,
    /// Nanoseconds since some moment.
    clock: fn() -> u64,
}

impl<R: OwnRing, W: ForeignWord> Producer<R, W> {
    /// A producer on an empty ring. `fenced`: the consumer may sleep, so each publish is a full barrier too. `clock`
    /// counts nanoseconds; it is asked once per lap.
    pub(crate) fn new(
        ring: R,
        released: W,
        geometry: &Geometry,
        fenced: bool,
        clock: fn() -> u64,
    ) -> Self {
        debug_assert_eq!(ring.capacity(), geometry.capacity);
        let mut producer = Self {
            ring,
            released,
            tail: geometry.start,
            limit: geometry.start + geometry.capacity,
            most: geometry.largest_payload(),
            published: geometry.start,
            withheld: 0,
            fenced,
            alignment: geometry.alignment,
            ahead: Ahead::default(),
            clock,
        };
        producer.terminate(geometry.start, 0);
        producer
    }

    /// Whether publishing is a full barrier.
    #[inline(always)]
    pub(crate) fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// Bytes in the ring.
    pub(crate) fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// The longest payload that is certain to fit, in bytes.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// The position behind the last published frame.
    #[cfg(test)]
    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    /// Whether frames wait in an open group.
    pub(crate) fn has_open_group(&self) -> bool {
        self.withheld != 0
    }

    /// The memory, for writing a payload in place.
    #[inline(always)]
    pub(crate) fn ring_mut(&mut self) -> &mut R {
        &mut self.ring
    }

    /// Copies `payload` into a frame and publishes it. The fast path of everything.
    #[inline(always)]
    pub(crate) fn try_send(&mut self, payload: &[u8], kind: u16) -> Result<(), Refusal> {
        if self.has_open_group() {
            // Its guard was leaked: what it held goes first, or nothing behind it would ever be seen.
            self.publish();
        }
        let length = frame_length(payload.len() as u64);
        if payload.len() as u64 > self.most || self.tail + length + HEADER > self.limit {
            self.make_room(payload.len(), length)?;
        }
        let origin = self.tail;
        self.ask_ahead(origin);
        self.terminate(origin, length);
        // SAFETY: `length + HEADER <= capacity`, since `origin + length + HEADER <= limit` and `limit <= origin + capacity`; all that
        // range is released, and no reservation is alive, since it would borrow `self`.
        unsafe { self.ring.write(origin, HEADER, payload) };
        self.tail = origin + length;
        self.publish_word(origin, Header::frame(payload.len() as u32, kind).0);
        Ok(())
    }

    /// Copies `payload` into a frame of the open group, or opens one with it. Nothing becomes visible.
    #[inline(always)]
    pub(crate) fn try_append(&mut self, payload: &[u8], kind: u16) -> Result<(), Refusal> {
        let length = frame_length(payload.len() as u64);
        if payload.len() as u64 > self.most || self.tail + length + HEADER > self.limit {
            self.make_room(payload.len(), length)?;
        }
        let origin = self.tail;
        self.ask_ahead(origin);
        // As in `append`.
        crate::sync::alias_fence();
        self.terminate(origin, length);
        // SAFETY: as in `try_send`.
        unsafe { self.ring.write(origin, HEADER, payload) };
        let header = Header::frame(payload.len() as u32, kind);
        if self.withheld == 0 {
            self.withheld = header.0;
        } else {
            self.store_header(origin, 0, header);
        }
        self.tail = origin + length;
        Ok(())
    }

    /// Asks for the lines of later frames, if this is a stream.
    #[inline(always)]
    fn ask_ahead(&mut self, origin: u64) {
        if self.ahead.wrote_frame() {
            self.ring.prepare(origin);
        }
    }

    /// Finds room for a payload whose address is a multiple of `alignment`.
    #[inline(always)]
    pub(crate) fn try_reserve(
        &mut self,
        payload: usize,
        alignment: usize,
    ) -> Result<Slot, Refusal> {
        if !alignment.is_power_of_two() || alignment > self.alignment as usize {
            return Err(Refusal::Alignment {
                asked: alignment,
                most: self.alignment,
            });
        }
        let pad = padding(self.tail, (alignment as u64).max(8));
        let length = frame_length(payload as u64);
        if payload as u64 > self.most || self.tail + pad + length + HEADER > self.limit {
            self.make_room(payload, pad + length)?;
        }
        Ok(Slot {
            origin: self.tail,
            pad,
            payload: payload as u32,
        })
    }

    /// Writes payload bytes into a slot, from its beginning.
    #[inline]
    pub(crate) fn fill(&mut self, slot: &Slot, payload: &[u8]) {
        assert!(
            payload.len() <= slot.payload as usize,
            "payload longer than its slot"
        );
        // SAFETY: inside the slot, which `try_reserve` found room for.
        unsafe { self.ring.write(slot.origin, slot.pad + HEADER, payload) };
    }

    /// Publishes the frame in `slot` with the first `payload` bytes of it.
    #[cfg(test)]
    pub(crate) fn commit(&mut self, slot: &Slot, payload: u32, kind: u16) {
        self.append(slot, payload, kind);
        self.publish();
    }

    /// Adds the frame in `slot` to the open group, or opens one with it. Nothing becomes visible.
    #[inline(always)]
    pub(crate) fn append(&mut self, slot: &Slot, payload: u32, kind: u16) {
        assert!(
            slot.origin == self.tail && payload <= slot.payload,
            "slot of another time"
        );
        let header = Header::frame(payload, kind);
        let end = slot.pad + header.length();
        // The slot may begin in the first copy of the ring where the last one ended in the second: two addresses of one word, whose
        // stores (its terminator, this header) the compiler must not exchange.
        crate::sync::alias_fence();
        self.ask_ahead(slot.origin);
        self.terminate(slot.origin, end);
        let first = if slot.pad == 0 {
            header
        } else {
            self.store_header(slot.origin, slot.pad, header);
            Header::pad(slot.pad)
        };
        if self.withheld == 0 {
            self.withheld = first.0;
        } else {
            self.store_header(slot.origin, 0, first);
        }
        self.tail = slot.origin + end;
    }

    /// Makes the open group visible, all of it with one store. Returns whether there was one.
    #[inline(always)]
    pub(crate) fn publish(&mut self) -> bool {
        let first = core::mem::take(&mut self.withheld);
        if first == 0 {
            return false;
        }
        self.publish_word(self.published, first);
        true
    }

    /// The terminator behind what is about to be published.
    #[inline(always)]
    fn terminate(&mut self, origin: u64, offset: u64) {
        // SAFETY: multiples of 8; the caller found room for the terminator: `offset + 8 <= capacity`.
        // ORD: terminator: Relaxed, ordered before the commit that follows by that commit's release; partner: ring/consumer.rs (take).
        unsafe { self.ring.store(origin, offset, 0, Ordering::Relaxed) };
    }

    /// A header that is not the first of its group: it lies behind a word that is still zero.
    #[inline(always)]
    fn store_header(&mut self, origin: u64, offset: u64, header: Header) {
        // SAFETY: multiples of 8, inside a slot that room was found for.
        // ORD: inner-header: Relaxed, made visible by the group's commit; partner: ring/consumer.rs (take).
        unsafe { self.ring.store(origin, offset, header.0, Ordering::Relaxed) };
    }

    #[inline(always)]
    fn publish_word(&mut self, position: u64, word: u64) {
        self.published = self.tail;
        if self.fenced {
            // SAFETY: `position` is a multiple of 8 and offset 0 is always in bounds.
            // ORD: commit, wake-barrier: publishes the frames, and the look at the epoch stays behind; partner: ring/consumer.rs
            // (take), wake/park.rs (park-barrier).
            unsafe {
                self.ring
                    .store_fenced(position, 0, word, Site::Commit, Site::WakeBarrier);
            };
        } else {
            // SAFETY: as above.
            // ORD: commit: publishes the frames; partner: ring/consumer.rs (take).
            unsafe {
                self.ring
                    .store(position, 0, word, order(Site::Commit, Ordering::Release));
            };
        }
    }

    /// Looks again at what the consumer has released; `needed` bytes and a terminator must fit.
    #[cold]
    fn make_room(&mut self, payload: usize, needed: u64) -> Result<(), Refusal> {
        if payload as u64 > self.most {
            return Err(Refusal::TooLarge {
                payload,
                most: self.most,
            });
        }
        self.reclaim().map_err(Refusal::Broken)?;
        self.ahead.lap((self.clock)());
        if self.tail + needed + HEADER > self.limit {
            Err(Refusal::Full)
        } else {
            Ok(())
        }
    }

    /// Takes over the consumer's released position, if it is possible.
    pub(crate) fn reclaim(&mut self) -> Result<(), Violation> {
        let released = self.released.load();
        // ORD: reclaim: the consumer's reads of what it released come before our writes there; partner: ring/consumer.rs (release).
        fence(Site::Reclaim, Ordering::Acquire);
        let known = self.limit - self.ring.capacity();
        if released < known || released > self.published || released % 8 != 0 {
            return Err(Violation::ReleasedOutOfRange {
                released,
                at_least: known,
                at_most: self.published,
            });
        }
        self.limit = released + self.ring.capacity();
        Ok(())
    }

    /// Whether a frame of `payload` bytes fits now, after a fresh look.
    pub(crate) fn has_room(&mut self, payload: usize, alignment: usize) -> Result<bool, Refusal> {
        match self.try_reserve(payload, alignment) {
            Ok(_) => Ok(true),
            Err(Refusal::Full) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// The released position as last seen.
    #[cfg(test)]
    pub(crate) fn known_released(&self) -> u64 {
        self.limit - self.ring.capacity()
    }
}
