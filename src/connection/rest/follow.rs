//! Waking a receiver that follows large frames before the frame is committed, so that the time that its wake takes goes by while the frame is copied in.

use super::Rest;
use crate::segment::{ForeignWord, MappedForeignWord};
use crate::wake::park::{Signal, Watch};

impl Rest {
    /// The word by which the peer's half says whether it follows.
    pub(crate) fn heed_follower(&mut self, word: MappedForeignWord) {
        self.follower = Some(word);
    }

    /// Whether both sides can run at once, so that one copy can go on while the other does.
    pub(crate) fn overlaps(&self) -> bool {
        self.ladder.has_several()
    }

    /// Wakes the peer's half, if it sleeps and says that it follows. To be called behind the first announcement of a frame. Returns whether it did. The commit looks again: who
    /// has gone back to sleep has another epoch, and who has not was rung.
    #[cold]
    pub(crate) fn wake_follower(&mut self) -> bool {
        if self.bell.is_none() || !self.overlaps() {
            return false;
        }
        Watch::<MappedForeignWord>::announce_barrier();
        // Whatever it says decides only whether it is rung early.
        // ORD: follows: Relaxed, behind the barrier; partner: connection/receiver/follow.rs (follows).
        if self.follower.as_ref().is_none_or(|word| word.load() == 0) {
            return false;
        }
        let signal = self.watch.look();
        // That it is closed the commit hears as well.
        signal == Signal::Ring && !self.signal(signal)
    }
}
