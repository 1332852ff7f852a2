//! The ration: how many barriers everywhere one half makes at the most because its peer says that it does not fence.
//!
//! Each interrupts every processor that runs a process which has registered, and a peer decides by a word of its own whether they are needed. So they are rationed: for one
//! half, no more than the kernel's own clock interrupts a processor; for several halves, each. Whoever has none left sleeps for short times only ([`UNSURE`]), which needs none. A bucket that fills with
//! time. Pure: the moments are handed in.

use std::time::{Duration, Instant};

/// Barriers that a second brings.
const PER_SECOND: u32 = 250;
/// The most that are kept.
const KEPT: u32 = 25;

/// How long a half sleeps at most that has no barrier behind its epoch: a commit that it did not see is found then. By that time the processor that made it has
/// long let go of it, but nothing promises so: each sleep is as short as that until there was a barrier.
pub(crate) const UNSURE: Duration = Duration::from_millis(1);

/// What one half has left.
#[derive(Clone, Debug)]
pub(crate) struct Ration {
    /// Between two.
    every: Duration,
    left: u32,
    most: u32,
    filled: Option<Instant>,
}

impl Default for Ration {
    fn default() -> Self {
        Self::new(PER_SECOND, KEPT)
    }
}

impl Ration {
    /// `per_second`, of which `most` are kept.
    pub(crate) fn new(per_second: u32, most: u32) -> Self {
        Self {
            every: Duration::from_secs(1) / per_second,
            left: most,
            most,
            filled: None,
        }
    }

    /// Takes one, if one is left at `now`.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let filled = *self.filled.get_or_insert(now);
        let since = now.saturating_duration_since(filled);
        if since >= self.every {
            let brought = since.as_nanos() / self.every.as_nanos();
            let brought = u32::try_from(brought).unwrap_or(u32::MAX).min(self.most);
            if brought == self.most {
                self.filled = Some(now);
            } else {
                // What is not a whole one is left to be counted later.
                self.filled = Some(filled + self.every * brought);
            }
            self.left = (self.left + brought).min(self.most);
        }
        let some = self.left > 0;
        self.left -= u32::from(some);
        some
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_a_whole_one_is_counted_later() {
        let mut ration = Ration::default();
        let start = Instant::now();
        let every = Duration::from_secs(1) / PER_SECOND;
        while ration.take(start) {}
        let taken = |quarters: u32| {
            let now = start + every * quarters / 4;
            std::iter::repeat_with(|| ration.take(now))
                .take_while(|taken| *taken)
                .count()
        };
        assert_eq!(
            [10, 11, 12, 13, 28, 31, 32].map(taken),
            [2, 0, 1, 0, 4, 0, 1]
        );
    }

    #[test]
    fn a_rare_sleeper_always_has_one() {
        let mut ration = Ration::default();
        let mut now = Instant::now();
        for _ in 0..10_000 {
            assert!(ration.take(now));
            now += Duration::from_millis(4);
        }
    }

    #[test]
    fn who_sleeps_all_the_time_gets_no_more_than_the_ration() {
        let mut ration = Ration::default();
        let start = Instant::now();
        let taken = (0..1_000_000u64)
            .filter(|micros| ration.take(start + Duration::from_micros(10 * micros)))
            .count();
        assert!((2500..=2525).contains(&taken), "{taken}");
    }

    proptest! {
        /// In any stretch of time no more are taken than it brought and than are kept, and none is withheld that is there.
        #[test]
        fn it_is_obeyed(gaps in prop::collection::vec(0u64..50_000_000, 1..2_000)) {
            let mut ration = Ration::default();
            let start = Instant::now();
            let mut now = start;
            let mut taken = Vec::new();
            for gap in gaps {
                now += Duration::from_nanos(gap);
                if ration.take(now) {
                    taken.push(now);
                } else {
                    let last: &Instant = taken.last().unwrap();
                    prop_assert!(now - *last < Duration::from_millis(4));
                }
            }
            for (at, from) in taken.iter().enumerate() {
                for (count, to) in taken[at..].iter().enumerate() {
                    let brought = (*to - *from).as_nanos() * u128::from(PER_SECOND) / 1_000_000_000;
                    prop_assert!((count as u128) < brought + u128::from(KEPT) + 2);
                }
            }
        }
    }
}
