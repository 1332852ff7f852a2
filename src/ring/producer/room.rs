//! What a producer does where it has time: it looks for room, and tells what others want to know.

use super::{Manner, Producer};
use crate::layout::header::HEADER;
use crate::layout::violation::Violation;
use crate::ring::beside::Counted;
use crate::ring::slot::{Refusal, Slot};
use crate::ring::tally::{Numbers, Tally};
use crate::segment::{ForeignWord, OwnRing, OwnWord};
use crate::sync::{Ordering, Site, fence, order};

/// Our words for readers that the producer does not wait for.
#[derive(Debug)]
pub(crate) struct Readers<T> {
    /// How far it may write.
    pub(crate) claim: T,
    /// Frames before the anchor: told before the anchor is, and again behind it.
    pub(crate) coming: T,
    pub(crate) come: T,
}

impl<R: OwnRing, W: ForeignWord, T: OwnWord> Producer<R, W, T> {
    /// Tells those who read along, from now on, how far the producer may write and where it is.
    pub(crate) fn tell_readers(&mut self, readers: Readers<T>) {
        self.readers = Some(readers);
        self.tell_claim();
        self.tell();
    }

    /// A reader that has copied a frame from position p on, and then finds a claim of at most p + capacity, has copied what was sent: nobody has
    /// written there since.
    fn tell_claim(&self) {
        if let Some(readers) = &self.readers {
            // ORD: claim: Relaxed, kept before what is written into the space by the fence; partner: ring/tap.rs (glimpse).
            readers.claim.store(self.limit, Ordering::Relaxed);
            // ORD: claim: Release, the claim before what is written behind this; partner: ring/tap.rs (glimpse).
            fence(Site::Claim, Ordering::Release);
        }
    }

    /// Tells what is counted to observers from now on.
    pub(crate) fn count_into(&mut self, tally: Tally<T>) {
        self.tally = tally;
    }

    /// Tells observers what was counted. The lane does so once a lap by itself.
    pub(crate) fn tell_numbers(&self) {
        self.tally.tell(&self.numbers());
    }

    /// Tells them what this lane has counted, one of several that is not at hand: the sums come with the one that is.
    pub(crate) fn tell_each(&self) {
        self.tally.tell_each(&self.numbers());
    }

    /// Looks again at what the consumer has released; `needed` bytes and a terminator must fit.
    #[cold]
    #[inline(never)]
    pub(super) fn make_room(&mut self, payload: usize, needed: u64) -> Result<(), Refusal> {
        self.check_size(payload)?;
        if self.limit == 0 {
            return Err(Refusal::Shut);
        }
        self.reclaim().map_err(Refusal::Broken)?;
        if let Some(ahead) = self.ahead.lap(self.clock, self.tail, needed) {
            self.manner = Manner::new(self.manner.barrier, ahead);
        }
        self.consider_fencing();
        self.tell();
        if self.tail + needed + HEADER > self.limit {
            Err(Refusal::Full)
        } else {
            Ok(())
        }
    }

    /// Leaves the published tail where others find it, with the number of frames before it: at most a lap old, so that from there on the
    /// headers lead to the end.
    pub(crate) fn tell(&self) {
        let frames = if self.withheld == 0 {
            self.frames
        } else {
            self.group_frames
        };
        if let Some(readers) = &self.readers {
            // ORD: anchor-coming: Relaxed, before the anchor by the fence; partner: ring/tap.rs (see-tail).
            readers.coming.store(frames, Ordering::Relaxed);
        }
        // ORD: anchor-coming: Release, the number, the headers before the anchor and the zero at it are seen by who has seen the
        // anchor; partner: ring/tap.rs (see-tail).
        fence(Site::Coming, Ordering::Release);
        // ORD: anchor: Relaxed, between the two tellings of its number; partner: ring/tap.rs (see-tail).
        self.told.store(self.published(), Ordering::Relaxed);
        if let Some(readers) = &self.readers {
            // ORD: anchor-come: Release, who has seen this sees an anchor at least as new; partner: ring/tap.rs (see-come).
            readers
                .come
                .store(frames, order(Site::Come, Ordering::Release));
        }
        self.tell_numbers();
    }

    /// Takes over the consumer's released position, if it is possible.
    pub(crate) fn reclaim(&mut self) -> Result<(), Violation> {
        let released = self.released.load();
        // ORD: reclaim: the consumer's reads of what it released come before our writes there; partner: ring/consumer.rs (release).
        fence(Site::Reclaim, Ordering::Acquire);
        let known = self.limit - self.ring.capacity();
        if released < known || released > self.published() || released % 8 != 0 {
            return Err(Violation::ReleasedOutOfRange {
                released,
                at_least: known,
                at_most: self.published(),
            });
        }
        self.check_boundary(known, released)?;
        self.high_water = self.high_water.max(self.published() - released);
        self.limit = released + self.ring.capacity();
        self.tell_claim();
        self.open_gate();
        Ok(())
    }

    /// Whether a frame of `payload` bytes fits now, after a fresh look.
    pub(crate) fn has_room(&mut self, payload: usize, alignment: usize) -> Result<bool, Refusal> {
        is_there(self.try_reserve(payload, alignment))
    }

    /// The same of one that expires.
    pub(crate) fn has_expiring_room(
        &mut self,
        payload: usize,
        alignment: usize,
    ) -> Result<bool, Refusal> {
        is_there(self.try_reserve_expiring(payload, alignment))
    }

    /// The released position as last seen.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn known_released(&self) -> u64 {
        self.limit - self.ring.capacity()
    }
}

fn is_there(found: Result<Slot, Refusal>) -> Result<bool, Refusal> {
    match found.map(drop) {
        Ok(()) => Ok(true),
        Err(Refusal::Full) => Ok(false),
        Err(other) => Err(other),
    }
}

impl<R: OwnRing, W: ForeignWord, T: OwnWord> Counted for Producer<R, W, T> {
    fn numbers(&self) -> Numbers {
        Numbers {
            frames: self.frames,
            bytes: self.tail - self.start,
            batches: self.groups,
            high_water: self.high_water,
        }
    }

    fn count_beside(&mut self, others: Numbers) {
        self.tally.count_beside(others);
    }
}
