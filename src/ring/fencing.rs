//! How the producer fences: the word that says so to the peer, and the rules by which it changes.
//!
//! The sleeper stores its epoch and passes a full barrier, then loads this word, and then, if the word says that the producer does not fence, has a barrier made everywhere;
//! then it looks at the lane. `docs/SAFETY.md` has the proof that either it sees the commit, or the producer, which looks at the epoch behind each commit in either
//! manner, sees that it sleeps.

use super::calm::Calm;
use crate::segment::OwnWord;
use crate::sync::{Ordering, Site, fence, order};

/// What the word says: each commit carries a full barrier. It is zero, so that a segment begins so.
pub(crate) const FENCES: u64 = 0;
/// What it says while commits carry none.
pub(crate) const FENCES_NOT: u64 = 1;

/// The word, and when to change it.
#[derive(Debug)]
pub(super) struct Fencing<T> {
    word: T,
    pub(super) calm: Calm,
}

impl<T: OwnWord> Fencing<T> {
    pub(super) fn new(word: T, now: u64) -> Self {
        Self {
            word,
            calm: Calm::new(now),
        }
    }

    /// From now on commits carry no barrier. To be called before the first such commit.
    pub(super) fn leave_out(&self) {
        // ORD: fence-mode: Relaxed, kept before the commits that follow by the barrier below; partner: wake/fences.rs (see-fence-mode).
        self.word.store(FENCES_NOT, Ordering::Relaxed);
        // ORD: unfence-barrier: the word is visible before any commit that carries no barrier, or the look at the epoch behind that commit sees the
        // sleeper's; partner: wake/park.rs (park-barrier).
        fence(Site::UnfenceBarrier, Ordering::SeqCst);
    }

    /// From now on each commit carries one. To be called behind the last that did not.
    pub(super) fn take_back(&self) {
        // ORD: refence: Release, whoever sees it sees the commits that carried no barrier; partner: wake/fences.rs (see-fence-mode).
        self.word
            .store(FENCES, order(Site::Refence, Ordering::Release));
    }
}
