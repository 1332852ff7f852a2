//! Ringing ahead of an answer: whoever has slept, and is woken by a frame, wakes the half that will sleep until it is answered, so that the time which that wake takes goes by while
//! the answer is made. Pure: the moments are handed in.
//!
//! It is one ring, as before, and only earlier, if the peer's half is still on its way up when the answer is committed: its epoch is then the one it was rung for. Where the answer took longer, the
//! peer has looked, found nothing and gone back to sleep, with a new epoch: it is rung again, and one wake was in vain. So it is tried in series where answers come soon, and done while
//! they find the peer on its way.
//!
//! A Unix socket does the same by accident: whoever reads from it wakes the sleeping sender for the room (`unix_write_space` in Linux, `net/unix/af_unix.c`).

use std::time::{Duration, Instant};

use super::series::Series;

/// An answer that comes so soon behind the wake is one that a ring may go ahead of: about what a wake takes where idle processors take long to come up.
const SOON: Duration = Duration::from_micros(64);

/// What a ring in vain weighs against one that an answer found on its way, and how much of it is too much. One of which nothing is known weighs one.
const IN_VAIN: u8 = 4;
const TOO_MUCH: u8 = 8;

/// What is known of the answers of one connection. Its two halves share it.
#[derive(Debug)]
pub(crate) struct Early {
    /// When the frame came that is not answered yet.
    woken: Option<Instant>,
    /// The peer's epoch that was rung ahead of that answer; no epoch that asks for a ring is zero.
    rung: u64,
    series: Series<4, 4, 1024>,
    pays: bool,
    in_vain: u8,
    /// How long the answer took that the last trial was in vain for.
    failed: Duration,
}

impl Early {
    pub(crate) fn new() -> Self {
        Self {
            woken: None,
            rung: 0,
            series: Series::new(),
            pays: false,
            in_vain: 0,
            failed: Duration::MAX,
        }
    }

    /// One that rings ahead of whatever comes.
    #[cfg(any(loom, ringway_shuttle))]
    pub(crate) fn paying() -> Self {
        Self {
            pays: true,
            ..Self::new()
        }
    }

    /// A frame has ended a sleep, and the peer has this epoch. Returns whether it is to be rung now, if it sleeps.
    pub(crate) fn woken(&mut self, epoch: u64, now: Instant) -> bool {
        if self.rung != 0 {
            // No commit has found it asleep since. How long the answer took is not known.
            let went = match epoch.wrapping_sub(self.rung) {
                // It sleeps, or sleeps again: it waits for the same as before.
                0 | 2 => Went::InVain,
                // It is awake, or sleeps in the next wait: it has stayed awake until the answer came.
                1 | 3 | 4 => Went::OnItsWay,
                // It has waited several times since, or in slices: nobody knows for what.
                _ => Went::Unknown,
            };
            self.judge(went, Duration::ZERO);
        }
        self.woken = Some(now);
        self.pays || self.series.is_on()
    }

    /// It was rung, for that epoch.
    pub(crate) fn rang(&mut self, epoch: u64) {
        self.rung = epoch;
    }

    /// A frame was committed, and the peer sleeps with this epoch. Returns whether it was rung for that: then it looks again, or has said by another epoch that it did.
    pub(crate) fn answers(&mut self, epoch: u64, now: Instant) -> bool {
        let took = self
            .woken
            .take()
            .map_or(Duration::MAX, |woken| now.saturating_duration_since(woken));
        if self.rung != 0 {
            let on_its_way = self.rung == epoch;
            let went = if on_its_way {
                Went::OnItsWay
            } else {
                Went::InVain
            };
            self.judge(went, took);
            return on_its_way;
        }
        if !self.pays && !self.series.is_on() && took < SOON {
            if took < self.failed / 2 {
                // What was in vain then says little of answers that come so much sooner.
                self.failed = took;
                self.series = Series::new();
            }
            self.series.occasion();
        }
        false
    }

    /// What came of the last ring, and how long the answer took.
    fn judge(&mut self, went: Went, took: Duration) {
        self.rung = 0;
        self.in_vain = match went {
            Went::OnItsWay => self.in_vain.saturating_sub(1),
            Went::Unknown => self.in_vain + 1,
            Went::InVain => self.in_vain + IN_VAIN,
        };
        if self.in_vain > TOO_MUCH || (went != Went::OnItsWay && !self.pays) {
            self.pays = false;
            self.in_vain = 0;
            self.failed = took;
            self.series.end(false);
        } else if !self.pays && self.series.trial() {
            self.pays = true;
            self.series.end(true);
        }
    }
}

/// What came of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Went {
    /// The answer found the peer awake, or on its way up.
    OnItsWay,
    InVain,
    Unknown,
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use super::*;

    /// Asks and answers: each takes `work` to be answered, and a sleeper `wake` to come up and go back to sleep. Returns how many were rung for early, and how many of those in vain.
    fn served(early: &mut Early, requests: u64, work: Duration, wake: Duration) -> (u32, u32) {
        let (mut now, mut epoch, mut rung, mut vain) = (Instant::now(), 1, 0, 0);
        for _ in 0..requests {
            now += Duration::from_millis(1);
            let rings = early.woken(epoch, now);
            if rings {
                early.rang(epoch);
                rung += 1;
                if work >= wake {
                    epoch += 2;
                }
            }
            now += work;
            let spared = early.answers(epoch, now);
            assert!(!spared || rings, "nothing had been rung");
            assert_eq!(spared, rings && work < wake);
            vain += u32::from(rings && !spared);
            epoch += 2;
        }
        (rung, vain)
    }

    const WAKE: Duration = Duration::from_micros(35);

    #[test]
    fn answers_that_come_soon_are_rung_ahead_of() {
        let (rung, vain) = served(&mut Early::new(), 1000, Duration::from_micros(3), WAKE);
        assert_eq!((rung, vain), (996, 0));
    }

    #[test]
    fn answers_that_come_later_than_the_wake_are_tried_less_and_less() {
        let mut early = Early::new();
        let (rung, vain) = served(&mut early, 10_000, Duration::from_micros(50), WAKE);
        assert_eq!(rung, vain);
        assert!((2..20).contains(&rung), "{rung} rings");
        // Once they come soon, it is found out.
        let (rung, vain) = served(&mut early, 10_000, Duration::from_micros(3), WAKE);
        assert_eq!((rung, vain), (9_996, 0), "at the fourth");
        // And once they do not.
        let (rung, vain) = served(&mut early, 1000, Duration::from_micros(50), WAKE);
        assert_eq!(rung, vain);
        assert!(rung < 10, "{rung} rings");
    }

    /// What was in vain says nothing of answers that take less than half as long.
    #[test]
    fn only_answers_that_come_much_sooner_are_tried_as_if_nothing_had_been() {
        let rung_at = |work| {
            let mut early = Early::new();
            served(&mut early, 10_000, Duration::from_micros(50), WAKE);
            served(&mut early, 100, work, WAKE).0
        };
        assert_eq!(rung_at(Duration::from_micros(25)), 0);
        assert_eq!(rung_at(Duration::from_nanos(24_999)), 96);
    }

    #[test]
    fn answers_that_come_late_are_not_tried() {
        let (rung, _) = served(&mut Early::new(), 1000, SOON, WAKE);
        assert_eq!(rung, 0);
    }

    #[test]
    fn frames_without_an_answer_end_it() {
        let mut early = Early::new();
        served(&mut early, 100, Duration::from_micros(3), WAKE);
        let mut now = Instant::now();
        let rung: u32 = (0..100)
            .map(|sleeps| {
                // It is one wait all the while.
                let epoch = 1001 + 2 * sleeps;
                now += Duration::from_millis(1);
                let rings = early.woken(epoch, now);
                if rings {
                    early.rang(epoch);
                }
                u32::from(rings)
            })
            .sum();
        assert_eq!(rung, 3);
    }

    #[test]
    fn answers_that_find_the_peer_awake_keep_it_up() {
        let mut early = Early::new();
        let work = Duration::from_micros(50);
        let (mut now, mut epoch, mut rung) = (Instant::now(), 1u64, 0);
        for question in 0..1000 {
            now += Duration::from_millis(1);
            let rings = early.woken(epoch, now);
            if rings {
                early.rang(epoch);
                rung += 1;
                // It has stayed awake for a moment, and found the answer.
                epoch += 1;
            } else {
                assert!(!early.answers(epoch, now + work));
                epoch += 1;
            }
            // It is still about the next question when that wakes us, or sleeps already.
            if question % 2 == 0 && rings {
                assert!(early.woken(epoch, now), "while it does something");
            }
            epoch += 3;
        }
        assert_eq!(rung, 996);
    }

    /// A receiver that waits in slices has other epochs each time, and was answered nothing.
    #[test]
    fn frames_without_an_answer_end_it_however_the_peer_waits() {
        let mut early = Early::new();
        served(&mut early, 100, Duration::from_micros(3), WAKE);
        let (mut now, mut epoch, mut rung) = (Instant::now(), 1001, 0);
        for _ in 0..10_000 {
            now += Duration::from_millis(250);
            if early.woken(epoch, now) {
                early.rang(epoch);
                rung += 1;
                epoch += 2;
            }
            epoch += 8;
        }
        assert!(rung < 12, "{rung} rings");
    }

    #[test]
    fn now_and_then_one_in_vain_is_borne() {
        let mut early = Early::new();
        served(&mut early, 100, Duration::from_micros(3), WAKE);
        for _ in 0..100 {
            let (rung, vain) = served(&mut early, 1, Duration::from_micros(50), WAKE);
            assert_eq!((rung, vain), (1, 1));
            let (rung, vain) = served(&mut early, 5, Duration::from_micros(3), WAKE);
            assert_eq!((rung, vain), (5, 0));
        }
    }
}
