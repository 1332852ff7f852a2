//! How long a queue takes to drain, by what its reader has released: a pure policy, whose clock is handed in.
//!
//! It is asked by senders whose frames expire, and errs to one side: what it answers is *less* than it will take, as long as the reader is no faster than it was. For a frame
//! that is refused is lost for certain, and one that is sent may still be read in time. Three things are uncertain, and each is taken for the better:
//!
//! - A reader tells what it has read in steps. The last step before the released position may have been read already, so it does not count: a queue of less than a step
//!   is no queue.
//! - A pace is measured only while the reader certainly had something to read, from one look to another, and the step that it may have been ahead at the end is counted as read.
//! - Of the last paces the fastest counts, so that one stop (a page fault, a `SIGSTOP`) does not make a slow reader of it. Only what happens *now* makes it slower: while nothing is
//!   released, or less than at that pace, the queue takes as long as what is happening says.
//!
//! It learns whenever it is asked, of what it refuses too: the position moves, the queue becomes shorter, and one that is empty takes no time, whatever was learned.

/// A pace is known when so many steps were released, so that the one that is uncertain at either end is a part of it.
const STEPS: u64 = 4;
/// Paces that are remembered.
const PACES: usize = 4;

/// So many bytes in so many nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    bytes: u64,
    nanos: u64,
}

impl Pace {
    fn is_faster_than(self, other: Self) -> bool {
        u128::from(self.bytes) * u128::from(other.nanos)
            > u128::from(other.bytes) * u128::from(self.nanos)
    }
}

/// A stretch of time in which the reader had something to read.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    since: u64,
    /// What was released at its beginning.
    from: u64,
}

/// What is known of a reader.
#[derive(Clone, Debug)]
pub(crate) struct Drain {
    step: u64,
    stretch: Option<Stretch>,
    /// The sender's position and the reader's at the last look.
    sent: u64,
    released: u64,
    /// The last paces, the oldest at `next`.
    paces: [Option<Pace>; PACES],
    next: usize,
}

impl Drain {
    /// Of a reader that tells its position once in `step` bytes, and starts at `start`.
    pub(crate) fn new(step: u64, start: u64) -> Self {
        Self {
            step: step.max(8),
            stretch: None,
            sent: start,
            released: start,
            paces: [None; PACES],
            next: 0,
        }
    }

    /// At `now`, in nanoseconds, so much was sent, and `released` is what the reader says. Whatever it says is taken for a position between the last one and what was sent.
    pub(crate) fn saw(&mut self, now: u64, sent: u64, released: u64) {
        let sent = sent.max(self.sent);
        let released = released.clamp(self.released, sent);
        // What was there at the last look has not all been read by now: the reader was never without.
        let was_busy = self.sent - released.min(self.sent) >= self.step;
        match self.stretch.filter(|_| was_busy) {
            Some(stretch) if released - stretch.from >= STEPS * self.step => {
                self.paces[self.next] = Some(self.pace(stretch, now, released));
                self.next = (self.next + 1) % PACES;
                self.stretch = None;
            }
            kept => self.stretch = kept,
        }
        self.sent = sent;
        self.released = released;
        if self.stretch.is_none() && sent - released >= self.step {
            self.stretch = Some(Stretch {
                since: now,
                from: released,
            });
        }
    }

    /// The fastest that the reader can have been in a stretch.
    fn pace(&self, stretch: Stretch, now: u64, released: u64) -> Pace {
        Pace {
            bytes: released - stretch.from + self.step,
            nanos: now.saturating_sub(stretch.since),
        }
    }

    /// Nanoseconds until what was sent at the last look is read, at least. `None`: nothing is known yet.
    pub(crate) fn time(&self, now: u64) -> Option<u64> {
        let queue = (self.sent - self.released).saturating_sub(self.step - 8);
        if queue == 0 {
            return Some(0);
        }
        let current = self
            .stretch
            .map(|stretch| self.pace(stretch, now, self.released))
            .filter(|pace| pace.nanos > 0);
        let known = self.paces.iter().flatten().copied();
        let fastest = known.reduce(|one, other| {
            if other.is_faster_than(one) {
                other
            } else {
                one
            }
        });
        let pace = match (current, fastest) {
            (Some(current), Some(fastest)) if current.is_faster_than(fastest) => fastest,
            (Some(current), _) => current,
            (None, fastest) => fastest?,
        };
        let nanos = u128::from(queue) * u128::from(pace.nanos) / u128::from(pace.bytes);
        Some(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
#[path = "drain/tests.rs"]
mod tests;
