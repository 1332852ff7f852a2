//! Staying awake for a moment behind a ring that found nothing: an honest peer rings ahead of its answer ([`early`](super::early)). Pure: the moments are handed in.
//!
//! Where that is mostly in vain, it is done more and more seldom: a peer that rings for nothing keeps nobody awake.

use std::time::{Duration, Instant};

/// As long as a receiver that follows a large frame looks for more of it (`connection/receiver/follow.rs`): about what a sleep and a wake take.
const LONGEST: Duration = Duration::from_micros(50);

/// What one in vain weighs against one that found something, and how much of it is too much.
const IN_VAIN: u8 = 4;
const TOO_MUCH: u8 = 12;
/// Then it is left out twice, and each time that it is in vain again twice as often, up to this; until the balance is even.
const SELDOM: u32 = 2048;

/// What one half has learned of it.
#[derive(Debug)]
pub(super) struct Linger {
    until: Option<Instant>,
    in_vain: u8,
    /// How often it is left out, and the next time.
    left_out: u32,
    apart: u32,
}

impl Linger {
    pub(super) fn new() -> Self {
        Self {
            until: None,
            in_vain: 0,
            left_out: 0,
            apart: 2,
        }
    }

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
        self.in_vain += IN_VAIN;
        if self.in_vain > TOO_MUCH {
            self.in_vain = TOO_MUCH;
            self.left_out = self.apart;
            self.apart = (2 * self.apart).min(SELDOM);
        }
        false
    }

    /// There is what was waited for.
    pub(super) fn found(&mut self) {
        if self.until.take().is_some() {
            self.in_vain = self.in_vain.saturating_sub(1);
            if self.in_vain == 0 {
                self.apart = 2;
            }
        }
    }

    /// Another wait begins, however the one before ended.
    pub(super) fn forget(&mut self) {
        self.until = None;
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn what_comes_within_the_moment_keeps_it_up() {
        let (mut linger, mut now) = (Linger::new(), Instant::now());
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
        let (mut linger, mut now, mut awake) = (Linger::new(), Instant::now(), 0);
        for _ in 0..10_000 {
            linger.begin(now);
            awake += u32::from(linger.is_on(now));
            now += LONGEST;
            assert!(!linger.is_on(now));
        }
        assert!((10..25).contains(&awake), "{awake} times");
    }

    #[test]
    fn three_in_vain_are_borne_and_then_it_is_left_out_twice_as_often_each_time() {
        let (mut linger, mut now, mut left_out) = (Linger::new(), Instant::now(), Vec::new());
        for ring in 0..20 {
            linger.begin(now);
            if !linger.is_on(now) {
                left_out.push(ring);
            }
            now += LONGEST;
            assert!(!linger.is_on(now));
        }
        assert_eq!(
            left_out,
            [4, 5, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19]
        );
    }

    /// Of four rings the last one comes with something: three quarters of the time would be spun for nothing.
    #[test]
    fn who_rings_mostly_for_nothing_keeps_nobody_awake_either() {
        let (mut linger, mut now, mut awake) = (Linger::new(), Instant::now(), 0);
        for ring in 0..10_000 {
            linger.begin(now);
            let on = linger.is_on(now);
            awake += u32::from(on);
            if ring % 4 == 3 {
                linger.found();
            }
            now += LONGEST;
            assert!(!linger.is_on(now));
        }
        assert!(awake < 60, "{awake} times");
    }

    #[test]
    fn it_is_taken_up_again_where_it_is_not_in_vain_any_more() {
        let (mut linger, mut now) = (Linger::new(), Instant::now());
        for _ in 0..100 {
            linger.begin(now);
            now += LONGEST;
            assert!(!linger.is_on(now));
        }
        let mut awake = 0;
        for _ in 0..1000 {
            linger.begin(now);
            awake += u32::from(linger.is_on(now));
            linger.found();
        }
        assert!(awake > 800, "{awake} times");
    }

    #[test]
    fn a_wait_that_ends_otherwise_says_nothing() {
        let (mut linger, now) = (Linger::new(), Instant::now());
        linger.begin(now);
        linger.forget();
        assert!(!linger.is_on(now));
        assert_eq!(linger.in_vain, 0);
    }
}
