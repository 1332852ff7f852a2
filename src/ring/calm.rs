//! The calm: when a producer leaves the barrier out of its commits, and when it takes it back.
//!
//! Without the barrier a commit is some nanoseconds cheaper, and each sleep of the consumer costs a barrier everywhere: microseconds of the sleeper's time, and an
//! interrupt of every processor that runs a process which has registered for such barriers, whoever it belongs to. So the barrier is left out only when the consumer has
//! not slept for some time, in which many frames went by, and taken back when it sleeps. If that comes soon, the time is doubled; if it comes late, it is short again.
//! Pure: it is told what happens, and when.

/// The consumer has not slept for so long, in nanoseconds, before the barrier is left out: at first.
const SHORTEST: u64 = 10_000_000;
/// The longest that this becomes.
const LONGEST: u64 = 2_000_000_000;
/// So many frames must have gone by in that time. At 5 to 10 ns each they would have paid for the barrier everywhere of one sleep dozens of times.
const ENOUGH: u64 = 16_384;

/// What a producer knows of its consumer's sleeps.
#[derive(Clone, Debug)]
pub(super) struct Calm {
    /// When the consumer was last seen asleep, or, while the barrier is left out, since when it is.
    since: u64,
    /// How many frames there were then.
    frames: u64,
    /// How long it has to be calm, in nanoseconds.
    wait: u64,
    /// The barrier is left out.
    unfenced: bool,
}

impl Calm {
    /// At `now` the lane begins.
    pub(super) fn new(now: u64) -> Self {
        Self {
            since: now,
            frames: 0,
            wait: SHORTEST,
            unfenced: false,
        }
    }

    /// Whether the barrier is left out.
    pub(super) fn is_unfenced(&self) -> bool {
        self.unfenced
    }

    /// The producer has time to think. Returns whether to leave the barrier out from now on.
    pub(super) fn has_come(&mut self, now: u64, frames: u64) -> bool {
        let calm = now.saturating_sub(self.since) >= self.wait
            && frames.saturating_sub(self.frames) >= ENOUGH;
        if calm && !self.unfenced {
            self.unfenced = true;
            self.since = now;
            return true;
        }
        false
    }

    /// As if it had come.
    #[cfg(test)]
    pub(super) fn force(&mut self) {
        self.unfenced = true;
    }

    /// The consumer was seen asleep. Returns whether to take the barrier back.
    pub(super) fn is_over(&mut self, now: u64, frames: u64) -> bool {
        let unfenced = core::mem::take(&mut self.unfenced);
        if unfenced {
            self.wait = if now.saturating_sub(self.since) < self.wait {
                (2 * self.wait).min(LONGEST)
            } else {
                SHORTEST
            };
        }
        self.since = now;
        self.frames = frames;
        unfenced
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stream_to_a_consumer_that_never_sleeps_loses_its_barrier_soon() {
        let mut calm = Calm::new(0);
        let (mut now, mut frames) = (0, 0);
        while !calm.has_come(now, frames) {
            now += 10_000;
            frames += 200;
        }
        assert!(now <= SHORTEST + 10_000, "{now}");
        assert!(calm.is_unfenced() && !calm.has_come(now, frames));
    }

    #[test]
    fn a_sleep_within_the_time_of_calm_doubles_it_and_a_later_one_does_not() {
        for (slept, expected) in [(SHORTEST - 1, 2 * SHORTEST), (SHORTEST, SHORTEST)] {
            let mut calm = Calm::new(0);
            calm.force();
            assert!(calm.is_over(slept, 1));
            assert_eq!((calm.wait, calm.since), (expected, slept));
        }
    }

    #[test]
    fn few_frames_are_not_worth_it_however_calm_it_is() {
        let mut calm = Calm::new(0);
        for second in 0..3600 {
            assert!(
                !calm.has_come(second * 1_000_000_000, second * 4),
                "{second}"
            );
        }
    }

    #[test]
    fn a_consumer_that_sleeps_often_keeps_the_barrier() {
        let mut calm = Calm::new(0);
        let (mut now, mut frames) = (0, 0);
        for _ in 0..10_000 {
            for _ in 0..9 {
                now += SHORTEST / 10;
                frames += ENOUGH;
                assert!(!calm.has_come(now, frames));
            }
            assert!(!calm.is_over(now, frames));
        }
    }

    #[test]
    fn who_sleeps_soon_after_each_calm_is_tried_ever_more_seldom() {
        let mut calm = Calm::new(0);
        let (mut now, mut frames, mut barriers) = (0, 0, 0);
        while now < 20 * LONGEST {
            now += SHORTEST;
            frames += ENOUGH;
            if calm.has_come(now, frames) {
                now += 1000;
                assert!(calm.is_over(now, frames));
                barriers += 1;
            }
        }
        assert!((10..=28).contains(&barriers), "{barriers}");
    }

    #[test]
    fn after_a_long_calm_the_next_is_waited_for_shortly() {
        let mut calm = Calm::new(0);
        let mut now = 0;
        let mut frames = 0;
        for _ in 0..6 {
            now += LONGEST;
            frames += ENOUGH;
            assert!(calm.has_come(now, frames));
            now += 1000;
            assert!(calm.is_over(now, frames));
        }
        now += LONGEST;
        frames += ENOUGH;
        assert!(calm.has_come(now, frames));
        now += LONGEST;
        assert!(calm.is_over(now, frames));
        assert!(calm.has_come(now + SHORTEST, frames + ENOUGH));
    }

    proptest! {
        /// Whatever the consumer does: between two sleeps that cost a barrier everywhere lie the shortest calm and as many frames as pay for it.
        #[test]
        fn each_barrier_is_paid_for(
            steps in prop::collection::vec((0u64..20_000_000, 0u64..40_000, any::<bool>()), 1..500),
        ) {
            let mut calm = Calm::new(0);
            let (mut now, mut frames) = (0, 0);
            let mut last = (0, 0);
            for (time, sent, sleeps) in steps {
                now += time;
                frames += sent;
                if sleeps {
                    let unfenced = calm.is_unfenced();
                    prop_assert_eq!(calm.is_over(now, frames), unfenced);
                    prop_assert!(!calm.is_unfenced());
                    if unfenced {
                        prop_assert!(now - last.0 >= SHORTEST && frames - last.1 >= ENOUGH);
                        last = (now, frames);
                    }
                } else {
                    let before = calm.is_unfenced();
                    prop_assert_eq!(calm.has_come(now, frames), calm.is_unfenced() && !before);
                }
            }
        }
    }
}
