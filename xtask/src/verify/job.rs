//! A step while it runs: its log, its processes, and why it may stop before its end.

use std::fmt::Write;
use std::fs::{self, File};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use super::beside::{Heed, at_leisure};
use super::blame;
use super::log::Log;
use super::options::Options;
use super::several::{self, Ran, Task};
use crate::output::say;
use crate::place;
use crate::process::{self, End};

/// Why a step ended before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// What it checks is not so.
    Failed(String),
    /// It cannot run here, and nothing that this project can install would change that.
    Skipped(String),
    /// A tool that can be installed is not there.
    Missing { what: String, install: String },
}

impl Stop {
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}

/// A time limit.
pub(super) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) struct Job {
    options: Options,
    log: Log,
    /// Of a step that runs beside the others.
    heed: Option<Heed>,
    /// The processor time of all its processes.
    spent: Duration,
    /// Where a process's standard output goes that is not for the log.
    output: Option<File>,
}

impl Job {
    pub(super) fn new(name: &str, options: &Options) -> Result<Self, String> {
        let directory = place::target().join("verify");
        match Log::create(&directory, name) {
            Ok(log) => Ok(Self {
                options: options.clone(),
                log,
                heed: None,
                spent: Duration::ZERO,
                output: None,
            }),
            Err(error) => Err(format!(
                "no log can be written in {}: {error}",
                directory.display()
            )),
        }
    }

    /// The same, of a step that runs beside the others.
    pub(super) fn beside(mut self, heed: Heed) -> Self {
        self.heed = Some(heed);
        self
    }

    /// Unwinds if nobody waits for the step any more.
    pub(super) fn go_on(&self) {
        if let Some(heed) = &self.heed {
            heed.go_on();
        }
    }

    /// How `command` is run in this step: beside others, with a smaller share of the processors.
    pub(super) fn manner(&self, command: Command) -> Command {
        match self.heed {
            Some(_) => at_leisure(&command),
            None => command,
        }
    }

    /// The processor time of the processes that it has run.
    pub(super) fn spent(&self) -> Duration {
        self.spent
    }

    pub(super) fn ci(&self) -> bool {
        self.options.ci
    }

    pub(super) fn long(&self) -> Option<u64> {
        self.options.long
    }

    /// With `--long`, the time for what takes `percent` of it when everything runs.
    pub(super) fn share(&self, percent: u32) -> Option<Duration> {
        self.options.share(percent)
    }

    /// Whether a part of the step is to run.
    pub(super) fn is_chosen(&self, part: &str) -> bool {
        self.options.is_chosen(part)
    }

    /// `cargo SUBCOMMAND`, held to the committed lock file in CI.
    pub(super) fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = place::cargo();
        cargo.arg(subcommand);
        if self.options.ci {
            cargo.arg("--locked");
        }
        cargo
    }

    /// Puts a line among what the processes print. A log that cannot be written shows at the next process.
    pub(super) fn note(&mut self, text: &str) {
        let _ = self.log.note(text);
    }

    /// Runs a process to its end and returns what it printed. Anything but success, in time and leaving nobody behind,
    /// stops the step.
    pub(super) fn run(&mut self, command: &mut Command, limit: Duration) -> Result<String, Stop> {
        self.watch(command, limit, || ())
    }

    /// The same, calling `tick` several times a second meanwhile.
    pub(super) fn watch(
        &mut self,
        command: &mut Command,
        limit: Duration,
        tick: impl FnMut(),
    ) -> Result<String, Stop> {
        let (printed, status) = self.end(command, limit, tick)?;
        if status.success() {
            return Ok(printed);
        }
        let why = format!("`{}` ended with {status}", line(command));
        Err(Stop::Failed(blame::with(why, &printed)))
    }

    /// As [`run`](Self::run), for a process whose standard output is for us and nobody else: returns that alone, which the log does not have.
    pub(super) fn quietly(
        &mut self,
        command: &mut Command,
        limit: Duration,
    ) -> Result<String, Stop> {
        let path = self.log.path().with_extension("json");
        let file = File::create(&path);
        let file = file.map_err(|error| Stop::failed(format!("{}: {error}", path.display())))?;
        self.output = Some(file);
        let ran = self.run(command, limit);
        self.output = None;
        ran?;
        fs::read_to_string(&path)
            .map_err(|error| Stop::failed(format!("{}: {error}", path.display())))
    }

    /// As [`run`](Self::run), for a process that may well end without success.
    pub(super) fn try_run(
        &mut self,
        command: &mut Command,
        limit: Duration,
    ) -> Result<(String, ExitStatus), Stop> {
        self.end(command, limit, || ())
    }

    fn end(
        &mut self,
        command: &mut Command,
        limit: Duration,
        mut tick: impl FnMut(),
    ) -> Result<(String, ExitStatus), Stop> {
        let what = line(command);
        // Two steps at once would be two voices: what runs beside is shown when its turn comes.
        let live = self.options.verbose && self.heed.is_none();
        let ended = self.log.note(&format!("$ {what}")).and_then(|()| {
            let start = self.log.end();
            self.log.attach(command)?;
            if let Some(file) = &self.output {
                command.stdout(file.try_clone()?);
            }
            let (log, heed) = (&mut self.log, &self.heed);
            let end = process::run_measured(command, limit, &mut self.spent, || {
                if let Some(heed) = heed {
                    heed.go_on();
                }
                if live {
                    log.follow();
                }
                tick();
            })?;
            Ok((start, end))
        });
        if live {
            self.log.follow();
        }
        let (start, end) = ended.map_err(|error| Stop::failed(error.to_string()))?;
        let status = judged(&end, &what, limit)?;
        Ok((self.log.since(start), status))
    }

    /// Runs processes side by side, `width` at a time and each in its turn, and returns what each printed and how it ended. What one has printed is in the
    /// log, and is shown, when it has ended.
    pub(super) fn several(&mut self, tasks: Vec<Task>, width: usize) -> Vec<Ran> {
        let live = self.options.verbose && self.heed.is_none();
        let folder = self.log.path().with_extension("");
        let (log, heed, spent) = (&mut self.log, &self.heed, &mut self.spent);
        several::run(tasks, width, &folder, |news| {
            if let Some(heed) = heed {
                heed.go_on();
            }
            let Some(news) = news else { return };
            *spent += news.spent;
            let _ = log.note(&news.text);
            if live {
                log.follow();
            }
        })
    }

    /// Ends the step's output: a failure that was not followed is shown now, and so are warnings.
    pub(super) fn close(&mut self, failed: bool) {
        if self.options.verbose {
            self.log.follow();
        } else if failed
            || self
                .log
                .since(0)
                .lines()
                .any(|line| line.starts_with("warning:"))
        {
            self.log.show_end();
            say!("(the whole log: {})", self.log.path().display());
        }
    }
}

/// How a process ended that was to end by itself, in time, and leave nobody behind.
pub(super) fn judged(end: &End, what: &str, limit: Duration) -> Result<ExitStatus, Stop> {
    match end {
        End::Exit(status, 0) => Ok(*status),
        End::Exit(status, left) => Err(Stop::failed(format!(
            "`{what}` ended with {status} and left {left} processes running"
        ))),
        End::Overstayed => Err(Stop::failed(format!(
            "`{what}` was stopped after {} s",
            limit.as_secs()
        ))),
    }
}

/// The command as a person would type it, with the variables that we set.
pub(super) fn line(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        let (name, Some(value)) = (name.to_string_lossy(), value) else {
            continue;
        };
        if !name.starts_with("CARGO_TERM_") && name != process::VARIABLE {
            let _ = write!(line, "{name}={:?} ", value.to_string_lossy());
        }
    }
    let program = command.get_program().to_string_lossy();
    line.push_str(program.rsplit('/').next().unwrap_or(&program));
    for word in command.get_args() {
        let _ = write!(line, " {}", word.to_string_lossy());
    }
    line
}
