//! The ladder of a wait: spin, yield, sleep. Pure: the caller counts its looks and hands the elapsed time in.

use std::time::Duration;

/// How a half waits when there is nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Never sleep. Declared to the peer for the life of the connection, which then skips its wake check. Takes a whole CPU.
    Spin,
    /// Spin for up to 50 µs, about what a sleep and a wake would cost, then sleep. When both sides have only one CPU, and the same: sleep at once.
    #[default]
    Adaptive,
    /// Look once, then sleep.
    Park,
}

/// What to do after a look that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Pause the CPU and look again.
    Pause,
    /// Give the CPU to whoever wants it, and look again.
    Yield,
    /// Sleep until rung.
    Sleep,
}

/// Two cores on our machines need about 30 µs for a wake; spinning that long at most doubles the cost of a wait.
const SPIN: Duration = Duration::from_micros(50);
/// Looks between two glances at the clock, deadline and sign of life.
pub(crate) const LOOKS_PER_CHECK: u32 = 128;

/// One wait's place on the ladder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ladder {
    wait: Wait,
    single: bool,
}

impl Ladder {
    /// `single`: both sides may run on one CPU only, and on the same one. Then the peer cannot run while we spin.
    pub(crate) fn new(wait: Wait, single: bool) -> Self {
        Self { wait, single }
    }

    /// Whether looking again at once is worth anything before asking the clock.
    #[inline]
    pub(crate) fn spins(self) -> bool {
        !self.single && self.wait != Wait::Park
    }

    /// The next step, `elapsed` after the wait began.
    pub(crate) fn step(self, elapsed: Duration) -> Step {
        match self.wait {
            Wait::Spin if self.single => Step::Yield,
            Wait::Spin => Step::Pause,
            Wait::Adaptive if !self.single && elapsed < SPIN => Step::Pause,
            Wait::Adaptive | Wait::Park => Step::Sleep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_climbs_its_own_ladder() {
        let early = Duration::from_micros(1);
        let late = Duration::from_millis(1);
        assert_eq!(Ladder::new(Wait::Adaptive, false).step(early), Step::Pause);
        assert_eq!(Ladder::new(Wait::Adaptive, false).step(late), Step::Sleep);
        assert_eq!(Ladder::new(Wait::Park, false).step(early), Step::Sleep);
        assert_eq!(Ladder::new(Wait::Spin, false).step(late), Step::Pause);
    }

    #[test]
    fn one_cpu_never_spins() {
        let early = Duration::ZERO;
        assert_eq!(Ladder::new(Wait::Adaptive, true).step(early), Step::Sleep);
        assert_eq!(Ladder::new(Wait::Spin, true).step(early), Step::Yield);
        assert!(!Ladder::new(Wait::Adaptive, true).spins());
    }
}
