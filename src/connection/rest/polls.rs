//! A wait that is no call of its own: the polls of a future take it up again and again, and the future may be dropped in the middle of it.

use std::time::Instant;

use super::{Rest, with_lately};
use crate::error::Error;
use crate::wake::ladder::Step;

impl Rest {
    /// Has a descriptor of its own to be watched by, if it came from a poller without one.
    pub(crate) fn settle_down(&self) -> Result<(), Error> {
        self.settle()
            .map_err(|error| Error::io("watching the peer", error))
    }

    /// A wait begins, behind a look in vain.
    pub(crate) fn begin_wait(&mut self, now: Instant) {
        self.counts.waits.add();
        with_lately(|lately| self.ladder.begin(now, lately));
    }

    /// What its next poll that looked in vain does.
    pub(crate) fn step(&mut self, now: Instant) -> Step {
        self.look_around(now);
        if self.waiter.can_sleep() {
            self.ladder.step(now)
        } else {
            self.ladder.sleepless()
        }
    }

    /// It sleeps until somebody wakes its task.
    pub(crate) fn count_sleep(&mut self) {
        self.counts.sleeps.add();
    }

    /// The wait is over. `found`: because of what it waited for, and not because nobody waits any more.
    pub(crate) fn end_wait(&mut self, now: Instant, found: bool) {
        if self.ladder.learns() {
            with_lately(|lately| self.ladder.end(now, found, lately));
        }
    }
}
