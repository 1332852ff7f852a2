//! The heat of a connection in a poller: whether it is looked at in memory, or sleeps in the kernel until it is rung.
//!
//! Looking is worth it while the next frame is near: it spares both sides a wake. A connection is kept hot for as long as its frames have
//! lately been apart, twice over, and less where many others are hot too, since each makes the round of all longer; one whose frames are
//! too far apart is let go at once. Pure: it is told when something was found and how many are hot, and knows no clock.

/// Frames that are further apart than this, in nanoseconds, are not worth looking for: about what a sleep and a wake cost.
const WORTH: u64 = 50_000;
/// The longest that a connection is kept hot without a frame.
pub(crate) const LONGEST: u64 = 2 * WORTH;
/// A connection that is not worth looking for is kept for the rest of this round only.
const SHORTEST: u64 = 0;
/// A gap counts as no longer than this, so that a long silence is forgotten after a few frames that are near each other.
const FORGOTTEN: u64 = 8 * WORTH;
/// So many may be hot without anybody's time being cut.
const ROOM: u64 = 64;

/// What is known of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heat {
    /// When something was last found, in nanoseconds.
    last: u64,
    /// How far apart finds are, lately.
    gap: u64,
}

impl Heat {
    /// A connection that begins `now`. It is expected to be used at once.
    pub(crate) fn new(now: u64) -> Self {
        Self { last: now, gap: 0 }
    }

    /// Something was found `now`.
    pub(crate) fn found(&mut self, now: u64) {
        let gap = now.saturating_sub(self.last).min(FORGOTTEN);
        self.last = now;
        self.gap = (3 * self.gap + gap) / 4;
    }

    /// Whether it is to be let go `now`, while `hot` are hot, this one included.
    pub(crate) fn is_over(&self, now: u64, hot: usize) -> bool {
        now.saturating_sub(self.last) >= self.kept(hot as u64)
    }

    /// How long it is kept after something was found.
    fn kept(&self, hot: u64) -> u64 {
        let kept = if self.gap > WORTH {
            SHORTEST
        } else {
            (2 * self.gap).clamp(WORTH / 2, LONGEST)
        };
        kept * ROOM / hot.max(ROOM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Looks every `step` nanoseconds at a connection whose frames come with these gaps. Returns the time that it was hot, and how often it
    /// had to be woken.
    fn simulate(gaps: &[u64], hot: usize, step: u64) -> (u64, u32) {
        let (mut heat, mut now) = (Heat::new(0), 0);
        let (mut spent, mut wakes) = (0, 0);
        for gap in gaps {
            let (due, from) = (now + gap, now);
            while now < due && !heat.is_over(now, hot) {
                now += step;
            }
            spent += now - from;
            if now < due {
                wakes += 1;
                now = due;
            }
            heat.found(now);
        }
        (spent, wakes)
    }

    #[test]
    fn near_frames_are_looked_for_and_far_ones_are_slept_for() {
        let (_, wakes) = simulate(&[20_000; 1000], 1, 100);
        assert_eq!(wakes, 0);
        let (spent, wakes) = simulate(&[1_000_000; 1000], 1, 100);
        assert!(wakes >= 999, "{wakes}");
        assert!(spent < 5 * LONGEST, "{spent} ns of a second");
    }

    #[test]
    fn a_burst_after_a_silence_is_looked_for_again_soon() {
        let mut gaps = vec![10_000_000; 10];
        gaps.extend([5_000; 1000]);
        let (_, wakes) = simulate(&gaps, 1, 100);
        assert!(wakes < 25, "{wakes}");
    }

    #[test]
    fn where_many_are_hot_each_is_let_go_sooner() {
        let heat = Heat::new(0);
        assert!(!heat.is_over(WORTH / 4, 64));
        assert!(heat.is_over(WORTH / 4, 640));
    }

    proptest! {
        /// Whatever the traffic, nothing is looked at in vain for longer than `LONGEST` after a frame, and what is silent gets cold.
        #[test]
        fn what_is_silent_gets_cold(gaps in prop::collection::vec(0u64..10_000_000, 1..200), hot in 1usize..2000) {
            let mut heat = Heat::new(0);
            let mut now = 0;
            for gap in gaps {
                now += gap;
                heat.found(now);
                prop_assert!(heat.is_over(now + LONGEST, hot));
                prop_assert!(heat.kept(hot as u64) <= LONGEST);
            }
        }

        /// The time that is spent looking is never more than the longest look per frame, and where frames are far apart next to none.
        #[test]
        fn far_frames_cost_little(gaps in prop::collection::vec(1_000_000u64..20_000_000, 50..200)) {
            let (spent, _) = simulate(&gaps, 1, 1000);
            let all: u64 = gaps.iter().sum();
            prop_assert!(spent * 20 < all, "{} of {}", spent, all);
        }

        /// Steady traffic of any pace that is worth it is never slept through.
        #[test]
        fn a_steady_pace_is_kept(gap in 500u64..WORTH / 2, frames in 10usize..500) {
            let (_, wakes) = simulate(&vec![gap; frames], 1, 100);
            prop_assert_eq!(wakes, 0);
        }

        /// A clock that stands still or goes back does no harm.
        #[test]
        fn any_clock_will_do(moments in prop::collection::vec(any::<u64>(), 1..100)) {
            let mut heat = Heat::new(moments[0]);
            for moment in moments {
                heat.found(moment);
                let _ = heat.is_over(moment.wrapping_add(1), 1);
            }
        }
    }
}
