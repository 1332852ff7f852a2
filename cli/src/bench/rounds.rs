//! Rounds: limit, ours, limit. A round counts only if the two measurements of the limit agree.
//!
//! A virtual machine's host moves and shares its processors within seconds, and the same loop is then several times
//! slower. Only what ran side by side is compared, so the result is the median of the rounds' ratios, not the ratio of
//! two medians.

use std::time::{Duration, Instant};

use super::Failure;
use super::crew::{Batch, Crew, Meeting};
use super::meter::{Percentiles, median};
use super::placement::Placement;
use super::task::Task;
use super::work::Pass;

/// How much effort a row is worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds that have to count.
    pub(crate) rounds: usize,
    /// Rounds tried at the most.
    pub(crate) tries: usize,
    /// The row ends after this time, however many rounds counted.
    pub(crate) time: Duration,
    /// Length of a batch.
    pub(crate) batch: Duration,
    /// Length of the pass that times single operations.
    pub(crate) each: Duration,
    /// How long an idle connection is watched.
    pub(crate) idle: Duration,
}

/// The limit's two measurements may differ by so much.
const AGREEMENT: f64 = 1.10;

/// What the rounds of a row came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Nanoseconds per operation, median of the counted rounds.
    pub(crate) nanos: f64,
    /// The same of the limit; NaN where there is none.
    pub(crate) limit_nanos: f64,
    /// Time per operation over the limit's time, median of the counted rounds; NaN where there is no limit.
    pub(crate) slowness: f64,
    pub(crate) rounds: usize,
    pub(crate) discarded: usize,
    /// User and system time of both processes in the counted rounds, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Elapsed time of the counted rounds, in seconds.
    pub(crate) seconds: f64,
    pub(crate) percentiles: Option<Percentiles>,
}

/// The limit of a row: several ways to do the work by hand, each with its parameters, of which the best counts.
#[derive(Debug)]
struct Limit {
    crews: Vec<Crew>,
    best: usize,
}

impl Limit {
    fn start(
        tasks: &[Task],
        placement: Placement,
        meeting: &mut Meeting,
        effort: &Effort,
    ) -> Result<Self, Failure> {
        let mut crews = Vec::new();
        for &task in tasks {
            let mut crew = Crew::start(task, placement, &meeting.address())?;
            crew.run(Pass::Check, 100)?;
            crew.size_batches(effort.batch, Pass::Batch)?;
            crews.push(crew);
        }
        let mut limit = Self { crews, best: 0 };
        limit.tune()?;
        Ok(limit)
    }

    /// Tries every parameter of every way and keeps the fastest.
    fn tune(&mut self) -> Result<(), Failure> {
        let mut fastest = f64::INFINITY;
        let mut best = (0, None);
        for (index, crew) in self.crews.iter_mut().enumerate() {
            let choices = crew.task().choices();
            if choices.is_empty() && index == 0 {
                continue;
            }
            for choice in choices
                .iter()
                .copied()
                .map(Some)
                .chain(choices.is_empty().then_some(None))
            {
                if let Some(choice) = choice {
                    crew.tune(choice)?;
                }
                let nanos = crew.batch(Pass::Batch, 4)?.nanos();
                if nanos < fastest {
                    fastest = nanos;
                    best = (index, choice);
                }
            }
        }
        self.best = best.0;
        if let Some(choice) = best.1 {
            self.crews[self.best].tune(choice)?;
        }
        Ok(())
    }

    fn nanos(&mut self) -> Result<f64, Failure> {
        Ok(self.crews[self.best].batch(Pass::Batch, 1)?.nanos())
    }
}

/// Measures `ours` beside the best of `limits`.
pub(crate) fn measure(
    limits: &[Task],
    ours: Task,
    pass: Pass,
    placement: Placement,
    meeting: &mut Meeting,
    effort: &Effort,
) -> Result<Outcome, Failure> {
    let end = Instant::now() + effort.time;
    let mut crew = Crew::start(ours, placement, &meeting.address())?;
    crew.run(Pass::Check, 1000)?;
    crew.size_batches(effort.batch, pass)?;
    let mut tally = Tally::default();
    if limits.is_empty() {
        while tally.ours.len() < effort.rounds && Instant::now() < end {
            tally.count(&crew.batch(pass, 1)?, f64::NAN);
        }
    } else {
        let mut limit = Limit::start(limits, placement, meeting, effort)?;
        let mut before = limit.nanos()?;
        while tally.ours.len() < effort.rounds
            && tally.tried() < effort.tries
            && Instant::now() < end
        {
            let batch = crew.batch(pass, 1)?;
            let after = limit.nanos()?;
            if before.max(after) <= AGREEMENT * before.min(after) {
                tally.count(&batch, f64::midpoint(before, after));
                before = after;
            } else {
                // The machine has changed, and the best way to do it by hand may have changed with it.
                tally.discarded += 1;
                limit.tune()?;
                before = limit.nanos()?;
            }
        }
    }
    let mut outcome = tally.outcome();
    crew.size_batches(effort.each, Pass::Each)?;
    outcome.percentiles = crew.batch(Pass::Each, 1)?.lead.percentiles;
    Ok(outcome)
}

#[derive(Debug, Default)]
struct Tally {
    ours: Vec<f64>,
    limits: Vec<f64>,
    slowness: Vec<f64>,
    discarded: usize,
    cpu_nanos: f64,
    nanos: f64,
}

impl Tally {
    fn tried(&self) -> usize {
        self.ours.len() + self.discarded
    }

    fn count(&mut self, batch: &Batch, limit: f64) {
        let ours = batch
            .lead
            .percentiles
            .map_or_else(|| batch.nanos(), |percentiles| percentiles.p50);
        self.ours.push(ours);
        self.limits.push(limit);
        self.slowness.push(ours / limit);
        self.cpu_nanos += batch.cpu_nanos;
        self.nanos += batch.lead.nanos;
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            nanos: median(&self.ours),
            limit_nanos: median(&self.limits),
            slowness: median(&self.slowness),
            rounds: self.ours.len(),
            discarded: self.discarded,
            cpu_seconds: self.cpu_nanos / 1e9,
            seconds: self.nanos / 1e9,
            percentiles: None,
        }
    }
}
