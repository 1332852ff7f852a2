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
use super::think::Manner;
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
    /// All rows together, where that is limited: what is left is dealt to the rows that are left.
    pub(crate) all: Option<Duration>,
    /// Length of a batch.
    pub(crate) batch: Duration,
    /// Length of the pass that times single operations.
    pub(crate) each: Duration,
    /// How long an idle connection is watched.
    pub(crate) idle: Duration,
}

impl Effort {
    /// Whether there is to be one more round, behind so many that counted and so many that did not. There is one at the least, whatever the time is:
    /// what it shows is more than nothing.
    pub(crate) fn more(&self, counted: usize, discarded: usize, end: Instant) -> bool {
        let tried = counted + discarded;
        tried == 0 || counted < self.rounds && tried < self.tries && Instant::now() < end
    }

    /// Less, where all rows have to end in time: `gone` has passed, and `left` rows are to come.
    pub(crate) fn within(self, gone: Duration, left: usize) -> Self {
        let left = u32::try_from(left.max(1)).unwrap_or(u32::MAX);
        let share = self.all.map(|all| all.saturating_sub(gone) / left);
        Self {
            time: share.map_or(self.time, |share| share.min(self.time)),
            ..self
        }
    }
}

/// The limit's two measurements may differ by so much.
pub(crate) const AGREEMENT: f64 = 1.10;

/// Two processes that never sleep have at least so much of two processors, in percent of one, or somebody else has them too.
pub(crate) const UNDISTURBED: f64 = 180.0;

/// Messages whose every word is checked before any clock runs.
const CHECKED: u64 = 200;

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
    /// The same two of the limit, both of its batches.
    pub(crate) limit_cpu_seconds: f64,
    pub(crate) limit_seconds: f64,
    pub(crate) percentiles: Option<Percentiles>,
    /// Each way to wait, where a row has all of them.
    pub(crate) manners: Vec<Manner>,
    /// Frames that somebody who read along has seen and lost in the rounds, where there was one.
    pub(crate) tapped: Option<[u64; 2]>,
    /// Every way to do the work by hand that was tried, by the median of its times in nanoseconds, the fastest first.
    pub(crate) ways: Vec<(Task, u32, f64)>,
}

/// A pair of processes that has shown that it gets everything across, with batches of the right size.
fn start(
    task: Task,
    choice: Option<u32>,
    pass: Pass,
    placement: Placement,
    meeting: &mut Meeting,
    effort: &Effort,
) -> Result<Crew, Failure> {
    let mut crew = Crew::start(task, placement, &meeting.address())?;
    if let Some(choice) = choice {
        crew.tune(choice)?;
    }
    crew.run(Pass::Check, CHECKED)?;
    crew.size_batches(effort.batch, pass)?;
    Ok(crew)
}

/// The best of several ways to do the work by hand, each with all its parameters. All are tried twice, by processes that
/// then end: a loop that has run with another parameter can be a fifth slower for a long time.
fn best(
    tasks: &[Task],
    placement: Placement,
    meeting: &mut Meeting,
    effort: &Effort,
    ways: &mut Ways,
) -> Result<(Task, Option<u32>), Failure> {
    let mut fastest = (
        *tasks.first().ok_or("a limit without a task")?,
        None,
        f64::INFINITY,
    );
    if tasks.len() == 1 && fastest.0.choices().is_empty() {
        return Ok((fastest.0, None));
    }
    for &task in tasks {
        let choices: Vec<Option<u32>> = match task.choices() {
            [] => vec![None],
            some => some.iter().copied().map(Some).collect(),
        };
        let mut crew = start(task, None, Pass::Batch, placement, meeting, effort)?;
        let mut sums = vec![0.0; choices.len()];
        for number in (0..choices.len()).chain(0..choices.len()) {
            if let Some(choice) = choices[number] {
                crew.tune(choice)?;
            }
            sums[number] += crew.batch(Pass::Batch, 8)?.nanos();
        }
        for (choice, sum) in choices.into_iter().zip(sums) {
            ways.tried(task, choice, sum / 2.0);
            if sum < fastest.2 {
                fastest = (task, choice, sum);
            }
        }
    }
    Ok((fastest.0, fastest.1))
}

/// Measures `ours` beside the best of `limits`, each round with new processes: the same loop settles at figures up to 20 %
/// apart on near cores, by where its memory lies and by how the two fall into step, for the limit as for ours.
pub(crate) fn measure(
    limits: &[Task],
    ours: Task,
    pass: Pass,
    placement: Placement,
    meeting: &mut Meeting,
    effort: &Effort,
) -> Result<Outcome, Failure> {
    let end = Instant::now() + effort.time;
    let mut tally = Tally::default();
    let mut percentiles = None;
    let mut tapped = None;
    let mut ways = Ways::default();
    while tally.wants_more(effort, end) {
        let mut crew = start(ours, None, pass, placement, meeting, effort)?;
        if limits.is_empty() {
            tally.count(&crew.batch(pass, 1)?, &[]);
        } else {
            let (task, choice) = best(limits, placement, meeting, effort, &mut ways)?;
            let mut limit = start(task, choice, Pass::Batch, placement, meeting, effort)?;
            let before = limit.batch(Pass::Batch, 1)?;
            let told = crew.tapped()?;
            let batch = crew.batch(pass, 1)?;
            if let (Some(before), Some(now)) = (told, crew.tapped()?) {
                let sums = tapped.get_or_insert([0; 2]);
                for (sum, (now, before)) in sums.iter_mut().zip(now.into_iter().zip(before)) {
                    *sum += now - before;
                }
            }
            let after = limit.batch(Pass::Batch, 1)?;
            let (first, last) = (before.nanos(), after.nanos());
            // Who sleeps at times uses less of its processors by itself: what shows there is that it had to wait for them.
            let undisturbed = |task: Task, batch: &Batch| {
                (!task.never_sleeps() || batch.cpu_percent() >= UNDISTURBED)
                    && (!ours.is_in_tasks() || !batch.is_disturbed())
            };
            let alone = undisturbed(task, &before)
                && undisturbed(task, &after)
                && undisturbed(ours, &batch);
            if alone && first.max(last) <= AGREEMENT * first.min(last) {
                tally.count(&batch, &[before, after]);
            } else {
                tally.discarded += 1;
            }
        }
        if percentiles.is_none() {
            crew.size_batches(effort.each, Pass::Each)?;
            percentiles = crew.batch(Pass::Each, 1)?.lead.percentiles;
        }
    }
    Ok(Outcome {
        percentiles,
        tapped,
        ways: ways.fastest_first(),
        ..tally.outcome()
    })
}

#[derive(Debug, Default)]
struct Tally {
    ours: Vec<f64>,
    limits: Vec<f64>,
    slowness: Vec<f64>,
    discarded: usize,
    cpu_nanos: f64,
    wall_nanos: f64,
    limit_cpu_nanos: f64,
    limit_wall_nanos: f64,
}

impl Tally {
    fn wants_more(&self, effort: &Effort, end: Instant) -> bool {
        let counted = self.ours.len();
        effort.more(counted, self.discarded, end)
    }

    /// `around`: the limit before and behind, if there is one.
    fn count(&mut self, batch: &Batch, around: &[Batch]) {
        let limit = match around {
            [before, after] => f64::midpoint(before.nanos(), after.nanos()),
            _ => f64::NAN,
        };
        let ours = batch
            .lead
            .percentiles
            .map_or_else(|| batch.nanos(), |percentiles| percentiles.p50);
        self.ours.push(ours);
        self.limits.push(limit);
        self.slowness.push(ours / limit);
        self.cpu_nanos += batch.cpu_nanos;
        self.wall_nanos += batch.lead.wall_nanos;
        for batch in around {
            self.limit_cpu_nanos += batch.cpu_nanos;
            self.limit_wall_nanos += batch.lead.wall_nanos;
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            nanos: median(&self.ours),
            limit_nanos: median(&self.limits),
            slowness: median(&self.slowness),
            rounds: self.ours.len(),
            discarded: self.discarded,
            cpu_seconds: self.cpu_nanos / 1e9,
            seconds: self.wall_nanos / 1e9,
            limit_cpu_seconds: self.limit_cpu_nanos / 1e9,
            limit_seconds: self.limit_wall_nanos / 1e9,
            ..Outcome::default()
        }
    }
}

/// The times of every way by hand, in the order of the rounds.
#[derive(Debug, Default)]
struct Ways(Vec<(Task, u32, Vec<f64>)>);

impl Ways {
    fn tried(&mut self, task: Task, choice: Option<u32>, nanos: f64) {
        let choice = choice.unwrap_or(0);
        let known = self
            .0
            .iter_mut()
            .find(|way| (way.0, way.1) == (task, choice));
        match known {
            Some(way) => way.2.push(nanos),
            None => self.0.push((task, choice, vec![nanos])),
        }
    }

    fn fastest_first(self) -> Vec<(Task, u32, f64)> {
        let medians = self.0.into_iter();
        let mut ways: Vec<_> = medians
            .map(|(task, choice, times)| (task, choice, median(&times)))
            .collect();
        ways.sort_by(|one, other| one.2.total_cmp(&other.2));
        ways
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_the_time_is_dealt_to_the_rows_that_are_left() {
        let seconds = Duration::from_secs;
        let effort = Effort {
            rounds: 5,
            tries: 15,
            time: seconds(3),
            all: Some(seconds(50)),
            batch: seconds(0),
            each: seconds(0),
            idle: seconds(0),
        };
        assert_eq!(effort.within(seconds(0), 50).time, seconds(1));
        assert_eq!(effort.within(seconds(40), 5).time, seconds(2));
        assert_eq!(effort.within(seconds(0), 1).time, seconds(3));
        assert_eq!(effort.within(seconds(60), 4).time, seconds(0));
        let now = Instant::now();
        assert!(effort.more(0, 0, now), "the first one is never left out");
        assert!(!effort.more(1, 0, now));
        let soon = now + seconds(60);
        assert!(effort.more(4, 10, soon) && !effort.more(5, 0, soon) && !effort.more(4, 11, soon));
        let free = Effort {
            all: None,
            ..effort
        };
        assert_eq!(free.within(seconds(600), 4).time, seconds(3));
    }
}
