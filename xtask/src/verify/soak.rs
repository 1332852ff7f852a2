//! `--long=MINUTES`: the tests that find more the longer they run, again and again, each for its share of the minutes. What they did is added to
//! `docs/EVIDENCE.md`, and the next run goes on where the last one was.

use std::io::{self, IsTerminal};
use std::process::Command;
use std::time::{Duration, Instant};

use super::evidence;
use super::job::{Job, Stop, seconds};
use super::suite::Tally;
use crate::output::{draw, say};

/// One kind of test, run in laps until its share of the time is over. Each runs one lap at least.
struct Soak {
    name: &'static str,
    /// Its part of the minutes; together with those of the steps `fuzz`, `mutants` and `shuttle` they are 100.
    percent: u32,
    /// What `cargo test --package ringway` is told.
    words: &'static [&'static str],
    /// Sets how much a lap does, from its number and the time that is left.
    lap: fn(&mut Command, u64, Duration),
    /// What is added up in the place of laps: each line of this end that is printed begins with a number of it.
    counts: Option<&'static str>,
}

const SOAKS: &[Soak] = &[
    Soak {
        name: "frames exchanged",
        percent: 10,
        words: &["--test", "exchange"],
        // The test goes on by itself, with other seeds, for whole minutes.
        lap: |cargo, _, left| {
            cargo.env("RINGWAY_FRAMES", "4000000");
            cargo.env("RINGWAY_LONG_MINUTES", (left.as_secs() / 60).to_string());
        },
        counts: None,
    },
    Soak {
        name: "peers killed",
        percent: 8,
        words: &["--test", "crash", "killed_peers", "--", "--nocapture"],
        // A test that takes ten minutes ends itself, and these take two on a slow machine.
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_KILLS", (2_000 * lap.min(4)).to_string());
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: Some(" kills"),
    },
    Soak {
        name: "killed at labels",
        percent: 7,
        words: &[
            "--features",
            "chaos",
            "--test",
            "killed",
            "--",
            "--nocapture",
        ],
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: Some(" kills"),
    },
    Soak {
        name: "sleepers woken",
        percent: 8,
        words: &["--test", "parks"],
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_PARKS", "1000000");
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: None,
    },
    Soak {
        name: "hostile peers",
        percent: 5,
        words: &["--test", "hostile"],
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: None,
    },
    Soak {
        name: "words of liars",
        percent: 7,
        // As the optimiser has them: the victim looks more often.
        words: &[
            "--release",
            "--test",
            "hostile",
            "writes_while",
            "--",
            "--nocapture",
        ],
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_LIES", "500000000");
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: Some(" lies told"),
    },
    Soak {
        name: "calls that fail",
        percent: 5,
        words: &["--test", "failing"],
        // Two failures at once too, others in each lap.
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_PAIRS", "200");
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: None,
    },
    Soak {
        name: "every instruction",
        percent: 5,
        // As the optimiser has them.
        words: &["--release", "--test", "steps"],
        lap: |cargo, _, _| {
            cargo.env("RINGWAY_STEPS", "all");
        },
        counts: None,
    },
    Soak {
        name: "properties",
        percent: 5,
        // The module with the property test, which draws other cases in every run.
        words: &["--lib", "against_a_queue"],
        lap: |_, _, _| (),
        counts: None,
    },
];

/// How long a lap may take when its share is over: a lap is not cut short.
const LAST_LAP: Duration = Duration::from_secs(900);

pub(super) fn soak(job: &mut Job) -> Result<String, Stop> {
    let minutes = job
        .long()
        .ok_or_else(|| Stop::failed("--long=MINUTES says for how long"))?;
    let mut build = job.cargo("test");
    build.args(["--package", "ringway", "--tests", "--no-run"]);
    job.run(&mut build, seconds(400))?;
    let mut laps = Vec::new();
    for soak in SOAKS {
        let share = Duration::from_secs(minutes * 60) * soak.percent / 100;
        let known = evidence::laps(soak.name);
        let began = Instant::now();
        let run = run(job, soak, share, known);
        let (count, found) = match &run {
            Ok(count) => (*count, None),
            Err((count, _)) => (*count, Some(format!("one behind {} failed", known + count))),
        };
        evidence::add(soak.name, count, began.elapsed(), found.as_deref())?;
        run.map_err(|(_, stop)| stop)?;
        laps.push(format!("{} in {count}", soak.name));
    }
    Ok(format!("laps: {}", laps.join(", ")))
}

/// Runs laps for as long as `share`; returns how many, or how much of what the soak counts. Their numbers, and so their seeds, go on behind those that are `known`.
fn run(job: &mut Job, soak: &Soak, share: Duration, known: u64) -> Result<u64, (u64, Stop)> {
    let mut progress = Progress::new(soak.name, share);
    let mut counted = 0;
    for lap in 1.. {
        let left = share.saturating_sub(progress.began.elapsed());
        let mut cargo = job.cargo("test");
        cargo.args(["--package", "ringway"]).args(soak.words);
        (soak.lap)(&mut cargo, known + lap, left);
        let printed = job.watch(&mut cargo, left + LAST_LAP, || progress.show(lap));
        // A name that no test has any more would let every lap pass.
        let checked = printed.and_then(|printed| {
            Tally::read(&printed).note()?;
            let Some(what) = soak.counts else {
                return Ok(1);
            };
            match count(&printed, what) {
                0 => Err(Stop::failed(format!("no line says how many{what}"))),
                count => Ok(count),
            }
        });
        counted += checked.map_err(|stop| (counted + 1, stop))?;
        if progress.began.elapsed() >= share {
            progress.end(lap);
            return Ok(counted);
        }
    }
    unreachable!("the laps have no end of their own")
}

/// The sum of the numbers in front of `what`, in all lines that consist of both.
fn count(printed: &str, what: &str) -> u64 {
    let numbers = printed.lines().filter_map(|line| line.strip_suffix(what));
    numbers
        .filter_map(|number| number.parse::<u64>().ok())
        .sum()
}

/// How far a soak is: drawn over itself on a terminal, elsewhere a line per minute.
struct Progress {
    name: &'static str,
    share: Duration,
    began: Instant,
    next: Duration,
    terminal: bool,
}

impl Progress {
    fn new(name: &'static str, share: Duration) -> Self {
        Self {
            name,
            share,
            began: Instant::now(),
            next: Duration::ZERO,
            terminal: io::stdout().is_terminal(),
        }
    }

    fn show(&mut self, lap: u64) {
        let elapsed = self.began.elapsed();
        if elapsed < self.next {
            return;
        }
        let line = self.line(elapsed, lap);
        if self.terminal {
            draw!("\r{line}");
            self.next = elapsed + Duration::from_millis(500);
        } else {
            say!("{line}");
            self.next = elapsed + Duration::from_secs(60);
        }
    }

    fn end(&self, lap: u64) {
        let line = self.line(self.began.elapsed(), lap);
        say!("{}{line}", if self.terminal { "\r" } else { "" });
    }

    fn line(&self, elapsed: Duration, lap: u64) -> String {
        let minutes = |time: Duration| time.as_secs_f64() / 60.0;
        format!(
            "    {:<17}{:>6.1} of {:.1} minutes, lap {lap} ",
            self.name,
            minutes(elapsed),
            minutes(self.share)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::{fuzz, mutants, schedules};
    use super::{Progress, SOAKS, count};
    use std::time::Duration;

    #[test]
    fn the_shares_are_all_of_the_time() {
        let soaks = SOAKS.iter().map(|soak| soak.percent).sum::<u32>();
        assert_eq!(
            soaks + fuzz::PERCENT + mutants::PERCENT + schedules::PERCENT,
            100
        );
    }

    #[test]
    fn what_a_soak_counts_is_added_up() {
        let printed = "12 lies told\ntest a ... ok\nx 7 lies told\n30 lies told\n";
        assert_eq!(count(printed, " lies told"), 42);
        assert_eq!(count("", " lies told"), 0);
        let printed = "ringway.arm: 60 as client\n600 kills\nok\n512 kills\nx kills\n";
        assert_eq!(count(printed, " kills"), 1112);
    }

    #[test]
    fn progress_says_what_and_how_far() {
        let progress = Progress::new("peers killed", Duration::from_secs(150));
        assert_eq!(
            progress.line(Duration::from_secs(60), 3),
            "    peers killed        1.0 of 2.5 minutes, lap 3 "
        );
    }
}
