//! The sending half: reserve space, write, commit.
//!
//! Invariant: the word at the published tail is always zero in shared memory, so a consumer that has read everything that was
//! published sees "not yet". While a group is open its first header is withheld in `withheld`, and every later header lies
//! behind a word that is still zero.
//!
//! A plain send compares the end of its frame with one word, the ring's gate, which is also how everything that is rare is kept off
//! its path: it is zero while a group is open, once the lane is shut, and in the child of a fork, and then no frame passes.

mod announce;
mod backlog;
mod expiring;
mod recovery;
mod room;
mod unfenced;
mod warm;

pub(crate) use announce::LARGE;
pub(crate) use recovery::Carried;
pub(crate) use room::Readers;

use announce::Announcing;
use recovery::Recovery;

use super::ahead::Ahead;
use super::fencing::Fencing;
use super::manner::{Barrier, Manner, Published, SURE_LENGTH};
use super::slot::{Refusal, Slot};
use super::tally::{ONE, Tally};
use crate::layout::geometry::{Geometry, SURE_PAYLOAD, padding};
use crate::layout::header::{HEADER, Header, frame_length};
use crate::segment::{ForeignWord, OwnRing, OwnWord};
use crate::sync::{Ordering, Site, order};

/// The sending half of a lane.
///
/// What a plain send uses comes first, in a pair of lines of its own: of a thousand lanes that are used in turns, nothing is in a near cache.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Producer<R, W, T> {
    ring: R,
    /// Where the next frame goes. Private: never read back from shared memory.
    tail: u64,
    /// Frames that were written, those of an open group too.
    frames: u64,
    /// The longest that the gate lets through: large ones are announced.
    plain: u64,
    /// Where a terminator was written ahead of its frame, with nothing written behind the tail since; zero: nowhere.
    cleared: u64,
    manner: Manner,
    /// `released (as last seen) + capacity`: a frame fits if it and its terminator end at or before this. Zero: the lane is shut.
    limit: u64,
    /// The longest payload that is certain to fit.
    most: u64,
    announcing: Option<Announcing<T>>,
    /// The consumer's released position, in its segment.
    released: W,
    /// Our copy of the tail for tools, in our segment.
    told: T,
    /// The first header of the open group; zero: no group is open.
    withheld: u64,
    /// Where the open group starts, and how many frames are before it.
    group: u64,
    group_frames: u64,
    /// Where the lane starts.
    start: u64,
    /// Groups that were published.
    groups: u64,
    /// The most bytes that were found written and not released.
    high_water: u64,
    tally: Tally<T>,
    /// For those who read along.
    readers: Option<Readers<T>>,
    /// Where the barrier may be left out.
    fencing: Option<Fencing<T>>,
    alignment: u32,
    ahead: Ahead,
    /// Nanoseconds since some moment.
    clock: fn() -> u64,
    /// Where the connection can be resumed.
    recovery: Option<Recovery<W>>,
}

impl<R: OwnRing, W: ForeignWord, T: OwnWord> Producer<R, W, T> {
    /// A producer on an empty ring. `told`: the word for tools. `fenced`: the consumer may sleep, so each publish is a full
    /// barrier too. `clock` counts nanoseconds; it is asked at most once per lap.
    pub(crate) fn new(
        ring: R,
        released: W,
        told: T,
        geometry: &Geometry,
        fenced: bool,
        clock: fn() -> u64,
    ) -> Self {
        debug_assert_eq!(ring.capacity(), geometry.capacity);
        let barrier = if fenced {
            Barrier::Made
        } else {
            Barrier::Needless
        };
        let mut producer = Self {
            ring,
            released,
            told,
            tail: geometry.start,
            frames: 0,
            limit: geometry.start + geometry.capacity,
            most: geometry.largest_payload(),
            plain: geometry.largest_payload(),
            announcing: None,
            withheld: 0,
            group: 0,
            group_frames: 0,
            manner: Manner::new(barrier, false),
            fencing: None,
            cleared: 0,
            start: geometry.start,
            groups: 0,
            high_water: 0,
            tally: Tally::nowhere(),
            readers: None,
            alignment: geometry.alignment,
            ahead: Ahead::new(clock(), geometry.start),
            clock,
            recovery: None,
        };
        producer.terminate(producer.ring.place(geometry.start), 0);
        producer.tell();
        producer.open_gate();
        producer
    }

    /// Bytes in the ring.
    pub(crate) fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// The longest payload that is certain to fit, in bytes.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// The position behind the last published frame: everything before it is visible to the consumer.
    pub(crate) fn published(&self) -> u64 {
        if self.withheld == 0 {
            self.tail
        } else {
            self.group
        }
    }

    /// Lets plain sends through that end, without their terminator, up to the gate; none while a group is open.
    #[inline(always)]
    fn open_gate(&mut self) {
        let open = if self.withheld == 0 {
            self.limit.saturating_sub(HEADER)
        } else {
            0
        };
        self.ring.set_gate(open);
    }

    /// Whether frames wait in an open group.
    #[inline(always)]
    pub(crate) fn has_open_group(&self) -> bool {
        self.withheld != 0
    }

    /// The memory, for writing a payload in place.
    #[inline(always)]
    pub(crate) fn ring_mut(&mut self) -> &mut R {
        &mut self.ring
    }

    /// Copies `payload` into a frame and publishes it, if the gate lets it pass: the fast path of everything. `None`: nothing was
    /// touched, and [`try_send_waking`](Self::try_send_waking) knows more, if this is not the child of a fork.
    #[inline(always)]
    pub(crate) fn send_through(&mut self, payload: &[u8], kind: u16) -> Option<Published> {
        let origin = self.tail;
        let length = frame_length(payload.len() as u64);
        let bytes = payload.len() as u64;
        if bytes > SURE_PAYLOAD && bytes > self.plain || origin + length > self.ring.gate() {
            return None;
        }
        self.frames += ONE;
        // SAFETY: just checked.
        let published = unsafe {
            if self.manner.usual {
                self.put::<true>(origin, length, payload, kind)
            } else {
                self.put::<false>(origin, length, payload, kind)
            }
        };
        Some(published)
    }

    /// Copies `payload` into a frame of `length` bytes at `origin`, the tail, and publishes it. `USUAL`: in the usual manner.
    ///
    /// # Safety
    /// The frame passes the gate.
    #[inline(always)]
    unsafe fn put<const USUAL: bool>(
        &mut self,
        origin: u64,
        length: u64,
        payload: &[u8],
        kind: u16,
    ) -> Published {
        let place = self.ring.place(origin);
        // A planted fault, which tests/steps must find: the header before what it announces.
        #[cfg(ringway_planted = "early_header")]
        if crate::planted::is_asked_for("early_header") {
            self.publish_fenced(place, Header::frame(payload.len() as u32, kind).0);
        }
        let ahead = length > SURE_LENGTH || !USUAL && self.manner.clears_ahead(length);
        if !ahead || self.cleared != origin + length {
            self.terminate(place, length);
        }
        // SAFETY: `length + HEADER <= capacity`, since `origin + length + HEADER <= limit` and `limit <= origin + capacity`; all that
        // range is released, and no reservation is alive, since it would borrow `self`.
        unsafe { self.ring.write(place, HEADER, payload) };
        self.tail = origin + length;
        let word = Header::frame(payload.len() as u32, kind).0;
        let published = if USUAL {
            self.publish_fenced(place, word)
        } else {
            self.publish_unusual(place, word)
        };
        if ahead {
            self.clear_ahead(length);
        }
        published
    }

    /// Writes the terminator of the next frame already, if that will be as long as this one and there is room. The word lies behind the
    /// tail, where nobody reads.
    #[inline(always)]
    fn clear_ahead(&mut self, length: u64) {
        self.cleared = 0;
        if self.tail + length <= self.ring.gate() {
            self.terminate(self.ring.place(self.tail), length);
            self.cleared = self.tail + length;
        }
    }

    /// Copies `payload` into a frame of the open group, or opens one with it. Nothing becomes visible.
    #[inline(always)]
    pub(crate) fn try_append(&mut self, payload: &[u8], kind: u16) -> Result<(), Refusal> {
        let origin = self.tail;
        let length = frame_length(payload.len() as u64);
        if self.exceeds(payload.len()) || origin + length + HEADER > self.limit {
            self.make_room(payload.len(), length)?;
        }
        let place = self.ring.place(origin);
        if self.manner.ahead {
            self.ring.prepare(place);
        }
        // As in `append`.
        crate::sync::alias_fence();
        self.terminate(place, length);
        // SAFETY: `origin + length + HEADER <= limit`, as just checked or made so, and `limit <= origin + capacity`: the range is
        // released, and no reservation is alive, since it would borrow `self`.
        unsafe { self.ring.write(place, HEADER, payload) };
        let header = Header::frame(payload.len() as u32, kind);
        if self.withheld == 0 {
            self.open_group(origin, header);
        } else {
            self.store_header(place, 0, header);
        }
        self.tail = origin + length;
        self.frames += ONE;
        step!("append");
        Ok(())
    }

    /// Refuses a payload that no wait would find room for.
    fn check_size(&self, payload: usize) -> Result<(), Refusal> {
        if payload as u64 > self.most {
            return Err(Refusal::TooLarge {
                payload,
                most: self.most,
            });
        }
        Ok(())
    }

    /// Whether a payload is longer than what is certain to fit. Free where the length is a small constant.
    #[inline(always)]
    fn exceeds(&self, payload: usize) -> bool {
        payload as u64 > SURE_PAYLOAD && payload as u64 > self.most
    }

    #[inline(always)]
    fn open_group(&mut self, origin: u64, header: Header) {
        self.group = origin;
        self.group_frames = self.frames;
        self.withheld = header.0;
        self.cleared = 0;
        self.ring.set_gate(0);
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
        if self.exceeds(payload) {
            // Before a sum that it could overflow.
            self.check_size(payload)?;
        }
        let pad = padding(self.tail, (alignment as u64).max(8));
        let length = frame_length(payload as u64);
        if self.tail + pad + length + HEADER > self.limit {
            self.make_room(payload, pad + length)?;
        }
        if self.tail + pad + length != self.cleared {
            // The slot may be filled beyond that word, and then be committed shorter or aborted.
            self.cleared = 0;
        }
        step!("reserve");
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
        let place = self.ring.place(slot.origin);
        // SAFETY: inside the slot, which `try_reserve` found room for.
        unsafe { self.ring.write(place, slot.pad + HEADER, payload) };
    }

    /// Publishes the frame in `slot` with the first `payload` bytes of it, behind the open group if there is one.
    #[inline(always)]
    pub(crate) fn commit(&mut self, slot: &Slot, payload: u32, kind: u16) -> Published {
        if slot.pad != 0 || self.withheld != 0 {
            return self.commit_slowly(slot, payload, kind);
        }
        assert!(
            slot.origin == self.tail && payload <= slot.payload,
            "slot of another time"
        );
        let header = Header::frame(payload, kind);
        let place = self.ring.place(slot.origin);
        let length = header.length();
        if self.cleared != slot.origin + length {
            self.terminate(place, length);
        }
        self.tail = slot.origin + length;
        self.frames += ONE;
        let published = self.publish_word(place, header.0);
        if self.manner.clears_ahead(length) {
            self.clear_ahead(length);
        }
        published
    }

    #[inline(never)]
    fn commit_slowly(&mut self, slot: &Slot, payload: u32, kind: u16) -> Published {
        self.append(slot, payload, kind);
        self.publish().unwrap_or(Published::Plain)
    }

    /// Adds the frame in `slot` to the open group, or opens one with it. Nothing becomes visible.
    #[inline(always)]
    pub(crate) fn append(&mut self, slot: &Slot, payload: u32, kind: u16) {
        assert!(
            slot.origin == self.tail && payload <= slot.payload,
            "slot of another time"
        );
        self.append_header(slot, Header::frame(payload, kind));
    }

    /// Adds the frame in `slot`, whose header is `header`.
    #[inline(always)]
    fn append_header(&mut self, slot: &Slot, header: Header) {
        let end = slot.pad + header.length();
        let place = self.ring.place(slot.origin);
        // The slot may begin in the first copy of the ring where the last one ended in the second: two addresses of one word, whose
        // stores (its terminator, this header) the compiler must not exchange.
        crate::sync::alias_fence();
        if self.manner.ahead {
            self.ring.prepare(place);
        }
        self.terminate(place, end);
        let first = if slot.pad == 0 {
            header
        } else {
            self.store_header(place, slot.pad, header);
            Header::pad(slot.pad)
        };
        if self.withheld == 0 {
            self.open_group(slot.origin, first);
        } else {
            self.store_header(place, 0, first);
        }
        self.tail = slot.origin + end;
        self.frames += ONE;
        step!("append");
    }

    /// Makes the open group visible, all of it with one store. `None`: there was none.
    #[inline(always)]
    pub(crate) fn publish(&mut self) -> Option<Published> {
        let first = core::mem::take(&mut self.withheld);
        if first == 0 {
            return None;
        }
        self.groups += 1;
        self.open_gate();
        let place = self.ring.place(self.group);
        Some(self.publish_word(place, first))
    }

    /// The terminator behind what is about to be published.
    #[inline(always)]
    fn terminate(&mut self, place: R::Place, offset: u64) {
        // SAFETY: a place of this ring; multiples of 8; the caller found room for the terminator: `offset + 8 <= capacity`.
        // ORD: terminator: Relaxed, ordered before the commit that follows by that commit's release; partner: ring/consumer.rs (take).
        unsafe { self.ring.store(place, offset, 0, Ordering::Relaxed) };
    }

    /// A header that is not the first of its group: it lies behind a word that is still zero.
    #[inline(always)]
    fn store_header(&mut self, place: R::Place, offset: u64, header: Header) {
        // SAFETY: a place of this ring; multiples of 8, inside a slot that room was found for.
        // ORD: inner-header: Relaxed, made visible by the group's commit; partner: ring/consumer.rs (take).
        unsafe { self.ring.store(place, offset, header.0, Ordering::Relaxed) };
    }

    #[inline(always)]
    fn publish_word(&mut self, place: R::Place, word: u64) -> Published {
        if self.manner.usual {
            self.publish_fenced(place, word)
        } else {
            self.publish_unusual(place, word)
        }
    }

    #[inline(always)]
    fn publish_unusual(&mut self, place: R::Place, word: u64) -> Published {
        if self.manner.ahead {
            self.ring.prepare(place);
        }
        if self.manner.barrier == Barrier::Made {
            return self.publish_fenced(place, word);
        }
        self.publish_plain(place, word);
        // The compiler's alone, so that it costs one who never looks nothing.
        crate::sync::light_fence();
        match self.manner.barrier {
            Barrier::Needless => Published::Plain,
            _ => Published::Unfenced,
        }
    }

    #[inline(always)]
    fn publish_fenced(&mut self, place: R::Place, word: u64) -> Published {
        step!("commit-before");
        // A planted fault, which tests/killed must find: it is called committed before it is.
        #[cfg(ringway_planted = "late_commit")]
        step!("commit-after");
        // SAFETY: a place of this ring.
        // ORD: commit, wake-barrier: publishes the frames, and the look at the epoch stays behind; partner: ring/consumer.rs
        // (take), wake/park.rs (park-barrier).
        unsafe {
            self.ring
                .store_fenced(place, word, Site::Commit, Site::WakeBarrier);
        };
        step!("commit-after");
        Published::Fenced
    }

    #[inline(always)]
    fn publish_plain(&mut self, place: R::Place, word: u64) {
        step!("commit-before");
        // SAFETY: a place of this ring.
        // ORD: commit: publishes the frames; partner: ring/consumer.rs (take).
        unsafe {
            self.ring
                .store(place, 0, word, order(Site::Commit, Ordering::Release));
        };
        step!("commit-after");
    }
}
