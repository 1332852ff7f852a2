//! What is told of a torment: a line for each thing that happens, when it happens, and the sum at the end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use nix::sys::wait::WaitStatus;
use serde_json::{Value, json};

use super::plan::Drawn;
use super::steps::Steps;
use crate::fault::Fault;

/// Why it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The command ended by itself, with success.
    Ended,
    /// The same, without: it failed though nobody had killed it.
    Failed,
    /// We killed it, and were not to start it again.
    Killed,
    /// The time was up, or it had been left in peace for long enough.
    Over,
    /// We were interrupted.
    Interrupted,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Over => "over",
            Self::Interrupted => "interrupted",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Ended => "the command ended well",
            Self::Failed => "the command failed by itself",
            Self::Killed => "the command was killed and not to be restarted",
            Self::Over => "the time was up",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Where it is told, and what was told so far.
pub(super) struct Report {
    output: Box<dyn Write>,
    json: bool,
    began: Instant,
    runs: u64,
    /// Kills, stops and slow-downs.
    counts: [u64; 3],
}

impl Report {
    pub(super) fn new(output: Box<dyn Write>, json: bool) -> Self {
        Self {
            output,
            json,
            began: Instant::now(),
            runs: 0,
            counts: [0; 3],
        }
    }

    /// Nanoseconds since the beginning.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// How many faults there were.
    pub(super) fn faults(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn begins(&mut self, seed: u64, words: &[OsString]) -> io::Result<()> {
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let text = format!("seed {seed}: {}", words.join(" "));
        let object = json!({"event": "start", "seed": seed, "command": words});
        self.say(&text, &object)
    }

    pub(super) fn starts(&mut self, pid: i32) -> io::Result<()> {
        self.runs += 1;
        let (at, run) = (seconds(self.now()), self.runs);
        let text = format!("{at:.3} s  run {run} starts, process {pid}");
        let object = json!({"event": "run", "seconds": at, "run": run, "pid": pid});
        self.say(&text, &object)
    }

    /// A fault: as planned for a moment, or at a step.
    pub(super) fn strikes(
        &mut self,
        drawn: Drawn,
        planned: Option<u64>,
        label: Option<&str>,
    ) -> io::Result<()> {
        let Drawn { fault, lasts } = drawn;
        self.counts[fault as usize] += 1;
        let (at, lasts, planned) = (seconds(self.now()), seconds(lasts), planned.map(seconds));
        let length = if fault == Fault::Kill {
            String::new()
        } else {
            format!(" for {lasts:.3} s")
        };
        let place = label.map_or_else(String::new, |label| format!(" at {label}"));
        let text = format!("{at:.3} s  {}{length}{place}", fault.name());
        let object = json!({
            "event": "fault", "seconds": at, "run": self.runs, "fault": fault.name(),
            "lasts_seconds": lasts, "planned_seconds": planned, "label": label,
        });
        self.say(&text, &object)
    }

    /// The command has ended. `ours`: by what we did.
    pub(super) fn ends(&mut self, status: WaitStatus, ours: bool) -> io::Result<()> {
        let (at, run) = (seconds(self.now()), self.runs);
        let (how, code, signal) = match status {
            WaitStatus::Exited(_, code) => (format!("exit code {code}"), Some(code), None),
            WaitStatus::Signaled(_, signal, _) => {
                (signal.as_str().to_owned(), None, Some(signal.as_str()))
            }
            other => (format!("{other:?}"), None, None),
        };
        let whose = if ours { "by us" } else { "by itself" };
        let text = format!("{at:.3} s  run {run} ended {whose}: {how}");
        let object = json!({
            "event": "end", "seconds": at, "run": run, "code": code, "signal": signal, "by_us": ours,
        });
        self.say(&text, &object)
    }

    /// The sum of it all.
    pub(super) fn sums_up(
        &mut self,
        verdict: Verdict,
        steps: &Steps,
        unmet: &[String],
        seed: u64,
    ) -> io::Result<()> {
        let mut labels = Vec::new();
        for (label, step) in steps.seen() {
            labels.push(json!({"label": label, "passed": step.passed, "hit": step.hit}));
            if !self.json {
                let (passed, hit) = (step.passed, step.hit);
                self.say(
                    &format!("step {label}: passed {passed}, hit {hit}"),
                    &Value::Null,
                )?;
            }
        }
        if !unmet.is_empty() && !self.json {
            let unmet = unmet.join(", ");
            self.say(&format!("not hit as often as asked: {unmet}"), &Value::Null)?;
            if labels.is_empty() {
                let words = "the command came to no labelled step; those of ringway are in builds with its feature `chaos`";
                self.say(words, &Value::Null)?;
            }
        }
        let [kills, stops, slows] = self.counts;
        let (at, runs) = (seconds(self.now()), self.runs);
        let text = format!(
            "{at:.3} s  {}; runs {runs}, kills {kills}, stops {stops}, slow-downs {slows} (seed {seed})",
            verdict.words()
        );
        let object = json!({
            "event": "report", "seconds": at, "verdict": verdict.name(), "seed": seed, "runs": runs,
            "kills": kills, "stops": stops, "slows": slows, "labels": labels, "unmet": unmet,
        });
        self.say(&text, &object)
    }

    /// One line, at once: whoever reads along sees what happens when it does.
    fn say(&mut self, text: &str, object: &Value) -> io::Result<()> {
        let mut line = if self.json {
            object.to_string()
        } else {
            format!("chaos: {text}")
        };
        line.push('\n');
        let written = self.output.write_all(line.as_bytes());
        let written = written.and_then(|()| self.output.flush());
        written.map_err(|error| {
            let words = format!("the report cannot be written: {error}");
            io::Error::new(error.kind(), words)
        })
    }
}

fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}
