//! The gap: how long a receiver lets pass between two looks while the answer is near.
//!
//! A look that comes too early takes the line from the peer that is about to write it, and a round trip then costs four transfers of
//! a line in place of two; one that comes late is late. What is right depends on how long a line takes to come, which is between 25 ns
//! and 150 ns on one machine, by where the two cores are. So that time is measured, on few looks. Round trips of 8 to 64 bytes, ns, by
//! gap (`ringway bench --ways round-trip:56` tries the same by hand):
//!
//! | a line takes | fence and pause | 2 pauses | 3 | 4 | 6 |
//! | --- | --- | --- | --- | --- | --- |
//! | 25 ns | 55 to 81 | 95 to 145 | | | |
//! | 130 ns | 387 to 429 | | 338 to 398 | 336 to 400 | 343 to 425 |
//!
//! Near, the pause begins behind a load fence, when the last look has its answer: pauses alone fall into step with the peer there, or
//! out of it. Pure: it is told how long looks took, and knows no clock.

/// A look is timed every so many times that the ring is found empty, once enough is known.
const EVERY: u32 = 256;
/// The same before that.
const SOON: u32 = 4;
/// So many looks are enough to know.
const ENOUGH: u32 = 16;
/// A line that comes in less than this, in nanoseconds, comes from a near core.
const NEAR: u32 = 70;
/// A look that took longer was interrupted.
const LONGEST: u32 = 1000;

/// What one receiver has learned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gap {
    /// Sixteenths of a nanosecond.
    transfer: u32,
    learned: u32,
    since: u32,
    /// Pauses between two looks; 0: a fence and one pause.
    pauses: u32,
}

impl Gap {
    /// The ring was found empty: whether looks are to be timed until something comes.
    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        self.since += 1;
        let every = if self.learned < ENOUGH { SOON } else { EVERY };
        let due = self.since >= every;
        if due {
            self.since = 0;
        }
        due
    }

    /// A look that found what an earlier one had not took `nanos`: so long takes a line to come. `pauses` says how many of them take
    /// so many nanoseconds.
    pub(crate) fn learn(&mut self, nanos: u32, pauses: impl FnOnce(u32) -> u32) {
        if nanos > LONGEST {
            return;
        }
        self.learned += u32::from(self.learned < ENOUGH);
        // The first ones count in full, later ones a sixteenth.
        let weight = self.learned;
        self.transfer = (self.transfer * (weight - 1) + nanos * 16) / weight;
        let transfer = self.transfer / 16;
        self.pauses = if transfer < NEAR {
            0
        } else {
            // In whole pauses, rounded up: 4 of 23 ns where a line takes 115 to 155 ns.
            pauses(transfer * 3 / 5) + 1
        };
    }

    /// Lets the gap pass.
    #[inline(always)]
    pub(crate) fn pass(&self) {
        if self.pauses == 0 {
            fence_and_pause();
        } else {
            for _ in 0..self.pauses {
                core::hint::spin_loop();
            }
        }
    }
}

#[inline(always)]
fn fence_and_pause() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instructions have no effect but on order and time.
    unsafe {
        core::arch::asm!("lfence", "pause", options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    core::hint::spin_loop();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pause takes 23 ns.
    fn pauses(nanos: u32) -> u32 {
        nanos / 23
    }

    fn after(gap: &mut Gap, looks: u32, nanos: u32) -> u32 {
        for _ in 0..looks {
            gap.learn(nanos, pauses);
        }
        gap.pauses
    }

    #[test]
    fn it_grows_with_the_distance_and_follows_a_move() {
        let mut gap = Gap::default();
        assert_eq!(after(&mut gap, 1, 25), 0);
        assert_eq!(after(&mut gap, 100, 25), 0);
        assert_eq!(after(&mut gap, 100, 140), 4);
        assert_eq!(after(&mut gap, 100, 300), 8, "180 ns");
        assert_eq!(after(&mut gap, 100, 30), 0);
    }

    #[test]
    fn the_first_looks_count_in_full_and_later_ones_a_sixteenth() {
        let mut gap = Gap::default();
        after(&mut gap, 100, 160);
        assert_eq!((gap.learned, gap.transfer), (ENOUGH, 160 * 16));
        after(&mut gap, 1, 320);
        assert_eq!(gap.transfer, 170 * 16);
    }

    #[test]
    fn one_odd_look_changes_nothing() {
        let mut gap = Gap::default();
        after(&mut gap, 100, 25);
        assert_eq!(after(&mut gap, 1, 500), 0);
        assert_eq!(after(&mut gap, 1, 100_000), 0, "interrupted");
    }

    #[test]
    fn what_takes_as_long_as_a_limit_is_not_below_it() {
        let mut gap = Gap::default();
        assert_eq!(after(&mut gap, 1, NEAR - 1), 0);
        assert_eq!(after(&mut Gap::default(), 1, NEAR), 2, "42 ns");
        after(&mut gap, 1, LONGEST);
        assert_eq!(gap.learned, 2);
        after(&mut gap, 1, LONGEST + 1);
        assert_eq!(gap.learned, 2, "interrupted");
    }

    #[test]
    fn looks_are_timed_soon_and_then_seldom() {
        let mut gap = Gap::default();
        let mut timed = |times: u32| {
            let mut count = 0;
            for _ in 0..times {
                if gap.is_due() {
                    gap.learn(25, pauses);
                    count += 1;
                }
            }
            count
        };
        assert_eq!(timed(SOON * ENOUGH), ENOUGH);
        assert_eq!(timed(10 * EVERY), 10);
    }
}
