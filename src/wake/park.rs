//! The park epoch: how a half says that it sleeps, and how its peer knows that it must ring.
//!
//! - Wait: store a *new* odd epoch, full barrier, look again with fresh loads, block once. Awake: store even.
//! - Wake: commit, full barrier, load the epoch, ring if it is odd and not the one last rung.
//!
//! Either the sleeper's second look sees the commit, or the waker sees the odd epoch: the two barriers allow nothing else.

use crate::layout::control::CLOSED_EPOCH;
use crate::segment::{ForeignWord, OwnWord};
use crate::sync::{Ordering, Site, fence, order};

/// A waiting half's own epoch.
#[derive(Debug)]
pub(crate) struct Park<W> {
    word: W,
    epoch: u64,
}

impl<W: OwnWord> Park<W> {
    pub(crate) fn new(word: W) -> Self {
        Self { word, epoch: 0 }
    }

    /// Says that we are about to sleep. The caller then looks at everything once more and blocks at most once.
    pub(crate) fn arm(&mut self) {
        // Even becomes the next odd; odd (armed, and never woken by us) the one after: new either way.
        self.epoch += 1 + self.epoch % 2;
        // ORD: park-epoch: Relaxed, ordered before the second look by the barrier below; partner: `look`.
        self.word.store(self.epoch, Ordering::Relaxed);
        // ORD: park-barrier: the epoch is visible before the lane is looked at again; partner: ring/producer.rs (wake-barrier).
        fence(Site::ParkBarrier, Ordering::SeqCst);
        step!("arm");
    }

    /// Says that we are awake, so that the peer need not ring.
    pub(crate) fn awake(&mut self) {
        if self.is_armed() {
            self.epoch += 1;
            // ORD: park-epoch: Relaxed, a late ring does no harm; partner: `look`.
            self.word.store(self.epoch, Ordering::Relaxed);
        }
    }

    /// Says that we have looked in vain and go on looking, awake: a new even epoch. Who keeps something back sees by it that it is waited for.
    pub(crate) fn look_in_vain(&mut self) {
        if !self.is_armed() {
            self.epoch += 2;
            // ORD: park-epoch: Relaxed, a hint that nothing is read or written on account of; partner: `has_changed`.
            self.word.store(self.epoch, Ordering::Relaxed);
        }
    }

    /// Whether the peer has been told that we sleep, or may: it will ring.
    pub(crate) fn is_armed(&self) -> bool {
        self.epoch % 2 == 1
    }

    /// Says that this half is closed for good.
    pub(crate) fn close(&mut self) {
        // ORD: close: everything that this half committed or released comes before; partner: `is_closed` (see-close).
        self.word
            .store(CLOSED_EPOCH, order(Site::Close, Ordering::Release));
        // ORD: close-barrier: the close is visible before the peer's epoch is looked at; partner: `arm` (park-barrier).
        fence(Site::CloseBarrier, Ordering::SeqCst);
    }
}

/// What a look at the peer's epoch asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The peer is awake, or was rung already.
    Nothing,
    /// The peer sleeps: ring.
    Ring,
    /// The peer's half is closed for good.
    Closed,
}

/// A look at the peer's park epoch.
#[derive(Debug)]
pub(crate) struct Watch<W> {
    word: W,
    last_rung: u64,
    /// What [`has_changed`](Self::has_changed) compares with.
    remembered: u64,
}

impl<W: ForeignWord> Watch<W> {
    pub(crate) fn new(word: W) -> Self {
        Self {
            word,
            last_rung: 0,
            remembered: 0,
        }
    }

    /// To be called after a commit or release and its barrier. Costs one load and a test while the peer is awake.
    #[inline(always)]
    pub(crate) fn look(&mut self) -> Signal {
        // ORD: watch-epoch: Relaxed, behind the barrier of the commit or of `barrier`; partner: `arm` (park-epoch).
        let epoch = self.word.load();
        if epoch % 2 == 0 {
            Signal::Nothing
        } else {
            self.odd(epoch)
        }
    }

    /// Has what a look reads at hand. A hint.
    #[inline(always)]
    pub(crate) fn warm(&self) {
        self.word.warm();
    }

    #[cold]
    fn odd(&mut self, epoch: u64) -> Signal {
        if epoch == CLOSED_EPOCH {
            return Signal::Closed;
        }
        if epoch == self.last_rung {
            return Signal::Nothing;
        }
        self.last_rung = epoch;
        Signal::Ring
    }

    /// The epoch that the last [`Signal::Ring`] was for.
    pub(crate) fn asked(&self) -> u64 {
        self.last_rung
    }

    /// Whether the peer's half has gone to sleep, or has looked in vain for some time, since [`remember`](Self::remember). A hint: no barrier orders it.
    #[inline(always)]
    pub(crate) fn has_changed(&self) -> bool {
        // ORD: watch-epoch: Relaxed, only when to publish is decided by it; partner: `look_in_vain` (park-epoch).
        self.word.load() != self.remembered
    }

    /// What has been said until now is known.
    pub(crate) fn remember(&mut self) {
        // ORD: watch-epoch: Relaxed, as above; partner: `look_in_vain` (park-epoch).
        self.remembered = self.word.load();
    }

    /// The ring that the last look asked for did not get through: the next look asks again.
    pub(crate) fn forget(&mut self) {
        // No epoch that asks for a ring is zero.
        self.last_rung = 0;
    }

    /// The barrier between a release and [`Watch::look`], for what is not committed by a fenced store.
    pub(crate) fn barrier() {
        // ORD: space-barrier: the release is visible before the epoch is looked at; partner: `arm` (park-barrier).
        fence(Site::SpaceBarrier, Ordering::SeqCst);
    }

    /// The barrier between announcing a frame and [`Watch::look`], so that who falls asleep meanwhile is woken before the commit.
    pub(crate) fn announce_barrier() {
        // ORD: announce-barrier: the announcement is visible before the epoch is looked at; partner: `arm` (park-barrier).
        fence(Site::AnnounceBarrier, Ordering::SeqCst);
    }

    /// Whether the peer's half has said that it is closed. After `true`, all that it committed is visible.
    pub(crate) fn is_closed(&self) -> bool {
        let closed = self.word.load() == CLOSED_EPOCH;
        // ORD: see-close: what the peer committed before it closed is seen after; partner: `close` (close).
        fence(Site::SeeClose, Ordering::Acquire);
        closed
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// A word that is not shared.
    #[derive(Clone, Default)]
    struct Word(Rc<Cell<u64>>);

    impl OwnWord for Word {
        fn store(&self, value: u64, _: Ordering) {
            self.0.set(value);
        }
    }

    impl ForeignWord for Word {
        fn load(&self) -> u64 {
            self.0.get()
        }
    }

    #[test]
    fn each_time_it_is_armed_it_has_a_new_epoch_and_is_rung_once() {
        let word = Word::default();
        let (mut park, mut watch) = (Park::new(word.clone()), Watch::new(word.clone()));
        let mut last = 0;
        for round in 0..20 {
            assert!(!park.is_armed());
            assert_eq!(watch.look(), Signal::Nothing);
            // Armed again before it was awake, too.
            for _ in 0..=round % 2 {
                park.arm();
                assert!(park.is_armed() && word.load() % 2 == 1 && word.load() > last);
                last = word.load();
                assert_eq!(watch.look(), Signal::Ring);
                assert_eq!((watch.look(), watch.asked()), (Signal::Nothing, last));
                // It did not get through.
                watch.forget();
                assert_eq!(watch.look(), Signal::Ring);
            }
            park.awake();
            assert_eq!(word.load(), last + 1);
            park.awake();
            assert_eq!(word.load(), last + 1, "it was awake");
        }
    }

    /// Who rings ahead of an answer tells by their distance what the other one has done meanwhile (`wake/early.rs`).
    #[test]
    fn each_step_takes_the_next_epoch_of_its_kind() {
        let word = Word::default();
        let mut park = Park::new(word.clone());
        let mut after = |step: fn(&mut Park<Word>)| {
            step(&mut park);
            word.load()
        };
        assert_eq!(
            [Park::arm, Park::arm, Park::awake].map(&mut after),
            [1, 3, 4]
        );
        assert_eq!([Park::look_in_vain, Park::arm].map(after), [6, 7]);
    }

    #[test]
    fn only_a_half_that_said_so_is_closed() {
        let word = Word::default();
        let (mut park, watch) = (Park::new(word.clone()), Watch::new(word));
        assert!(!watch.is_closed());
        park.arm();
        assert!(!watch.is_closed());
        park.close();
        assert!(watch.is_closed());
    }

    #[test]
    fn who_looks_in_vain_says_so_while_awake() {
        let word = Word::default();
        let (mut park, mut watch) = (Park::new(word.clone()), Watch::new(word.clone()));
        for _ in 0..3 {
            watch.remember();
            assert!(!watch.has_changed());
            park.look_in_vain();
            assert!(watch.has_changed() && word.load() % 2 == 0);
        }
        park.arm();
        let armed = word.load();
        park.look_in_vain();
        assert_eq!(word.load(), armed, "it has said more than that");
        park.close();
        assert_eq!((watch.look(), word.load()), (Signal::Closed, CLOSED_EPOCH));
    }
}
