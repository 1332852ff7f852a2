//! The receiving half: look, copy out, release.
//!
//! Three positions, `published <= freed <= next`: what the producer has been told, what the reader has finished with, and what it has
//! read (its cursor); `freed` lags behind `next` only while frames are held, and `rewind` moves `next` back to it. Every word that the producer
//! wrote is loaded once, bounded against these private cursors, and then used from the local copy.
//!
//! A plain receive compares the cursor's mark behind its frame with one word, the ring's gate: what ends there or before is in bounds and makes no
//! step's worth of frames to release. What is rare is kept off its path by that: the gate is zero once the lane is broken, and in the child of a fork.

mod account;
mod end;
mod expiry;
mod follow;
mod warm;

pub(crate) use expiry::Halt;
pub(crate) use follow::Early;

use account::Account;
use expiry::Expiry;

use super::beside::Counted;
use super::cursor::Cursor;
use super::tally::{Numbers, Tally};
use crate::layout::geometry::{Geometry, MAX_CAPACITY};
use crate::layout::header::{FLAG_FRAME, FLAG_PAD, HEADER, Header, frame_length};
use crate::layout::violation::Violation;
use crate::planted::{Check, is_left_out};
use crate::segment::{ForeignRing, OwnWord};
use crate::sync::{Ordering, Site, fence, order};

/// A frame that was found and is in bounds. Its payload stays the producer's to change until it is copied out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Position of its header: the frame's identity in this lane.
    pub(crate) position: u64,
    header: Header,
}

impl Entry {
    /// Payload bytes.
    #[inline(always)]
    pub(crate) fn payload(&self) -> usize {
        self.header.payload() as usize
    }

    /// The sender's kind.
    #[inline(always)]
    pub(crate) fn kind(&self) -> u16 {
        self.header.kind()
    }

    /// Bytes that it takes in the ring.
    #[inline(always)]
    pub(crate) fn length(&self) -> u64 {
        self.header.length()
    }

    /// Position behind it.
    #[inline(always)]
    fn end(&self) -> u64 {
        self.position + self.header.length()
    }
}

/// Tells the compiler which branch is the rare one.
#[cold]
#[inline]
fn seldom() {}

/// From a frame's place to its payload.
const SKIP: usize = HEADER as usize;

/// What lay at the read cursor, for a reader that expects one kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing yet.
    Nothing,
    /// The frame that was expected; it is taken.
    Taken,
    /// Another frame, or a broken rule: ask [`Consumer::peek`].
    Other,
}

/// Says where a lane's consumer starts. To be called before the message after which its producer may send.
pub(crate) fn say_start(released: &impl OwnWord, geometry: &Geometry) {
    // ORD: release-start: Relaxed, published to the peer by the message that follows; partner: ring/producer/room.rs (reclaim).
    released.store(geometry.start, Ordering::Relaxed);
}

/// The receiving half of a lane. What a plain receive uses comes first, as in the sending half.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Consumer<R, W> {
    ring: R,
    /// Where the next frame is expected. Never a lap or more behind the last turn, where the ring's foothold is.
    cursor: Cursor,
    /// No frame can end behind it, as a mark of the cursor, or what that can count: the producer leaves room for its terminator.
    bound_mark: u64,
    /// A finished frame that ends here or later makes a step's worth: the producer is told. Never, while frames are held.
    due: u64,
    /// The same as a mark of the cursor.
    due_mark: u64,
    /// Where the frame is of which somebody was told last that it is there ([`announce`](Self::announce)).
    announced: u64,
    /// Our released position, in our segment.
    released: W,
    /// While frames are held, everything before this is finished with; else everything before the cursor is.
    freed: u64,
    /// What `released` says.
    published: u64,
    step: u64,
    /// No frame can end behind it: the producer leaves room for its terminator. Zero once the lane is broken.
    bound: u64,
    /// Frames that are finished with, while frames are held.
    freed_frames: u64,
    /// Where the lane starts.
    start: u64,
    /// Releases that were told.
    releases: u64,
    /// The most bytes that were read and not released.
    high_water: u64,
    tally: Tally<W>,
    hold: bool,
    /// The gate is never opened: what is next is asked for before each frame.
    shut: bool,
    /// No frame is read that ends behind it, whatever lies there: the peer is at its end. Until then nowhere.
    last: u64,
    broken: Option<Violation>,
    expiry: Expiry,
    /// Where the connection can be resumed.
    account: Option<Account<W>>,
}

impl<R: ForeignRing, W: OwnWord> Consumer<R, W> {
    /// A consumer of a ring in which nothing has been read yet, after [`say_start`].
    pub(crate) fn new(ring: R, released: W, geometry: &Geometry) -> Self {
        debug_assert_eq!(ring.capacity(), geometry.capacity);
        let start = geometry.start;
        let mut consumer = Self {
            ring,
            released,
            cursor: Cursor::new(start, 0),
            due: start + geometry.step,
            due_mark: 0,
            announced: u64::MAX,
            freed: start,
            published: start,
            step: geometry.step,
            bound: 0,
            bound_mark: 0,
            freed_frames: 0,
            start,
            releases: 0,
            high_water: 0,
            tally: Tally::nowhere(),
            hold: false,
            shut: false,
            last: u64::MAX,
            broken: None,
            expiry: Expiry::new(),
            account: None,
        };
        consumer.open_gate();
        consumer
    }

    /// Lets plain receives through up to the next release that is due. The cursor takes a turn.
    fn open_gate(&mut self) {
        self.bound = self.furthest().min(self.last);
        self.cursor.turn();
        self.ring.foothold(self.cursor.position());
        self.due_mark = self.cursor.first(self.due);
        self.bound_mark = self.cursor.last(self.bound);
        let gate = if self.shut {
            0
        } else {
            self.cursor.last(self.bound.min(self.due - HEADER))
        };
        self.ring.set_gate(gate);
    }

    /// Lets no plain receive through any more: [`take_exact`](Self::take_exact) takes nothing.
    pub(crate) fn keep_shut(&mut self) {
        self.shut = true;
        self.open_gate();
    }

    /// Tells what is counted to observers from now on.
    pub(crate) fn count_into(&mut self, tally: Tally<W>) {
        self.tally = tally;
    }

    /// Tells observers what was counted. The lane does so with each release by itself.
    pub(crate) fn tell_numbers(&self) {
        self.tally.tell(&self.numbers());
    }

    /// Tells them what this lane has counted, one of several that is not at hand: the sums come with the one that is.
    pub(crate) fn tell_each(&self) {
        self.tally.tell_each(&self.numbers());
    }

    /// Bytes in the ring.
    pub(crate) fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// Where the next frame is expected.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.cursor.position()
    }

    /// The place of the cursor.
    #[inline(always)]
    fn place(&self) -> R::Place {
        // SAFETY: the cursor is behind the foothold by the bytes of frames that ended at or before `bound`, which is at most `capacity - 8` bytes
        // behind what was published, and the foothold is not before that.
        unsafe { self.ring.near(self.cursor.bytes()) }
    }

    /// The memory, for viewing a payload in place in the trusted mode.
    #[inline(always)]
    pub(crate) fn ring(&self) -> &R {
        &self.ring
    }

    /// Copies the frame at the read cursor out and moves behind it, if its payload fills `target` exactly, its kind is 0 and no release is due
    /// then: one compare where [`peek`](Self::peek) takes a header apart, and a length that is known before the header has come.
    #[inline(always)]
    pub(crate) fn take_exact(&mut self, target: &mut [u8]) -> Found {
        if target.len() as u64 > MAX_CAPACITY {
            // Free where the length is a constant. Of others the mark could overflow.
            return Found::Other;
        }
        let behind = self.cursor.behind(frame_length(target.len() as u64));
        if behind > self.ring.gate() {
            return Found::Other;
        }
        let place = self.place();
        // SAFETY: the place of the cursor, which is a multiple of 8: it starts so, and lengths are.
        let word = unsafe { self.ring.load(place) };
        // ORD: take: the payload, later headers of the group and the terminator are read after the header that published them;
        // partner: ring/producer.rs (commit).
        fence(Site::Take, Ordering::Acquire);
        if word != Header::frame(target.len() as u32, 0).0 {
            seldom();
            return if word == 0 {
                Found::Nothing
            } else {
                Found::Other
            };
        }
        if !target.is_empty() {
            // SAFETY: the frame is in bounds: it ends less than a lap behind the foothold. Which also means that the cast was exact.
            unsafe { self.ring.read::<SKIP>(place, target) };
        }
        self.cursor.pass(behind);
        Found::Taken
    }

    /// The frame at the read cursor, if one is committed. Does not pass it.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Result<Option<Entry>, Halt> {
        let entry = self.look();
        let header = entry.header;
        let behind = self.cursor.behind(header.length());
        if header.flags() == FLAG_FRAME && behind <= self.bound_mark {
            return Ok(Some(entry));
        }
        // Not while the lane is broken, or the cursor is behind the header of a frame with an extension.
        if header.0 == 0 && self.bound_mark != 0 {
            return Ok(None);
        }
        self.peek_unusual(entry)
    }

    /// Whatever lies at the read cursor.
    #[inline(always)]
    fn look(&self) -> Entry {
        // SAFETY: as in `take_exact`.
        let header = Header(unsafe { self.ring.load(self.place()) });
        // ORD: take: as in `take_exact`; partner: ring/producer.rs (commit).
        fence(Site::Take, Ordering::Acquire);
        Entry {
            position: self.next(),
            header,
        }
    }

    /// A pad, a frame with an extension, what comes after the end, a frame before which the cursor takes a turn, or a broken rule, which ends the
    /// lane: whatever the peer writes later, it is not looked at again.
    #[cold]
    #[inline(never)]
    fn peek_unusual(&mut self, entry: Entry) -> Result<Option<Entry>, Halt> {
        if let Some(violation) = self.broken {
            return Err(Halt::Broken(violation));
        }
        let entry = if self.settle() { self.look() } else { entry };
        self.open_gate();
        let found = self.find(entry);
        if let Err(Halt::Broken(violation)) = found {
            self.break_off(violation);
        }
        found
    }

    /// A rule was broken, by the lane's words or by what is carried in it: the lane is at its end.
    pub(crate) fn break_off(&mut self, violation: Violation) {
        self.broken = Some(violation);
        self.bound = 0;
        self.shut_gate();
    }

    /// Lets nothing through: every look is an unusual one.
    fn shut_gate(&mut self) {
        self.bound_mark = 0;
        self.ring.set_gate(0);
    }

    fn judge(&mut self, entry: Entry) -> Result<Entry, Violation> {
        let entry = self.in_bounds(entry)?;
        match entry.header.flags() {
            _ if self.is_frame(entry.header) => return Ok(entry),
            flags if flags != FLAG_FRAME | FLAG_PAD => {
                return Err(Violation::UnknownFlags { flags });
            }
            _ => {}
        }
        // The frame behind a pad was published in the same store, so that the fence behind the pad's header is enough for both; a second
        // pad, or nothing, is against the rules, and so there is never a chain of pads to walk.
        let position = entry.end();
        // SAFETY: the place of `position`, a multiple of 8.
        let header = Header(unsafe { self.ring.load(self.ring.place(position)) });
        match header.flags() {
            _ if self.is_frame(header) => {}
            _ if header.0 == 0 || header.flags() == FLAG_FRAME | FLAG_PAD => {
                return Err(Violation::PadWithoutFrame);
            }
            flags => return Err(Violation::UnknownFlags { flags }),
        }
        let framed = self.in_bounds(Entry { position, header })?;
        // The pad is read together with its frame, and released with it.
        self.cursor.skip(entry.header.length());
        self.comes_behind_pad(entry.position, position);
        Ok(framed)
    }

    fn in_bounds(&self, entry: Entry) -> Result<Entry, Violation> {
        if entry.end() > self.bound && !is_left_out(Check::FrameBound) {
            let limit = self.bound.saturating_sub(entry.position);
            return Err(Violation::FrameTooLong {
                length: entry.header.length(),
                limit,
            });
        }
        Ok(entry)
    }

    /// Copies payload bytes of `entry` out, from byte `from` on; as many as both have. Returns how many.
    #[inline(always)]
    pub(crate) fn copy(&self, entry: &Entry, from: usize, target: &mut [u8]) -> usize {
        // The length is the caller's where it can be: with one that is taken from the header, the loads of the payload would wait
        // until the header has come, for one more transfer of a line.
        let there = entry.payload().saturating_sub(from);
        if there < target.len() {
            return self.copy_all(entry, from, &mut target[..there]);
        }
        self.copy_some(entry, from, target)
    }

    /// A payload that ends before the caller's buffer does.
    #[inline(never)]
    fn copy_all(&self, entry: &Entry, from: usize, target: &mut [u8]) -> usize {
        self.copy_some(entry, from, target)
    }

    #[inline(always)]
    fn copy_some(&self, entry: &Entry, from: usize, target: &mut [u8]) -> usize {
        if !target.is_empty() {
            let place = self.ring.place(entry.position + from as u64);
            // SAFETY: `from + target.len() <= payload`, and the frame is in bounds: shorter than the ring, header included.
            unsafe { self.ring.read::<SKIP>(place, target) };
        }
        target.len()
    }

    /// Moves the read cursor behind `entry`, the frame that `peek` returned.
    #[inline(always)]
    pub(crate) fn advance(&mut self, entry: &Entry) {
        debug_assert_eq!(entry.position, self.next());
        // A planted fault, which tests/soak must find: a frame that ends where the ring does is taken twice.
        #[cfg(ringway_planted = "twice_taken")]
        if (entry.position + entry.length()) % self.capacity() == 0
            && crate::planted::is_asked_for("twice_taken")
        {
            return;
        }
        self.cursor.pass(self.cursor.behind(entry.length()));
    }

    /// Whether the frame that was read last makes a step's worth of finished ones, so that [`publish_release`](Self::publish_release)
    /// is due. Never while frames are held.
    #[inline(always)]
    pub(crate) fn is_release_due(&self) -> bool {
        self.cursor.mark() >= self.due_mark
    }

    /// `true`: frames that are read are not finished with until [`release`](Self::release). `false` finishes with all of them.
    pub(crate) fn hold(&mut self, on: bool) {
        self.settle();
        if on && !self.hold {
            self.freed = self.next();
            self.freed_frames = self.cursor.frames();
        }
        self.hold = on;
        // Where account is given, of what was copied out before: it is told when its handler comes back.
        let owes = self.gives_account() && self.freed != self.published;
        self.due = if on && !owes {
            u64::MAX
        } else {
            self.published + self.step
        };
        if self.broken.is_none() {
            self.open_gate();
        }
    }

    /// Finishes with everything read so far, while frames are held. Returns whether a step's worth has gathered.
    pub(crate) fn release(&mut self) -> bool {
        self.freed = self.next();
        self.freed_frames = self.cursor.frames();
        self.next() - self.published >= self.step
    }

    /// Tells the producer all that is finished with. Returns whether there was anything to tell that it is to be woken for.
    pub(crate) fn publish_release(&mut self) -> bool {
        self.settle();
        let held = self.hold && !is_left_out(Check::HeldKept);
        let freed = if held { self.freed } else { self.next() };
        if self.published == freed || self.broken.is_some() {
            return false;
        }
        self.high_water = self.high_water.max(self.next() - self.published);
        let wakes = self.account_for(freed);
        if wakes {
            self.releases += 1;
            self.tell_numbers();
        }
        self.published = freed;
        self.due = if self.hold {
            u64::MAX
        } else {
            freed + self.step
        };
        self.open_gate();
        step!("release-before");
        // ORD: release: our copies out of the released space come before the producer's writes there; partner:
        // ring/producer/room.rs (reclaim).
        self.released
            .store(freed, order(Site::Release, Ordering::Release));
        step!("release-after");
        wakes
    }

    /// Goes back to the first held frame that is not finished with. Returns the bytes gone back: none when frames are not held.
    pub(crate) fn rewind(&mut self) -> u64 {
        if !self.hold {
            return 0;
        }
        self.settle();
        let back = self.next() - self.freed;
        self.announced = u64::MAX;
        self.cursor = Cursor::new(self.freed, self.freed_frames);
        if self.broken.is_none() {
            self.open_gate();
        } else {
            self.ring.foothold(self.freed);
        }
        back
    }
}

impl<R: ForeignRing, W: OwnWord> Counted for Consumer<R, W> {
    fn numbers(&self) -> Numbers {
        Numbers {
            frames: self.cursor.frames(),
            bytes: self.next() - self.start,
            batches: self.releases,
            high_water: self.high_water,
        }
    }

    fn count_beside(&mut self, others: Numbers) {
        self.tally.count_beside(others);
    }
}
