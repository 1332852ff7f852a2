//! How the peer's sender fences, as it says itself: whether a sleeper has to make a barrier everywhere before its second look.
//!
//! The word is the peer's, and what it says decides who makes the barrier and nothing else: one that lies costs us a barrier that was not needed, within a ration
//! ([`super::ration`]), or loses its own wakes.

use crate::segment::ForeignWord;
use crate::sync::{Ordering, Site, fence};

/// The word of the peer's sender.
#[derive(Debug)]
pub(crate) struct Fences<W> {
    word: W,
}

impl<W: ForeignWord> Fences<W> {
    pub(crate) fn new(word: W) -> Self {
        Self { word }
    }

    /// Whether a barrier has to be made everywhere, before the second look at the lane. To be asked behind [`Park::arm`](super::park::Park::arm), never before it: what
    /// was said before the epoch was visible may have changed.
    pub(crate) fn are_missing(&self) -> bool {
        // Whatever is not "fences" is taken for "does not".
        let fences = self.word.load() == crate::ring::FENCES;
        // ORD: see-fence-mode: Acquire, behind a word that says "fences again" the commits that carried no barrier are seen; partner:
        // ring/fencing.rs (refence).
        fence(Site::SeeFenceMode, Ordering::Acquire);
        !fences
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use super::*;

    /// A word that says one thing.
    struct Word(u64);

    impl ForeignWord for Word {
        fn load(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn whoever_does_not_say_that_it_fences_is_taken_not_to() {
        assert!(!Fences::new(Word(crate::ring::FENCES)).are_missing());
        for other in [crate::ring::FENCES + 1, 2, u64::MAX] {
            assert!(Fences::new(Word(other)).are_missing());
        }
    }
}
