//! Concert: two sides whose waits are long because each of them sleeps. Whoever waits for an answer waits for the other side's wake too, which is more than a spin is worth; were both
//! to spin, neither would have to be woken, and both would be answered soon: neither finds that out alone.
//!
//! So now and then one side spins through a *series* of waits, each for as long as a wake of the other side takes and what it does then. Meanwhile the other one is answered without a
//! wake; it finds by its own trials that its waits have become short, and spins; and so ours become short. Where they do not, the next series comes
//! later. What is far longer than two wakes is not tried. A poller does the same (`wake/heat.rs`). Pure: it is told how waits ended, and knows no clock.

use super::Course;
use crate::wake::series::Series;

/// How long each wait of a series is spun, in nanoseconds: what two sleeps cost. Were it longer, a pace between the two would be spun through at more than twice the cost.
pub(super) const SPIN: u64 = 100_000;
/// A sleep that lasted less, in nanoseconds, its own wake included, may be one of two that make each other long.
const REACH: u64 = 200_000;
/// Waits of a series: the other side tries one in sixteen or so, and takes some of them until it is sure.
const SERIES: u8 = 48;
/// A series ends early when more of it than this are in vain.
const VAIN: u8 = 1;
/// So many such sleeps are before a series at first, and twice as many behind each that has changed nothing, up to the most.
const SOON: u16 = 16;
const SELDOM: u16 = 4096;

/// What one half knows of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Concert {
    series: Series<SERIES, SOON, SELDOM>,
    /// Waits of the present series that were in vain.
    vain: u8,
}

impl Concert {
    pub(super) fn new() -> Self {
        Self {
            series: Series::new(),
            vain: 0,
        }
    }

    /// Whether the next wait is one of a series.
    pub(super) fn plays(self) -> bool {
        self.series.is_on()
    }

    /// A wait ended after so many nanoseconds. `pays`: waits are short enough to be spun through anyway.
    pub(super) fn ended(&mut self, nanos: u64, course: Course, pays: bool) {
        if !self.plays() {
            if course == Course::Slept && nanos < REACH && !pays {
                self.series.occasion();
            }
            return;
        }
        self.vain += u8::from(course == Course::Slept);
        // Without a budget for it there is no series.
        let cut = self.vain > VAIN || course == Course::Denied;
        if self.series.trial() || cut {
            self.series.end(pays);
            self.vain = 0;
        }
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use super::*;

    fn playing() -> Concert {
        let mut concert = Concert::new();
        for _ in 0..SOON {
            assert!(!concert.plays());
            concert.ended(REACH - 1, Course::Slept, false);
        }
        assert!(concert.plays());
        concert
    }

    #[test]
    fn a_series_ends_with_one_more_in_vain_than_it_may_have() {
        let mut concert = playing();
        for _ in 0..VAIN {
            concert.ended(REACH, Course::Slept, false);
            concert.ended(REACH, Course::Spun, false);
            assert!(concert.plays());
        }
        concert.ended(REACH, Course::Slept, false);
        assert!(!concert.plays());
    }

    #[test]
    fn without_a_budget_there_is_none() {
        let mut concert = playing();
        concert.ended(REACH, Course::Denied, false);
        assert!(!concert.plays());
    }

    #[test]
    fn what_is_far_or_pays_anyway_is_no_occasion() {
        let mut concert = Concert::new();
        for _ in 0..10 * SOON {
            concert.ended(REACH, Course::Slept, false);
            concert.ended(1, Course::Slept, true);
            concert.ended(1, Course::Spun, false);
            assert!(!concert.plays());
        }
    }
}
