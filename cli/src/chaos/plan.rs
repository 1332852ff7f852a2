//! Which faults come when: drawn from a seed, without a clock and without a process.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::fault::{Fault, Gaps};

/// From how many seconds to how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    least: f64,
    most: f64,
}

impl Span {
    /// Reads `0.1` or `0.05-0.5`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || "give seconds, such as 0.1, or from how many to how many: 0.05-0.5".to_owned();
        let seconds = |text: &str| match text.parse::<f64>() {
            Ok(seconds) if (0.0..=MOST).contains(&seconds) => Ok(seconds),
            _ => Err(wrong()),
        };
        let (least, most) = text.split_once('-').unwrap_or((text, text));
        let (least, most) = (seconds(least)?, seconds(most)?);
        if least > most {
            return Err(format!(
                "{least} to {most} is nothing: the smaller number comes first"
            ));
        }
        Ok(Self { least, most })
    }

    #[expect(clippy::cast_sign_loss, reason = "it is positive")]
    fn draw(self, random: &mut SmallRng) -> u64 {
        (random.random_range(self.least..=self.most) * 1e9) as u64
    }
}

/// A longer fault than a day is none that anybody waits for.
const MOST: f64 = 86_400.0;

/// What faults are like.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// Each as likely as the others.
    pub(super) faults: Vec<Fault>,
    pub(super) stop_for: Span,
    pub(super) slow_for: Span,
}

/// A fault that was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) fault: Fault,
    /// Nanoseconds that it lasts; a kill is over at once.
    pub(super) lasts: u64,
}

impl Manner {
    /// The next fault; `asked` leaves only its length to chance.
    pub(super) fn draw(&self, asked: Option<Fault>, random: &mut SmallRng) -> Drawn {
        let drawn = self.faults[random.random_range(0..self.faults.len())];
        let fault = asked.unwrap_or(drawn);
        let lasts = match fault {
            Fault::Kill => 0,
            Fault::Stop => self.stop_for.draw(random),
            Fault::Slow => self.slow_for.draw(random),
        };
        Drawn { fault, lasts }
    }
}

/// Faults at random times, without end.
#[derive(Debug)]
pub(super) struct Plan {
    manner: Manner,
    gaps: Gaps,
    random: SmallRng,
    /// Where the last one ended.
    at: u64,
}

impl Plan {
    pub(super) fn new(manner: Manner, gaps: Gaps, seed: u64) -> Self {
        Self {
            manner,
            gaps,
            random: SmallRng::seed_from_u64(seed),
            at: 0,
        }
    }

    /// What was not drawn yet is counted from this moment.
    pub(super) fn begin(&mut self, now: u64) {
        self.at = self.at.max(now);
    }
}

impl Iterator for Plan {
    /// When it begins, in nanoseconds from the start, and what it is. None begins before the last one is over.
    type Item = (u64, Drawn);

    fn next(&mut self) -> Option<Self::Item> {
        #[expect(clippy::cast_sign_loss, reason = "gaps are positive")]
        let gap = self.gaps.draw(&mut self.random) as u64;
        let at = self.at.saturating_add(gap);
        let drawn = self.manner.draw(None, &mut self.random);
        self.at = at.saturating_add(drawn.lasts);
        Some((at, drawn))
    }
}

#[cfg(test)]
pub(super) fn manner() -> Manner {
    Manner {
        faults: Fault::ALL.to_vec(),
        stop_for: Span::parse("0.05-0.5").unwrap(),
        slow_for: Span::parse("1").unwrap(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64) -> Vec<(u64, Drawn)> {
        let gaps = Gaps::per_second(2.0).unwrap();
        Plan::new(manner(), gaps, seed).take(3000).collect()
    }

    #[test]
    fn a_seed_draws_the_same_faults_and_another_one_others() {
        assert_eq!(plan(5), plan(5));
        assert_ne!(plan(5), plan(6));
    }

    #[test]
    fn faults_come_one_after_the_other_at_their_distance_and_in_equal_parts() {
        let plan = plan(1);
        let mut over = 0;
        let mut gaps = 0;
        for (at, drawn) in &plan {
            assert!(*at >= over);
            gaps += at - over;
            over = at + drawn.lasts;
            let expected = match drawn.fault {
                Fault::Kill => 0..=0,
                Fault::Stop => 50_000_000..=500_000_000,
                Fault::Slow => 1_000_000_000..=1_000_000_000,
            };
            assert!(expected.contains(&drawn.lasts), "{drawn:?}");
        }
        // Half a second on average; the standard deviation of this mean is 9 ms.
        assert!(
            (450_000_000..550_000_000).contains(&(gaps / 3000)),
            "{gaps}"
        );
        for fault in Fault::ALL {
            let count = plan
                .iter()
                .filter(|(_, drawn)| drawn.fault == fault)
                .count();
            // 1000 on average; the standard deviation is 26.
            assert!((850..1150).contains(&count), "{count} of {fault:?}");
        }
    }

    #[test]
    fn spans_are_read_and_nonsense_is_not() {
        assert_eq!(Span::parse("0.5"), Span::parse("0.5-0.5"));
        for wrong in ["", "-", "1-", "-1", "NaN", "inf", "soon", "2-1", "1e9"] {
            assert!(Span::parse(wrong).is_err(), "{wrong}");
        }
    }
}
