//! A reader that the producer does not wait for and does not know of: it copies a frame, and then asks whether it was still there.
//!
//! The producer says how far it may write (the claim) before it writes there. So a reader that has copied from position p on, and then
//! finds a claim of at most p + capacity, has copied what was sent. Otherwise it has lost what lay there, and goes on at the newest anchor: a
//! position that is at most a lap old, with the number of frames before it. That number tells how many were lost.
//!
//! Nothing is written to shared memory here, and every word is the producer's to choose: whatever it says, this reads inside of the ring
//! only, does so much work for each call, and shows its own frames at worst wrongly.

use crate::layout::extension::EXTENSION;
use crate::layout::geometry::{MAX_POSITION, MAX_START};
use crate::layout::header::{FLAG_FRAME, FLAG_PAD, HEADER, Header};
use crate::layout::violation::Violation;
use crate::planted::{Check, is_left_out};
use crate::segment::{ForeignRing, ForeignWord};
use crate::sync::{Ordering, Site, fence};

/// From a frame's place to its payload.
const SKIP: usize = HEADER as usize;

/// The most headers that one call passes on the way to the newest frame: a ring of the default size has fewer. Fuzzed ones are short, so that no input takes long.
pub(crate) const HISTORY: u32 = if cfg!(fuzzing) { 1 << 10 } else { 1 << 16 };

/// The words in which a producer tells where it is.
#[derive(Debug)]
pub(crate) struct Told<W> {
    /// How far it may write.
    pub(crate) claim: W,
    /// Frames before the anchor: stored before the anchor is, and again behind it.
    pub(crate) coming: W,
    pub(crate) come: W,
    /// The anchor: a published tail.
    pub(crate) tail: W,
}

/// A frame that was read along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glimpse {
    pub(crate) position: u64,
    pub(crate) kind: u16,
    /// When it expires, in nanoseconds of the host's clock, if it does.
    pub(crate) expires: Option<u64>,
}

/// What was not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) frames: u64,
    /// Of the ring: headers and padding included.
    pub(crate) bytes: u64,
}

/// Where the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// Nowhere yet.
    Fresh,
    /// At `next`, on the way from the first anchor to the newest frame: what was sent before is history.
    CatchingUp,
    /// At `next`.
    Following,
    /// What is at `next` is gone; the next anchor behind it is awaited.
    Lost,
}

/// What a look at `next` found.
enum Seen {
    Nothing,
    Frame(Header),
    Pad(u64),
    Gone,
}

/// One who reads along.
#[derive(Debug)]
pub(crate) struct Tap<R, W> {
    ring: R,
    told: Told<W>,
    stand: Stand,
    next: u64,
    /// Frames before `next`.
    frames: u64,
    /// What lies at `next` stands behind a pad.
    padded: bool,
    missed: Missed,
    broken: Option<Violation>,
}

impl<R: ForeignRing, W: ForeignWord> Tap<R, W> {
    pub(crate) fn new(ring: R, told: Told<W>) -> Self {
        Self {
            ring,
            told,
            stand: Stand::Fresh,
            next: 0,
            frames: 0,
            padded: false,
            missed: Missed::default(),
            broken: None,
        }
    }

    /// The memory.
    pub(crate) fn ring(&self) -> &R {
        &self.ring
    }

    /// Frames before the next one.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// What was not seen so far.
    pub(crate) fn missed(&self) -> Missed {
        self.missed
    }

    /// Copies the next frame's payload. Never waits; `None`: there is none yet, or it is not known yet where to go on.
    pub(crate) fn try_next(&mut self, payload: &mut Vec<u8>) -> Result<Option<Glimpse>, Violation> {
        if let Some(violation) = self.broken {
            return Err(violation);
        }
        let found = self.look_on(payload);
        if let Err(violation) = found {
            self.broken = Some(violation);
        }
        found
    }

    fn look_on(&mut self, payload: &mut Vec<u8>) -> Result<Option<Glimpse>, Violation> {
        // A producer that laps us all the time, or says so, keeps us here for some turns only.
        for _ in 0..4 {
            let lost = matches!(self.stand, Stand::Fresh | Stand::Lost);
            if lost && !self.find()? || self.stand == Stand::CatchingUp && !self.catch_up()? {
                return Ok(None);
            }
            match self.look()? {
                Seen::Nothing => return Ok(None),
                Seen::Pad(length) => {
                    self.padded = true;
                    self.next += length;
                }
                Seen::Frame(header) => {
                    let expires = header.expires().then(|| self.extension());
                    if self.copy(header, payload) {
                        let position = self.next;
                        self.pass(header);
                        return Ok(Some(Glimpse {
                            position,
                            kind: header.kind(),
                            expires,
                        }));
                    }
                    self.stand = Stand::Lost;
                }
                Seen::Gone => self.stand = Stand::Lost,
            }
        }
        Ok(None)
    }

    fn pass(&mut self, header: Header) {
        self.next += header.length();
        self.frames = self.frames.saturating_add(1);
        self.padded = false;
    }

    /// Whether what was read at `next` before this was what had been sent.
    fn stood(&self) -> bool {
        // ORD: glimpse: Acquire, what was read before comes before the look at the claim; partner:
        // ring/producer/room.rs (claim).
        fence(Site::Glimpse, Ordering::Acquire);
        self.told.claim.load() <= self.next + self.ring.capacity()
    }

    /// What lies at `next`.
    fn look(&self) -> Result<Seen, Violation> {
        if self.next > MAX_POSITION {
            return Err(Violation::AnchorOutOfRange { tail: self.next });
        }
        let place = self.ring.place(self.next);
        // SAFETY: the place of `next`, which is a multiple of 8: anchors that are not are refused, and lengths are multiples of 8.
        let header = Header(unsafe { self.ring.load(place) });
        // ORD: take: the payload is read after the header that published it; partner: ring/producer.rs (commit).
        fence(Site::Take, Ordering::Acquire);
        let pad = header.flags() == FLAG_FRAME | FLAG_PAD;
        let limit = self.ring.capacity() - HEADER;
        let too_short = header.expires()
            && u64::from(header.payload()) < EXTENSION
            && !is_left_out(Check::ExtensionRead);
        let sound =
            header.length() <= limit && (header.is_frame() && !too_short || pad && !self.padded);
        if header.0 != 0 && sound && !pad {
            // Its payload is still to be copied; whether all of that was there is asked then.
            return Ok(Seen::Frame(header));
        }
        if !self.stood() {
            return Ok(Seen::Gone);
        }
        if header.0 == 0 {
            return Ok(Seen::Nothing);
        }
        if sound {
            return Ok(Seen::Pad(header.length()));
        }
        if pad && self.padded {
            return Err(Violation::PadWithoutFrame);
        }
        if header.length() > limit {
            let length = header.length();
            return Err(Violation::FrameTooLong { length, limit });
        }
        if too_short {
            let length = header.payload();
            return Err(Violation::ExtensionTooShort { length });
        }
        Err(Violation::UnknownFlags {
            flags: header.flags(),
        })
    }

    /// The extension of the frame at `next`, which `look` has found to have one.
    fn extension(&self) -> u64 {
        let place = self.ring.place(self.next + HEADER);
        // SAFETY: the place of a multiple of 8.
        unsafe { self.ring.load(place) }
    }

    /// Copies the payload of the frame at `next`. False: it was not there any more.
    fn copy(&self, header: Header, payload: &mut Vec<u8>) -> bool {
        let before = if header.expires() { EXTENSION } else { 0 };
        payload.clear();
        payload.resize((u64::from(header.payload()) - before) as usize, 0);
        let place = self.ring.place(self.next + before);
        // SAFETY: a place of this ring, and `look` has found that the frame is shorter than the ring, and no shorter than its extension.
        unsafe { self.ring.read::<SKIP>(place, payload.as_mut_slice()) };
        self.stood()
    }

    /// Goes to the newest anchor. False: there is none yet from which one could go on.
    fn find(&mut self) -> Result<bool, Violation> {
        let Some((tail, frames)) = self.anchor() else {
            return Ok(false);
        };
        if tail % 8 != 0 || tail > MAX_START + (MAX_START / 2) {
            // As far as any lane can come, and so that no sum overflows.
            return Err(Violation::AnchorOutOfRange { tail });
        }
        let fresh = self.stand == Stand::Fresh;
        match self.stand {
            _ if fresh => {}
            // The producer has claimed what we stood on, and tells in a moment where it is.
            _ if tail <= self.next || frames < self.frames => return Ok(false),
            _ => {
                self.missed.frames += frames - self.frames;
                self.missed.bytes += tail - self.next;
            }
        }
        self.next = tail;
        self.frames = frames;
        self.padded = false;
        self.stand = if fresh {
            Stand::CatchingUp
        } else {
            Stand::Following
        };
        Ok(true)
    }

    /// On to the newest frame, by so many for each call. False: it is not reached yet.
    fn catch_up(&mut self) -> Result<bool, Violation> {
        for _ in 0..HISTORY {
            match self.look()? {
                Seen::Nothing => {
                    self.stand = Stand::Following;
                    return Ok(true);
                }
                Seen::Gone => {
                    self.stand = Stand::Fresh;
                    return Ok(false);
                }
                Seen::Pad(length) => {
                    self.padded = true;
                    self.next += length;
                }
                Seen::Frame(header) => {
                    if !self.stood() {
                        self.stand = Stand::Fresh;
                        return Ok(false);
                    }
                    self.pass(header);
                }
            }
        }
        Ok(false)
    }

    /// A published tail and the number of frames before it. `None`: it is being told just now.
    fn anchor(&self) -> Option<(u64, u64)> {
        let come = self.told.come.load();
        // ORD: see-come: Acquire, the anchor is at least as new as this number; partner: ring/producer/room.rs (anchor-come).
        fence(Site::SeeCome, Ordering::Acquire);
        let tail = self.told.tail.load();
        // ORD: see-tail: Acquire, the other number is at least as new as the anchor, and so is the zero there; partner:
        // ring/producer/room.rs (anchor-coming, anchor).
        fence(Site::SeeTail, Ordering::Acquire);
        (self.told.coming.load() == come).then_some((tail, come))
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use super::*;
    use crate::ring::pair::Pair;

    #[test]
    fn no_lane_comes_so_far_that_a_sum_could_overflow() {
        let mut tap = Pair::new(4096).tap();
        tap.stand = Stand::Following;
        tap.next = MAX_POSITION;
        assert_eq!(tap.try_next(&mut Vec::new()), Ok(None));
        tap.next += 8;
        let tail = tap.next;
        let found = tap.try_next(&mut Vec::new());
        assert_eq!(found, Err(Violation::AnchorOutOfRange { tail }));
    }
}
