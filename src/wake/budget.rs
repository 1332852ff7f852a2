//! The budget of spinning: how much of each second one half may spend on looking again and again.
//!
//! A bucket that fills with time and is emptied by spinning. It holds a tenth of what a second brings, so that who was quiet for long may not spin for long at a
//! stretch. Whoever does not have enough for a whole spin sleeps at once: half a spin costs as much as half a spin, and rarely spares the sleep.
//! Pure: the moments are handed in.

use std::time::{Duration, Instant};

/// So much of what comes in a second is kept, at most: a tenth.
const KEPT: u32 = 10;
/// Nanoseconds in it.
const SECOND: i64 = 1_000_000_000;

/// What one half may spend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Nanoseconds of spinning that a second brings.
    per_second: i64,
    /// The most that is kept, in nanoseconds.
    most: i64,
    /// What is there; negative behind a spin that took longer than it was meant to.
    left: i64,
    filled: Option<Instant>,
    /// What came and is less than a nanosecond, in billionths of one: many short waits bring as much as one long one.
    rest: i64,
}

impl Budget {
    /// `per_second` of each second may be spent; `spin`: what the longest spin needs, which fits in any case, unless nothing may be spent.
    pub(crate) fn new(per_second: Duration, spin: Duration) -> Self {
        let per_second = per_second.min(Duration::from_secs(1));
        let most = if per_second.is_zero() {
            Duration::ZERO
        } else {
            (per_second / KEPT).max(spin)
        };
        let most = signed(most);
        Self {
            per_second: signed(per_second),
            most,
            left: most,
            filled: None,
            rest: 0,
        }
    }

    /// Whether there is enough at `now` for a spin of `spin`.
    pub(crate) fn affords(&mut self, now: Instant, spin: Duration) -> bool {
        let since = self
            .filled
            .map_or(Duration::ZERO, |then| now.saturating_duration_since(then));
        // A second fills any bucket, whatever is missing: no more is counted, so that nothing overflows.
        let nanos = signed(since.min(Duration::from_secs(1)));
        // At most the square of a billion and a billion: it fits.
        let brought = nanos * self.per_second + self.rest;
        self.rest = brought % SECOND;
        // A clock that goes back brings nothing, and is not believed.
        self.filled = self.filled.max(Some(now));
        self.left = (self.left + brought / SECOND).min(self.most);
        self.per_second > 0 && self.left >= signed(spin)
    }

    /// `spent` was spun. Of one that was interrupted for long no more is owed than the bucket holds: others had the processor then.
    pub(crate) fn spend(&mut self, spent: Duration) {
        self.left = self.left.saturating_sub(signed(spent)).max(-self.most);
    }
}

fn signed(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPIN: Duration = Duration::from_micros(32);

    #[test]
    fn nothing_affords_nothing_and_everything_everything() {
        let start = Instant::now();
        let mut none = Budget::new(Duration::ZERO, SPIN);
        assert!(!none.affords(start, Duration::from_nanos(1)));
        assert!(!none.affords(start + Duration::from_secs(9), Duration::ZERO));
        let mut all = Budget::new(Duration::from_secs(7), SPIN);
        let mut now = start;
        for _ in 0..100_000 {
            assert!(all.affords(now, SPIN));
            now += SPIN;
            all.spend(SPIN);
        }
    }

    #[test]
    fn a_long_interruption_is_owed_in_part() {
        let start = Instant::now();
        let mut budget = Budget::new(Duration::from_millis(10), SPIN);
        assert!(budget.affords(start, SPIN));
        budget.spend(Duration::from_secs(3600));
        assert!(!budget.affords(start + Duration::from_millis(100), SPIN));
        assert!(budget.affords(start + Duration::from_millis(300), SPIN));
    }

    proptest! {
        /// However short the waits are by which time is counted, all that comes can be spent.
        #[test]
        fn nothing_that_comes_is_lost(micros in 1u64..100_000, gap in 1u64..5_000) {
            let per_second = Duration::from_micros(micros);
            let mut budget = Budget::new(per_second, SPIN);
            let mut now = Instant::now();
            budget.affords(now, Duration::ZERO);
            budget.spend(Duration::from_nanos(budget.left.unsigned_abs()));
            let waits = 2_000;
            let mut spent = 0u128;
            for _ in 0..waits {
                now += Duration::from_nanos(gap);
                if budget.affords(now, Duration::from_nanos(1)) {
                    let left = Duration::from_nanos(budget.left.unsigned_abs());
                    budget.spend(left);
                    spent += left.as_nanos();
                }
            }
            let brought = u128::from(waits * gap) * per_second.as_nanos() / 1_000_000_000;
            prop_assert_eq!(spent, brought);
        }

        /// In any stretch of time no more is spent than it brought, what the bucket holds, and the excess of one spin.
        #[test]
        fn it_is_obeyed(
            micros in 100u64..1_000_000,
            waits in prop::collection::vec((0u64..3_000_000, 1u64..32_000, 0u64..20_000), 1..400),
        ) {
            let per_second = Duration::from_micros(micros);
            let mut budget = Budget::new(per_second, SPIN);
            let start = Instant::now();
            let (mut now, mut spent) = (start, Duration::ZERO);
            for (gap, spin, excess) in waits {
                now += Duration::from_nanos(gap);
                if budget.affords(now, Duration::from_nanos(spin)) {
                    let took = Duration::from_nanos(spin + excess);
                    now += took;
                    spent += took;
                    budget.spend(took);
                }
                let brought = (now - start).mul_f64(per_second.as_secs_f64());
                let most = brought + (per_second / KEPT).max(SPIN) + Duration::from_micros(20);
                prop_assert!(spent <= most, "{spent:?} of {most:?}");
            }
        }
    }
}
