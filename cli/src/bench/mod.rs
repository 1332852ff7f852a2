//! `ringway bench`: what the lane and the connection cost between two real processes, beside the same work done by hand.
//!
//! Method. Two processes, pinned to two cores (or one, where a row says so), do a row's work; a third one gives them
//! orders and sleeps meanwhile. Each limit is a short hand-written file in `limits/`. Limit, ours and limit again are
//! measured in turns; a round counts only if the limit did not change. Values and ratios are medians over rounds of
//! the means of batches; percentiles come from a pass of its own. Every message is written, copied out, read in full
//! and checked, while the clock runs too.
//!
//! Deliberately absent: statistics beyond the median, and what things cost in one process, which `benches/` measures. Only
//! instructions are counted here, where the rings by hand are to compare with.

#![allow(
    clippy::inline_always,
    reason = "what is measured is one loop; a call in it would be measured too"
)]

mod alone;
mod bridge;
mod chart;
mod codecs;
mod crew;
mod death;
mod grpc;
mod holdings;
mod idle;
mod instructions;
mod jitter;
mod kinds;
mod kit;
mod limits;
mod meter;
mod ours;
mod pattern;
mod peer;
mod placement;
mod report;
mod rounds;
mod row;
mod rows;
mod sweep;
mod task;
mod tasks;
mod think;
mod work;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use crate::exit::{self, Code};
use crate::standard::remark;

use self::crew::{Crew, Meeting};
use self::instructions::NoCount;
use self::placement::Placement;
use self::report::Record;
use self::rounds::{Effort, Outcome, measure};
use self::row::{Measured, Row};
use self::rows::ROWS;
use self::work::Pass;

pub(crate) use self::bridge::{ServiceArgs, run_service};
pub(crate) use self::death::{RoleArgs, run_role};
pub(crate) use self::grpc::{ServerArgs, run_server};
pub(crate) use self::instructions::{CountArgs, run as run_count};
pub(crate) use self::jitter::{MemberArgs, run_member};
pub(crate) use self::peer::{PeerArgs, run as run_peer};

/// Why a row could not be measured; it is printed and goes no further.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures round trips, streams and waiting between two processes, beside the same by hand.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
#[derive(Debug, Args)]
#[command(after_help = exit::BENCH_TABLE)]
pub(crate) struct BenchArgs {
    /// Rows to measure: a name, name:size, or `think` for all with a time to think; all when none is given.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// One JSON object per line.
    #[arg(long)]
    json: bool,
    /// Fewer and shorter rounds: ends within 60 seconds.
    #[arg(long)]
    quick: bool,
    /// Rounds that have to count, for each row.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// End with 7 if a row misses its target; else with 8 if one has no value or too few rounds.
    #[arg(long)]
    check: bool,
    /// Under each row, every way that its limit was tried in, with the median of its times. The row is compared with the
    /// fastest of each round.
    #[arg(long, conflicts_with = "json")]
    ways: bool,
    /// A build of this command without counters, for the row `counters`; in a clone, `cargo counters` makes one and measures the row.
    #[arg(long, value_name = "PATH")]
    uncounted: Option<PathBuf>,
    /// Also draw what `sweep` or `jitter` found into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// List the rows, each by what it measures, and do nothing.
    #[arg(long)]
    list: bool,
}

impl BenchArgs {
    fn effort(&self) -> Effort {
        let rounds = usize::from(self.rounds.unwrap_or(if self.quick { 5 } else { 21 }));
        let millis = Duration::from_millis;
        if self.quick {
            Effort {
                rounds,
                tries: 3 * rounds,
                time: millis(3000),
                all: Some(millis(50_000)),
                batch: millis(8),
                each: millis(20),
                idle: millis(2000),
            }
        } else {
            Effort {
                rounds,
                tries: 10 * rounds,
                time: millis(30_000),
                all: None,
                batch: millis(20),
                each: millis(200),
                idle: millis(10_000),
            }
        }
    }

    fn wants(&self, row: &Row) -> bool {
        let all = self.names.is_empty();
        // Where its other build is not given, or the kernel forbids what it measures, it could have no value, and no check of all rows would ever pass.
        let refused = || row.takes_io_uring() && !limits::ring::has_io_uring();
        let possible =
            self.list || (self.uncounted.is_some() || !row.takes_another_build()) && !refused();
        all && possible || self.names.iter().any(|name| is_named(row, name))
    }
}

/// Whether somebody who says `name` means that row.
fn is_named(row: &Row, name: &str) -> bool {
    name == row.name || name == row.family() || name == format!("{}:{}", row.name, row.size)
}

/// Runs the benchmark. Without `--check`, success means that it ran, not that every target was met.
pub(crate) fn run(args: &BenchArgs) -> ExitCode {
    exit::report("bench", measure_rows(args, &mut io::stdout()))
}

fn measure_rows(args: &BenchArgs, output: &mut impl Write) -> Result<(), exit::Failure> {
    let rows: Vec<&Row> = ROWS.iter().filter(|row| args.wants(row)).collect();
    if let Some(alone) = alone::run(args, output) {
        return alone;
    }
    let is_known = |name: &&String| ROWS.iter().any(|row| is_named(row, name));
    if let Some(unknown) = args.names.iter().find(|name| !is_known(name)) {
        let what = format!("no such row: {unknown:?}; `ringway bench --list` shows them all");
        return Err(exit::Failure::new(Code::Usage, what));
    }
    if args.list {
        for row in rows {
            let name = format!("{}:{}", row.name, row.size);
            writeln!(output, "{name:<20} {}", row.about)?;
        }
        alone::list(output)?;
        return Ok(());
    }
    let mut meeting = meeting()?;
    if !args.json {
        placement::print_heading(output, &placement::describe())?;
        report::print_heading(output)?;
    }
    let began = Instant::now();
    let count = rows.len();
    let (mut missed, mut incomplete, mut unmeasured) = (0, 0, 0);
    for (index, row) in rows.into_iter().enumerate() {
        let effort = args.effort().within(began.elapsed(), count - index);
        let record = measure_row(row, &effort, &mut meeting, args.uncounted.as_deref());
        record.print(output, args.json)?;
        if args.ways {
            record.print_ways(output)?;
        }
        missed += usize::from(record.missed());
        incomplete += usize::from(!record.complete());
        unmeasured += usize::from(!record.measured());
    }
    let verdict = verdict(missed, incomplete, unmeasured);
    if !args.json {
        writeln!(output, "{verdict}")?;
    }
    match check(missed, incomplete) {
        Some(code) if args.check => Err(exit::Failure::new(code, verdict)),
        _ => Ok(()),
    }
}

/// What a build says that was not optimised.
const DEBUG_BUILD: &str =
    "this is a debug build, whose figures say nothing about Ringway; build it with `--release`";

/// Where the processes of a benchmark meet. Each that measures comes here first.
fn meeting() -> Result<Meeting, exit::Failure> {
    if cfg!(debug_assertions) {
        remark("bench", &DEBUG_BUILD);
    }
    Meeting::new().map_err(|error| {
        let what = format!("cannot make a directory to meet in: {error}");
        exit::Failure::new(Code::Failed, what)
    })
}

/// The line below the table.
fn verdict(missed: usize, incomplete: usize, unmeasured: usize) -> String {
    let counted = |count, what| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    format!(
        "{} missed, {} with too few rounds, unmeasured: {unmeasured}",
        counted(missed, "target"),
        counted(incomplete, "row"),
    )
}

/// What a check ends with: what is known to be missed matters more than what is not known.
fn check(missed: usize, incomplete: usize) -> Option<Code> {
    match (missed, incomplete) {
        (0, 0) => None,
        (0, _) => Some(Code::Unmeasured),
        _ => Some(Code::Missed),
    }
}

fn measure_row(
    row: &Row,
    effort: &Effort,
    meeting: &mut Meeting,
    uncounted: Option<&Path>,
) -> Record {
    let placement = if row.one_core {
        Placement::one_core().ok_or("no processor is allowed")
    } else {
        Placement::insist_on_two_cores()
    };
    let placement = match placement {
        Ok(placement) => placement,
        Err(why) => return Record::failed(row, String::new(), why),
    };
    let (limits, ours, pass) = match row.work {
        Measured::Beside { limits, ours } => (limits, ours, Pass::Batch),
        Measured::Alone { ours, pass } => (&[][..], ours, pass),
        Measured::Idle { ours } => {
            return match watch_idle(ours, placement, effort, meeting) {
                Ok((outcome, note)) => {
                    Record::new(row, placement.to_string(), 1, &outcome).with_note(note)
                }
                Err(error) => Record::failed(row, placement.to_string(), &error.to_string()),
            };
        }
        Measured::Thinking { micros } => {
            return match think::measure(micros, placement, meeting, effort) {
                Ok(outcome) => {
                    let record = Record::new(row, placement.to_string(), effort.rounds, &outcome);
                    match think::ratios(&outcome.manners) {
                        Some(ratios) => record.also(ratios),
                        None => record,
                    }
                }
                Err(error) => Record::failed(row, placement.to_string(), &error.to_string()),
            };
        }
        Measured::Crowd => {
            return match holdings::measure(placement, effort, meeting) {
                Ok(found) => Record::new(row, placement.to_string(), 1, &found.outcome)
                    .with_note(found.note)
                    .unless(found.beyond),
                Err(error) => Record::failed(row, placement.to_string(), &error.to_string()),
            };
        }
        Measured::Instructions(what) => {
            return match instructions::count(what, uncounted) {
                Ok(outcome) => Record::new(row, "one process".to_owned(), 1, &outcome),
                Err(NoCount::NoValgrind) => Record::missing(row, "valgrind is not installed"),
                Err(NoCount::NoBuild) => {
                    Record::missing(row, "it takes a build without counters (--uncounted)")
                }
                Err(NoCount::Failed(error)) => {
                    Record::failed(row, String::new(), &error.to_string())
                }
            };
        }
    };
    match measure(limits, ours, pass, placement, meeting, effort) {
        Ok(outcome) => {
            let record = Record::new(row, placement.to_string(), effort.rounds, &outcome);
            match outcome.tapped {
                Some([seen, lost]) => {
                    record.also(format!("the tap saw {seen} frames and lost {lost}"))
                }
                None => record,
            }
        }
        Err(error) => Record::failed(row, placement.to_string(), &error.to_string()),
    }
}

/// The value is the number of wake-ups plus the milliseconds of processor time.
#[expect(clippy::cast_precision_loss, reason = "counts of wake-ups are small")]
fn watch_idle(
    ours: task::Task,
    placement: Placement,
    effort: &Effort,
    meeting: &mut Meeting,
) -> Result<(Outcome, String), Failure> {
    let mut crew = Crew::start(ours, placement, &meeting.address())?;
    crew.run(Pass::Check, 100)?;
    let activity = idle::watch(&mut crew, effort.idle)?;
    let note = format!(
        "{} wake-ups and {} us of processor time in {} s, both processes",
        activity.wake_ups,
        activity.cpu_nanos / 1000,
        effort.idle.as_secs(),
    );
    let outcome = Outcome {
        nanos: activity.wake_ups as f64 + activity.cpu_nanos as f64 / 1e6,
        limit_nanos: f64::NAN,
        slowness: f64::NAN,
        rounds: 1,
        cpu_seconds: activity.cpu_nanos as f64 / 1e9,
        seconds: effort.idle.as_secs_f64(),
        ..Outcome::default()
    };
    Ok((outcome, note))
}

/// Ends a benchmark's process: its parent sees it and reports the row as failed.
#[cold]
fn fail(error: &dyn Display) -> ! {
    remark("bench", error);
    std::process::exit(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_target_and_an_unmeasured_row_end_differently() {
        assert_eq!(check(0, 0), None);
        assert_eq!(check(0, 1), Some(Code::Unmeasured));
        assert_eq!(check(1, 0), Some(Code::Missed));
        assert_eq!(check(1, 1), Some(Code::Missed));
    }

    #[test]
    fn one_is_not_many() {
        let said = verdict(1, 2, 0);
        assert_eq!(
            said,
            "1 target missed, 2 rows with too few rounds, unmeasured: 0"
        );
        assert!(verdict(0, 1, 1).contains("0 targets missed, 1 row with"));
    }

    #[test]
    fn columns_do_not_run_into_each_other() {
        for row in ROWS {
            let outcome = Outcome {
                nanos: 1e6,
                limit_nanos: 1e6,
                slowness: 1.0,
                rounds: 5,
                ..Outcome::default()
            };
            let record = Record::new(row, String::new(), 5, &outcome);
            let mut line = Vec::new();
            record.print(&mut line, false).unwrap();
            let line = String::from_utf8(line).unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            let verdict = record.met().map(|met| if met { "met" } else { "MISS" });
            assert!(verdict.is_none_or(|word| words.contains(&word)), "{line}");
        }
    }

    #[test]
    fn a_row_that_gave_up_says_what_that_means() {
        let outcome = Outcome {
            rounds: 2,
            discarded: 9,
            slowness: 1.0,
            ..Outcome::default()
        };
        let record = Record::new(&ROWS[0], String::new(), 5, &outcome);
        let mut line = Vec::new();
        record.print(&mut line, true).unwrap();
        let line = String::from_utf8(line).unwrap();
        let said = "gave up: 2 of 5 rounds counted, in 9 more the limit moved by more than 10 %";
        assert!(line.contains(said) && line.contains("busy"), "{line}");
    }

    #[test]
    fn a_failed_row_is_neither_met_nor_missed() {
        for row in ROWS {
            let record = Record::failed(row, String::new(), "as a test");
            assert!(!record.missed() && !record.complete() && !record.measured());
            // No round that counted is no figure, whatever the arithmetic makes of none.
            let nothing = Outcome {
                nanos: f64::NAN,
                limit_nanos: f64::NAN,
                slowness: f64::NAN,
                ..Outcome::default()
            };
            let record = Record::new(row, String::new(), 5, &nothing);
            assert!(!record.missed() && !record.measured(), "{}", row.name);
        }
    }
}
