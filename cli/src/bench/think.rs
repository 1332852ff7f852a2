//! The rows with a time to think: spinning, parking and adapting side by side in each round.
//!
//! Spinning is what round trips are compared with, parking what processor time is. Where pauses are short the value is the median of round trips,
//! where they are long the processor time of one, which is taken from all counted rounds together: what is spun as a trial comes once in 64 waits, and
//! a median of rounds would leave it out.

use std::time::Instant;

use serde::Serialize;

use super::Failure;
use super::crew::{Batch, Crew, Meeting};
use super::meter::{Percentiles, median};
use super::placement::Placement;
use super::rounds::{AGREEMENT, Effort, Outcome};
use super::task::{Task, Waiting};
use super::work::Pass;

/// The manners, in the order in which a round has them; the first two are what the last is compared with.
const MANNERS: [(&str, Waiting); 3] = [
    ("spin", Waiting::Spin),
    ("park", Waiting::Park),
    ("adaptive", Waiting::Adaptive),
];
const SPIN: usize = 0;
const PARK: usize = 1;
const ADAPTIVE: usize = 2;

/// Pauses from this length on are judged by processor time, in microseconds.
const LONG: u32 = 1000;
/// Messages that are checked word by word, without a pause.
const CHECKED: u64 = 200;
/// Waits before anything counts: what the check taught is unlearned, and trials in vain have become rare.
const WARM: u64 = 128;
/// Round trips of a batch, at least and at most.
const FEWEST: u64 = 16;
const MOST: u64 = 20_000;
/// The processor time of few round trips is less exact than a median, and what the round is compared with may move by so much within it.
const CPU_AGREEMENT: f64 = 1.25;

/// What one manner came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Manner {
    pub(crate) wait: &'static str,
    pub(crate) p50_ns: f64,
    pub(crate) p99_ns: f64,
    pub(crate) p999_ns: f64,
    /// Of one core, both sides together, without the thinking.
    pub(crate) cpu_percent: f64,
    /// Processor time of a round trip and the wait before it, both sides together, in nanoseconds.
    pub(crate) cpu_ns: f64,
}

/// Of one manner, all counted rounds.
#[derive(Debug, Default)]
struct Sums {
    p50: Vec<f64>,
    cpu_nanos: f64,
    wall_nanos: f64,
    count: u64,
    percentiles: Option<Percentiles>,
}

impl Sums {
    fn add(&mut self, batch: &Batch) {
        self.p50.push(batch.nanos());
        self.cpu_nanos += batch.cpu_nanos;
        self.wall_nanos += batch.lead.wall_nanos;
        self.count += batch.count;
        self.percentiles = batch.lead.percentiles;
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn cpu(&self) -> f64 {
        self.cpu_nanos / self.count as f64
    }

    fn told(&self, wait: &'static str) -> Manner {
        let percentile =
            |pick: fn(&Percentiles) -> f64| self.percentiles.as_ref().map_or(0.0, pick);
        Manner {
            wait,
            p50_ns: median(&self.p50),
            p99_ns: percentile(|p| p.p99),
            p999_ns: percentile(|p| p.p999),
            cpu_percent: 100.0 * self.cpu_nanos / self.wall_nanos,
            cpu_ns: self.cpu(),
        }
    }
}

/// Whether a row with this pause is judged by processor time.
pub(crate) const fn by_processor_time(micros: u32) -> bool {
    micros >= LONG
}

fn crews(micros: u32, placement: Placement, meeting: &mut Meeting) -> Result<[Crew; 3], Failure> {
    let mut crew = |waiting| -> Result<Crew, Failure> {
        let mut crew = Crew::start(
            Task::Thinking(waiting, micros),
            placement,
            &meeting.address(),
        )?;
        crew.run(Pass::Check, CHECKED)?;
        crew.run(Pass::Each, WARM)?;
        Ok(crew)
    };
    let [spin, park, adaptive] = MANNERS.map(|(_, waiting)| waiting);
    Ok([crew(spin)?, crew(park)?, crew(adaptive)?])
}

/// Measures all three with a pause of `micros` before each round trip.
pub(crate) fn measure(
    micros: u32,
    placement: Placement,
    meeting: &mut Meeting,
    effort: &Effort,
) -> Result<Outcome, Failure> {
    let long = by_processor_time(micros);
    let count = u64::try_from(effort.batch.as_micros())? / u64::from(micros);
    let count = count.clamp(FEWEST, MOST);
    let mut together = crews(micros, placement, meeting)?;
    let end = Instant::now() + effort.time;
    let (mut sums, mut discarded) = ([(); 3].map(|()| Sums::default()), 0);
    let mut slowness = Vec::new();
    let compared = if long { PARK } else { SPIN };
    let (figure, agreement): (fn(&Batch) -> f64, f64) = if long {
        (|batch| batch.cpu_nanos, CPU_AGREEMENT)
    } else {
        (Batch::nanos, AGREEMENT)
    };
    while effort.more(slowness.len(), discarded, end) {
        // Where it takes no time to learn, each round has new processes, as every row has: where memory lies is a part of what is measured.
        if !long && slowness.len() + discarded > 0 {
            together = crews(micros, placement, meeting)?;
        }
        let mut batch = |which: usize| together[which].run(Pass::Batch, count);
        let before = batch(compared)?;
        let ours = batch(ADAPTIVE)?;
        let other = batch(SPIN + PARK - compared)?;
        let after = batch(compared)?;
        let (first, last) = (figure(&before), figure(&after));
        if first.max(last) > agreement * first.min(last) {
            discarded += 1;
            continue;
        }
        slowness.push(figure(&ours) / f64::midpoint(first, last));
        sums[ADAPTIVE].add(&ours);
        sums[SPIN + PARK - compared].add(&other);
        sums[compared].add(&before);
        sums[compared].add(&after);
    }
    let [spin, park, adaptive] = &sums;
    let cpu_ratio = adaptive.cpu() / park.cpu();
    let counted = !slowness.is_empty();
    let manner = |which: usize| sums[which].told(MANNERS[which].0);
    Ok(Outcome {
        nanos: if long {
            adaptive.cpu()
        } else {
            median(&adaptive.p50)
        },
        limit_nanos: if long { park.cpu() } else { median(&spin.p50) },
        slowness: if long { cpu_ratio } else { median(&slowness) },
        rounds: slowness.len(),
        discarded,
        cpu_seconds: adaptive.cpu_nanos / 1e9,
        seconds: adaptive.wall_nanos / 1e9,
        limit_cpu_seconds: sums[compared].cpu_nanos / 1e9,
        limit_seconds: sums[compared].wall_nanos / 1e9,
        percentiles: adaptive.percentiles,
        manners: if counted {
            (0..MANNERS.len()).map(manner).collect()
        } else {
            Vec::new()
        },
        ..Outcome::default()
    })
}

/// Both ratios in words, whichever the row is judged by.
pub(crate) fn ratios(manners: &[Manner]) -> Option<String> {
    let [spin, park, adaptive] = manners else {
        return None;
    };
    Some(format!(
        "adaptive: p50 {:.2}x of spinning, processor time {:.2}x of parking",
        adaptive.p50_ns / spin.p50_ns,
        adaptive.cpu_ns / park.cpu_ns
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::row::{Measured, Target, Unit};
    use super::super::rows::ROWS;
    use super::*;

    /// A pause in the words of a row's name.
    fn named(pause: Duration) -> String {
        match pause.as_micros() {
            micros if micros < 1000 => format!("think-{micros}us"),
            micros => format!("think-{}ms", micros / 1000),
        }
    }

    #[test]
    fn every_row_is_named_after_its_pause_and_judged_by_what_matters_there() {
        let mut rows = 0;
        for row in ROWS {
            let Measured::Thinking { micros } = row.work else {
                continue;
            };
            rows += 1;
            assert_eq!(named(Duration::from_micros(micros.into())), row.name);
            assert_eq!(
                row.unit == Unit::ProcessorMicroseconds,
                by_processor_time(micros)
            );
            let judged = matches!(row.target, Target::AtMost(most) if (most - 1.3).abs() < 1e-9);
            assert_eq!(judged, micros <= 20 || micros >= 1000, "{}", row.name);
        }
        assert_eq!(rows, 7);
    }

    #[test]
    fn both_ratios_are_told() {
        let manner = |wait, p50_ns, cpu_ns| Manner {
            wait,
            p50_ns,
            p99_ns: p50_ns,
            p999_ns: p50_ns,
            cpu_percent: 100.0,
            cpu_ns,
        };
        let manners = [
            manner("spin", 100.0, 2000.0),
            manner("park", 5000.0, 500.0),
            manner("adaptive", 120.0, 600.0),
        ];
        let told = ratios(&manners).unwrap();
        assert!(
            told.contains("p50 1.20x") && told.contains("time 1.20x"),
            "{told}"
        );
        assert!(ratios(&[]).is_none());
    }
}
