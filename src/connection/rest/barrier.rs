//! What a half makes up for before it sleeps: the barrier, for a peer whose sender leaves its own out, between its epoch and its second look; and rings of
//! ours that were lost, by either half, for want of the kernel's memory.
//!
//! Where none is to be had (the kernel refuses, or the ration is used up) the half does not sleep for longer than [`UNSURE`] at a stretch, and one that somebody
//! else's loop would wake does not sleep at all.

use std::time::Instant;

use super::Rest;
use crate::segment::MappedForeignWord;
use crate::sys::membarrier;
use crate::wake::fences::Fences;
use crate::wake::ration::{Ration, UNSURE};

/// What one half knows of it.
#[derive(Debug, Default)]
pub(super) struct Barrier {
    /// What the peer's sender says; `None`: it always fences.
    fences: Option<Fences<MappedForeignWord>>,
    ration: Ration,
    /// Armed without the barrier, or with a ring lost: when to look again.
    until: Option<Instant>,
    /// How many were made.
    #[cfg(test)]
    made: u32,
}

impl Rest {
    /// The peer's sender may leave its barrier out, and says in this word whether it does.
    pub(crate) fn heed_fences(&mut self, word: MappedForeignWord) {
        self.barrier.fences = Some(Fences::new(word));
    }

    /// Says that we are about to sleep, with every barrier that the second look needs, and rings the peer if that was in vain before: it may be asleep, and what we
    /// wait for may be its answer. Returns until when we may sleep; `None`: for ever.
    pub(super) fn arm_epoch(&mut self) -> Option<Instant> {
        self.park.arm();
        let missing = self
            .barrier
            .fences
            .as_ref()
            .is_some_and(Fences::are_missing);
        let unsure = if missing { self.make_up() } else { None };
        let unrung = (!self.link.make_up_rings()).then(|| Instant::now() + UNSURE);
        self.barrier.until = [unsure, unrung].into_iter().flatten().min();
        self.barrier.until
    }

    #[cold]
    fn make_up(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if self.barrier.ration.take(now) && membarrier::everywhere().is_ok() {
            #[cfg(test)]
            {
                self.barrier.made += 1;
            }
            None
        } else {
            Some(now + UNSURE)
        }
    }

    /// Until when a half may sleep that is armed.
    pub(super) fn sure_until(&self) -> Option<Instant> {
        self.barrier.until.filter(|_| self.park.is_armed())
    }

    /// How many barriers it has made.
    #[cfg(test)]
    pub(crate) fn barriers(&self) -> u32 {
        self.barrier.made
    }
}

#[cfg(test)]
mod tests {
    use super::super::pair::pair;
    use super::*;
    use crate::connection::Config;
    use crate::wake::ladder::Wait;

    /// Neither for ever, nor not at all: it would look again and again.
    #[test]
    fn who_has_used_up_its_barriers_sleeps_for_a_moment() {
        let is_there = membarrier::is_there()
            && membarrier::register().is_ok()
            && membarrier::everywhere().is_ok();
        if !is_there {
            return;
        }
        let config = Config::new().wait(Wait::Park).membarrier(true);
        let (mut server, mut client) = pair("used-up", &config);
        server.sender().lane.unfence();
        let rest = client.receiver().resting();
        assert_eq!(rest.arm_epoch(), None, "a barrier is to be had");
        rest.barrier.ration = Ration::new(1, 0);
        let before = Instant::now();
        let until = rest.arm_epoch().unwrap();
        assert!(before + UNSURE <= until && until <= Instant::now() + UNSURE);
        assert_eq!(rest.sure_until(), Some(until));
        rest.park.awake();
        assert_eq!(rest.sure_until(), None);
    }
}
