//! What the rings by hand have in common beside their loops: where their words lie, how a batch is acknowledged, and the
//! look at a sleeper.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::super::kit::Area;
use super::pauses;

/// Words on lines of their own: how far the sender is, how far the receiver is, whether it sleeps, batches done.
pub(super) const TAIL: usize = 0;
pub(super) const RELEASED: usize = 256;
const SLEEPING: usize = 512;
const DONE: usize = 768;
/// Where the ring begins.
pub(super) const START: usize = 4096;

/// Batches that have arrived as a whole.
#[derive(Debug, Default)]
pub(super) struct Batches(u64);

impl Batches {
    /// The receiver's side.
    pub(super) fn ack(&mut self, area: &Area) {
        self.0 += 1;
        // ORD: limit-done: after the last message has been copied out; partner: `await_ack`.
        area.word(DONE).store(self.0, Release);
    }

    /// The sender's side.
    pub(super) fn await_ack(&mut self, area: &Area) {
        self.0 += 1;
        // ORD: limit-done: the other side has copied every message out; partner: `ack`.
        while area.word(DONE).load(Acquire) != self.0 {
            pauses(1);
        }
    }
}

/// What follows a message that was committed by a sequentially consistent swap: rings if the receiver sleeps. None does:
/// only the cost of the look is wanted.
#[inline(always)]
pub(super) fn wake(area: &Area, bell: &OwnedFd) {
    // ORD: limit-wake: ordered after the commit; partner: none, a receiver that sleeps would look at the ring once more.
    if area.word(SLEEPING).load(Relaxed) != 0 {
        ring(bell);
    }
}

#[cold]
fn ring(bell: &OwnedFd) {
    let _ = nix::unistd::write(bell, &1u64.to_ne_bytes());
}
