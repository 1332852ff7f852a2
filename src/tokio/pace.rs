//! How much a task may take from its connections before the others of its thread have their turn.
//!
//! Tokio gives each poll of a task a budget of 128 operations. A frame of 64 bytes is much less than such an operation, and one of a megabyte more, so a unit of the budget is
//! taken for so many frames or bytes.

use core::task::{Context, Poll};
use std::future::Future;
use std::pin::pin;

use ::tokio::task::coop::consume_budget;

/// Frames for a unit of the budget.
const FRAMES: u32 = 16;
/// Bytes for one.
const BYTES: usize = 16 << 10;

/// What is left of the unit at hand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    frames: u32,
    bytes: usize,
}

impl Pace {
    /// Before a frame is taken or sent. `Pending`: the budget of this poll is used up, and the task is woken when the others have had their turn.
    #[inline(always)]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.frames == 0 {
            return self.take_unit(cx);
        }
        Poll::Ready(())
    }

    /// A frame of so many bytes was.
    #[inline(always)]
    pub(super) fn passed(&mut self, len: usize) {
        self.frames = self.frames.saturating_sub(1);
        match self.bytes.checked_sub(len) {
            Some(left) => self.bytes = left,
            None => self.frames = 0,
        }
    }

    #[cold]
    #[inline(never)]
    fn take_unit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let taken = pin!(consume_budget()).poll(cx);
        if taken.is_ready() {
            *self = Self {
                frames: FRAMES,
                bytes: BYTES,
            };
        }
        taken
    }
}
