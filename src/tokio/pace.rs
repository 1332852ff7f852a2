//! How much a task may take from its connections before the others of its thread have their turn.
//!
//! Tokio gives each poll of a task a budget of 128 operations. A frame of 64 bytes is much less than such an operation, and one of a megabyte more, so a unit of the budget is
//! taken for so many frames or bytes. A frame is moved as a whole, and what it was too large for is owed: it is paid before the next one, in as many turns as that takes.

use core::task::{Context, Poll, ready};
use std::future::Future;
use std::pin::pin;

use ::tokio::task::coop::consume_budget;

/// Frames for a unit of the budget.
const FRAMES: u32 = 16;
/// Bytes for one.
const BYTES: isize = 16 << 10;

/// What is left of the unit at hand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    frames: u32,
    /// Less than nothing: what a large frame has taken of the units that follow.
    bytes: isize,
}

impl Pace {
    /// Whether a unit is to be taken before the next frame.
    #[inline(always)]
    pub(super) fn is_spent(&self) -> bool {
        self.frames == 0
    }

    /// A frame of so many bytes was taken or sent.
    #[inline(always)]
    pub(super) fn passed(&mut self, len: usize) {
        self.frames = self.frames.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub_unsigned(len);
        if self.bytes < 0 {
            self.frames = 0;
        }
    }

    /// The next frame takes a unit of its own.
    pub(super) fn spend(&mut self) {
        self.frames = 0;
    }

    /// Takes as many units as are owed, and one. `Pending`: the budget of this poll is used up, and the task is woken when the others have had their turn; what it has taken is paid.
    pub(super) fn take_unit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.bytes = self.bytes.min(0);
        while self.bytes <= 0 {
            ready!(pin!(consume_budget()).poll(cx));
            self.bytes += BYTES;
        }
        self.frames = FRAMES;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use core::task::Waker;

    use proptest::prelude::*;

    use super::*;

    /// Units that frames of these lengths take, in polls that are never interrupted.
    fn units(lengths: &[usize]) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let mut pace = Pace::default();
        let mut taken = 0;
        for len in lengths {
            if pace.is_spent() {
                let owed = pace.bytes.min(0).unsigned_abs();
                assert!(pace.take_unit(&mut cx).is_ready());
                taken += owed / BYTES.unsigned_abs() + 1;
            }
            pace.passed(*len);
        }
        taken
    }

    proptest! {
        #[test]
        fn each_frame_is_paid_for_by_the_one_behind_it(lengths in prop::collection::vec(0usize..5 << 20, 0..60)) {
            let sum: usize = lengths.iter().rev().skip(1).sum();
            let units = units(&lengths);
            prop_assert!(units >= sum / BYTES.unsigned_abs());
            prop_assert!(units <= sum / BYTES.unsigned_abs() + 1 + lengths.len());
        }

        #[test]
        fn small_frames_take_a_unit_together(len in 0usize..1024, count in 1usize..500) {
            prop_assert_eq!(units(&vec![len; count]), count.div_ceil(FRAMES as usize));
        }
    }
}
