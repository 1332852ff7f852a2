//! Staying awake for a moment behind a ring that found nothing: an honest peer rings ahead of its answer ([`early`](super::early)). Pure: the moments are handed in.
//!
//! Where that is mostly in vain, it is done more and more seldom: a peer that rings for nothing keeps nobody awake.

use std::time::{Duration, Instant};

/// As long as a receiver that follows a large frame looks for more of it (`connection/receiver/follow.rs`): about what a sleep and a wake take.
const LONGEST: Duration = Duration::from_micros(50);

/// So often in a row it may be in vain.
const BORNE: u32 = 4;
/// Then it is left out twice, and each time that it is in vain again twice as often, up to 2 to this.
const MOST: u32 = 10;

/// What one half has learned of it.
#[derive(Debug, Default)]
pub(super) struct Linger {
    until: Option<Instant>,
    /// How often in a row it was in vain.
    in_vain: u32,
    /// How often it is left out.
    left_out: u32,
}

impl Linger {
    /// A ring has found nothing.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.left_out > 0 {
            self.left_out -= 1;
        } else {
            self.until = Some(now + LONGEST);
        }
    }

    /// Whether to look again at once.
    pub(super) fn is_on(&mut self, now: Instant) -> bool {
        let Some(until) = self.until else {
            return false;
        };
        if now < until {
            return true;
        }
        self.until = None;
        self.in_vain += 1;
        if self.in_vain >= BORNE {
            self.left_out = 2 << (self.in_vain - BORNE).min(MOST - 1);
        }
        false
    }

    /// There is what was waited for.
    pub(super) fn found(&mut self) {
        if self.until.take().is_some() {
            self.in_vain = 0;
        }
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn what_comes_within_the_moment_keeps_it_up() {
        let (mut linger, mut now) = (Linger::default(), Instant::now());
        for _ in 0..1000 {
            linger.begin(now);
            now += Duration::from_micros(49);
            assert!(linger.is_on(now));
            linger.found();
            assert!(!linger.is_on(now));
        }
    }

    #[test]
    fn who_rings_for_nothing_keeps_nobody_awake() {
        let (mut linger, mut now, mut awake) = (Linger::default(), Instant::now(), 0);
        for _ in 0..10_000 {
            linger.begin(now);
            awake += u32::from(linger.is_on(now));
            now += LONGEST;
            assert!(!linger.is_on(now));
        }
        assert!((10..25).contains(&awake), "{awake} times");
        // One that was not in vain makes up for all.
        while !linger.is_on(now) {
            linger.begin(now);
        }
        linger.found();
        linger.begin(now);
        assert!(linger.is_on(now));
    }
}
