//! What a producer does where it has time: it looks for room, and tells what others want to know.

use super::{Manner, Producer};
use crate::layout::header::HEADER;
use crate::layout::violation::Violation;
use crate::ring::slot::Refusal;
use crate::ring::tally::{Numbers, Tally};
use crate::segment::{ForeignWord, OwnRing, OwnWord};
use crate::sync::{Ordering, Site, fence};

impl<R: OwnRing, W: ForeignWord, T: OwnWord> Producer<R, W, T> {
    /// Says in `word`, from now on, how far the producer may write.
    pub(crate) fn claim_in(&mut self, word: T) {
        self.claim = Some(word);
        self.tell_claim();
    }

    /// A reader that has copied a frame from position p on, and then finds a claim of at most p + capacity, has copied what was sent: nobody has
    /// written there since.
    fn tell_claim(&self) {
        if let Some(claim) = &self.claim {
            // ORD: claim: Relaxed, kept before what is written into the space by the fence; partner: none (as for the fence).
            claim.store(self.limit, Ordering::Relaxed);
            crate::sync::claim_fence();
        }
    }

    /// Tells what is counted to observers from now on.
    pub(crate) fn count_into(&mut self, tally: Tally<T>) {
        self.tally = tally;
    }

    /// Tells observers what was counted. The lane does so once a lap by itself.
    pub(crate) fn tell_numbers(&self) {
        self.tally.tell(&Numbers {
            frames: self.frames,
            bytes: self.tail - self.start,
            batches: self.groups,
            high_water: self.high_water,
        });
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
            self.manner = Manner::new(self.manner.plain, ahead);
        }
        self.tell();
        if self.tail + needed + HEADER > self.limit {
            Err(Refusal::Full)
        } else {
            Ok(())
        }
    }

    /// Leaves the published tail where tools find it: at most a lap old, so that from there on the headers lead to the end.
    pub(super) fn tell(&mut self) {
        // ORD: told-tail: Release, a tool that acquires it sees the headers before it and the zero behind; partner: none.
        self.told.store(self.published(), Ordering::Release);
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
        self.high_water = self.high_water.max(self.published() - released);
        self.limit = released + self.ring.capacity();
        self.tell_claim();
        self.open_gate();
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
