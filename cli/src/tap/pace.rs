//! When to look, and when to tell what was lost. Pure: the clock is handed in.

use std::time::{Duration, Instant};

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(50);
const EVERY: Duration = Duration::from_secs(1);

/// How long to sleep between two looks: the longer, the longer there was nothing.
#[derive(Debug)]
pub(crate) struct Nap(Duration);

impl Nap {
    pub(crate) fn new() -> Self {
        Self(SHORTEST)
    }

    /// There was something.
    pub(crate) fn found(&mut self) {
        self.0 = SHORTEST;
    }

    /// There was nothing: how long to sleep now.
    pub(crate) fn nothing(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(LONGEST);
        now
    }
}

/// Frames that were not seen, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
}

/// Tells of what was lost when it has changed, at most once a second.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    told: Lost,
    at: Option<Instant>,
}

impl Teller {
    /// What is to be told now, if `lost` is what was lost so far.
    pub(crate) fn tell(&mut self, lost: Lost, now: Instant) -> Option<Lost> {
        let soon = self
            .at
            .is_some_and(|at| now.saturating_duration_since(at) < EVERY);
        if soon || lost == self.told {
            return None;
        }
        self.told = lost;
        self.at = Some(now);
        Some(lost)
    }

    /// Whether something of it was not told.
    pub(crate) fn rest(&self, lost: Lost) -> bool {
        lost != self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naps_grow_while_there_is_nothing() {
        let mut nap = Nap::new();
        let slept: Vec<u128> = (0..8).map(|_| nap.nothing().as_millis()).collect();
        assert_eq!(slept, [1, 2, 4, 8, 16, 32, 50, 50]);
        nap.found();
        assert_eq!(nap.nothing(), SHORTEST);
    }

    #[test]
    fn what_was_lost_is_told_when_it_changes_and_once_a_second_at_most() {
        let lost = |frames| Lost {
            frames,
            bytes: 8 * frames,
        };
        let (mut teller, begin) = (Teller::default(), Instant::now());
        let mut at =
            |frames, millis| teller.tell(lost(frames), begin + Duration::from_millis(millis));
        assert_eq!(at(0, 0), None);
        assert_eq!(at(1, 1), Some(lost(1)));
        assert_eq!(at(2, 1000), None);
        assert_eq!(at(3, 1001), Some(lost(3)));
        assert_eq!(at(3, 9000), None);
        assert!(teller.rest(lost(4)) && !teller.rest(lost(3)));
    }
}
