//! A step while it runs: its log, its processes, and why it may stop before its end.

use std::fmt::Write;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use super::beside::{Heed, at_leisure};
use super::log::Log;
use super::options::Options;
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
}

impl Job {
    pub(super) fn new(name: &str, options: &Options) -> Result<Self, String> {
        let directory = place::target().join("verify");
        match Log::create(&directory, name) {
            Ok(log) => Ok(Self {
                options: options.clone(),
                log,
                heed: None,
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

    /// How `command` is run in this step: beside others, with a smaller share of the processors.
    pub(super) fn manner(&self, command: Command) -> Command {
        match self.heed {
            Some(_) => at_leisure(&command),
            None => command,
        }
    }

    pub(super) fn ci(&self) -> bool {
        self.options.ci
    }

    pub(super) fn long(&self) -> Option<u64> {
        self.options.long
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
        Err(Stop::failed(format!(
            "`{}` ended with {status}",
            line(command)
        )))
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
            let (log, heed) = (&mut self.log, &self.heed);
            let end = process::run(command, limit, || {
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
        match ended {
            Ok((start, End::Exit(status, 0))) => Ok((self.log.since(start), status)),
            Ok((_, End::Exit(status, left))) => Err(Stop::failed(format!(
                "`{what}` ended with {status} and left {left} processes running"
            ))),
            Ok((_, End::Overstayed)) => Err(Stop::failed(format!(
                "`{what}` was stopped after {} s",
                limit.as_secs()
            ))),
            Err(error) => Err(Stop::failed(error.to_string())),
        }
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

/// The command as a person would type it, with the variables that we set.
fn line(command: &Command) -> String {
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
