//! The manner in which commits carry no barrier towards a consumer that may sleep: the sleeper makes up for it.

use super::{Barrier, Manner, Producer};
use crate::ring::fencing::Fencing;
use crate::segment::{ForeignWord, OwnRing, OwnWord};

impl<R: OwnRing, W: ForeignWord, T: OwnWord> Producer<R, W, T> {
    /// Lets the producer leave the barrier out of its commits when that pays. `word` says so to the peer, which has promised to look at it. Nothing changes for
    /// a consumer that never sleeps.
    pub(crate) fn may_unfence(&mut self, word: T) {
        if self.manner.barrier != Barrier::Needless {
            self.fencing = Some(Fencing::new(word, (self.clock)()));
        }
    }

    /// Whether commits carry no barrier now although the consumer may sleep.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn is_unfenced(&self) -> bool {
        self.manner.barrier == Barrier::Spared
    }

    /// Leaves the barrier out if that pays. It is asked once a lap, or more often where there is time anyway.
    pub(super) fn consider_fencing(&mut self) {
        let (clock, frames) = (self.clock, self.frames);
        let Some(fencing) = &mut self.fencing else {
            return;
        };
        if !fencing.calm.is_unfenced() && fencing.calm.has_come(clock(), frames) {
            self.unfence();
        }
    }

    /// The consumer was found asleep: each commit from now on carries a barrier.
    pub(crate) fn consumer_slept(&mut self) {
        let (clock, frames) = (self.clock, self.frames);
        if let Some(fencing) = &mut self.fencing {
            if fencing.calm.is_over(clock(), frames) {
                self.fence_again();
            }
        }
    }

    /// Leaves the barrier out from now on.
    pub(crate) fn unfence(&mut self) {
        if let Some(fencing) = &mut self.fencing {
            #[cfg(test)]
            fencing.calm.force();
            fencing.leave_out();
            self.manner = Manner::new(Barrier::Spared, self.manner.ahead);
        }
    }

    /// Takes it back.
    pub(crate) fn fence_again(&mut self) {
        if let Some(fencing) = &self.fencing {
            fencing.take_back();
            self.manner = Manner::new(Barrier::Made, self.manner.ahead);
        }
    }
}
