//! Where the two sides may run, asked when a connection is made and again while a half waits.

use std::time::Instant;

use super::Rest;
use crate::sys::cpu;
use crate::wake::ladder::Cores;

/// What the calling thread has to spin on while it waits for process `peer`.
pub(crate) fn cores_with(peer: Option<i32>) -> Cores {
    if cpu::shared_with(peer) {
        Cores::One
    } else if cpu::is_rationed() {
        Cores::Rationed
    } else {
        Cores::Several
    }
}

impl Rest {
    /// Asks again, if it is time to. Called where a wait has looked in vain and knows the time: the thread that waits need not be the one that made the
    /// connection, and both sides' may have been pinned since.
    pub(super) fn look_around(&mut self, now: Instant) {
        if self.ladder.asks(now) {
            self.ladder.stand_on(cores_with(self.link.peer.pid));
        }
    }
}
