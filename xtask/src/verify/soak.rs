//! `--long=MINUTES`: the tests that find more the longer they run, again and again, each for its share of the minutes. What they did is added to
//! `docs/EVIDENCE.md`, and the next run goes on where the last one was.

use std::io::{self, IsTerminal};
use std::process::Command;
use std::time::{Duration, Instant};

use super::evidence;
use super::job::{Job, Stop, seconds};
use super::sanitizers;
use super::suite::Tally;
use crate::output::{draw, say};

/// One kind of test, run in laps until its share of the time is over. Each runs one lap at least.
struct Soak {
    /// What `--only` calls it.
    part: &'static str,
    /// In the document.
    name: &'static str,
    /// Its percent of the minutes; with those of `steps::SHARES` they are a hundred.
    percent: u32,
    /// Whether it is built with `AddressSanitizer`.
    sanitized: bool,
    /// What `cargo test --package ringway` is told.
    words: &'static [&'static str],
    /// Sets how much a lap does, from its number and the time that is left.
    lap: fn(&mut Command, u64, Duration),
    /// What is added up in the place of laps: each line of this end that is printed begins with a number of it.
    counts: Option<&'static str>,
}

const SOAKS: &[Soak] = &[
    Soak {
        part: "soak:mixed",
        name: "soak of mixed patterns",
        percent: 5,
        sanitized: false,
        words: &["--test", "soak", "mixed", "--", "--nocapture"],
        // Two processes live for a lap: long enough for what leaks to add up, and short enough that a run that is cut loses little.
        lap: |cargo, lap, left| {
            let seconds = left.as_secs().clamp(30, 600);
            cargo.env("RINGWAY_SOAK_SECONDS", seconds.to_string());
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: Some(" rounds"),
    },
    Soak {
        part: "soak:crash",
        name: "peers killed",
        percent: 8,
        sanitized: false,
        // As the optimiser has them.
        words: &[
            "--release",
            "--test",
            "crash",
            "killed_peers",
            "--",
            "--nocapture",
        ],
        // A test that takes ten minutes ends itself, and these take two on a slow machine.
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_KILLS", "20000");
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: Some(" kills"),
    },
    Soak {
        part: "soak:killed",
        name: "killed at labels",
        percent: 6,
        sanitized: false,
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
        part: "soak:resume",
        name: "servers killed and resumed",
        percent: 5,
        sanitized: false,
        // As the optimiser has them. Killed in each way of serving, and replaced by a newer process in between.
        words: &[
            "--release",
            "--test",
            "resume",
            "--test",
            "upgrade",
            "--",
            "--nocapture",
            "kills::",
            "replaced_under_load",
        ],
        // Of each way of serving; a test of these takes a minute on a slow machine, and five minutes end it.
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_RESUMES", "2000");
            cargo.env("RINGWAY_REPLACED", "40");
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: Some(" kills"),
    },
    Soak {
        part: "soak:parks",
        name: "sleepers woken",
        percent: 6,
        sanitized: false,
        words: &["--test", "parks"],
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_PARKS", "1000000");
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: None,
    },
    Soak {
        part: "soak:hostile",
        name: "hostile peers",
        percent: 5,
        sanitized: true,
        words: &["--test", "hostile"],
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: None,
    },
    Soak {
        part: "soak:words",
        name: "words under AddressSanitizer",
        percent: 7,
        sanitized: true,
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
        part: "soak:failing",
        name: "pairs of calls that fail",
        percent: 4,
        sanitized: false,
        words: &["--test", "failing", "each_call_of"],
        // So many laps are all pairs, and the next ones these with other answers.
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_PAIRS", "64");
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: None,
    },
    Soak {
        part: "soak:occurrences",
        name: "each occurrence of a call fails",
        percent: 1,
        sanitized: false,
        words: &["--test", "failing", "each_call_of"],
        // So many laps are all of them, with each answer that a manual page documents.
        lap: |cargo, lap, _| {
            cargo.env("RINGWAY_OCCURRENCES", "8");
            cargo.env("RINGWAY_SEED", lap.to_string());
        },
        counts: None,
    },
    Soak {
        part: "soak:steps",
        name: "every instruction",
        percent: 4,
        sanitized: false,
        // As the optimiser has them.
        words: &["--release", "--test", "steps"],
        lap: |cargo, _, _| {
            cargo.env("RINGWAY_STEPS", "all");
        },
        counts: None,
    },
    Soak {
        part: "soak:resumes",
        name: "resumes in their midst",
        percent: 1,
        sanitized: false,
        words: &["--test", "resume", "midway"],
        lap: |cargo, _, _| {
            cargo.env("RINGWAY_STEPS", "all");
        },
        counts: None,
    },
    Soak {
        part: "soak:properties",
        name: "properties",
        percent: 3,
        sanitized: false,
        // The module with the property test, which draws other cases in every run.
        words: &["--lib", "against_a_queue"],
        lap: |_, _, _| (),
        counts: None,
    },
];

/// How long a lap may take when its share is over: a lap is not cut short.
const LAST_LAP: Duration = Duration::from_secs(900);

/// What `--only` calls the parts.
pub(super) fn parts() -> impl Iterator<Item = &'static str> {
    SOAKS.iter().map(|soak| soak.part)
}

/// The parts, and their percents of the minutes.
pub(super) fn shares() -> impl Iterator<Item = (&'static str, u32)> {
    SOAKS.iter().map(|soak| (soak.part, soak.percent))
}

pub(super) fn soak(job: &mut Job) -> Result<String, Stop> {
    let (mut laps, mut skipped) = (Vec::new(), Vec::new());
    for soak in SOAKS {
        if !job.is_chosen(soak.part) {
            continue;
        }
        let share = job
            .share(soak.percent)
            .ok_or_else(|| Stop::failed("--long=MINUTES says for how long"))?;
        let mut build = match soak.command(job, false) {
            // The others need no such compiler.
            Err(Stop::Skipped(why)) => {
                skipped.push(format!("{} skipped: {why}", soak.name));
                continue;
            }
            build => build?,
        };
        job.run(build.arg("--no-run"), seconds(1_200))?;
        let known = evidence::laps(soak.name);
        let mut began = Instant::now();
        let mut added = 0;
        // Added lap by lap: a run that is cut has not run in vain.
        let run = run(job, soak, share, known, |count| {
            added += count;
            let took = std::mem::replace(&mut began, Instant::now()).elapsed();
            evidence::add(soak.name, count, took, None)
        });
        if run.is_err() {
            let found = format!("one behind {} failed", known + added);
            evidence::add(soak.name, 0, began.elapsed(), Some(&found))?;
        }
        run?;
        laps.push(format!("{} in {added}", soak.name));
    }
    if laps.is_empty() {
        return Err(Stop::Skipped(skipped.join(", ")));
    }
    laps.append(&mut skipped);
    Ok(format!("laps: {}", laps.join(", ")))
}

impl Soak {
    /// Its tests, or what they are built from alone.
    fn command(&self, job: &Job, runs: bool) -> Result<Command, Stop> {
        let mut cargo = if self.sanitized {
            sanitizers::hostile()?
        } else {
            let mut cargo = job.cargo("test");
            cargo.args(["--package", "ringway"]);
            cargo
        };
        cargo.args(self.words.iter().take_while(|word| runs || **word != "--"));
        Ok(cargo)
    }
}

/// Runs laps for as long as `share`, and says after each of them what it counts for. Their numbers, and so their seeds, go on behind those that are `known`.
fn run(
    job: &mut Job,
    soak: &Soak,
    share: Duration,
    known: u64,
    mut done: impl FnMut(u64) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut progress = Progress::new(soak.name, share);
    for lap in 1.. {
        let left = share.saturating_sub(progress.began.elapsed());
        let mut cargo = soak.command(job, true)?;
        (soak.lap)(&mut cargo, known + lap, left);
        let printed = job.watch(&mut cargo, left + LAST_LAP, || progress.show(lap))?;
        // A name that no test has any more would let every lap pass.
        Tally::read(&printed).note()?;
        let count = match soak.counts.map(|what| (what, count(&printed, what))) {
            None => 1,
            Some((what, 0)) => {
                return Err(Stop::failed(format!("no line says how many{what}")));
            }
            Some((_, count)) => count,
        };
        done(count)?;
        if progress.began.elapsed() >= share {
            progress.end(lap);
            return Ok(());
        }
    }
    unreachable!("the laps have no end of their own")
}

/// The sum of the numbers in front of `what`, in all lines that consist of both.
pub(super) fn count(printed: &str, what: &str) -> u64 {
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
            "    {:<28}{:>6.1} of {:.1} minutes, lap {lap} ",
            self.name,
            minutes(elapsed),
            minutes(self.share)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Progress, count};
    use std::time::Duration;

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
            "    peers killed                   1.0 of 2.5 minutes, lap 3 "
        );
    }
}
