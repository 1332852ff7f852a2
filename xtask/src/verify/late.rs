//! Programs that are written for people, and know of no busy machine: their handshakes have the seconds that a person would wait.

use std::process::Command;
use std::time::Duration;

use super::blame;
use super::job::{Job, Stop, line};

/// What such a program says where the host has kept it or its server from a processor for longer: nobody listens there yet, or an answer was late.
const LATE: [&str; 3] = ["nobody listens", "did not answer in time", "deadline"];
/// It is run so often until one of its ends has nothing to do with that.
const TURNS: u32 = 4;

/// What was run, and how often that was for nothing: a wake that is lost looks as a late answer does, so the step tells of it.
pub(super) struct Ran {
    pub(super) printed: String,
    pub(super) late: u32,
}

/// What a step tells of that, if there is anything to tell.
pub(super) fn told(late: u32) -> String {
    match late {
        0 => String::new(),
        some => format!(", {some} run again because one was late"),
    }
}

/// Runs what `make` makes, anew where one was late.
pub(super) fn run(job: &mut Job, limit: Duration, make: impl Fn() -> Command) -> Result<Ran, Stop> {
    anew(job, |job| attempt(job, &mut make(), limit))
}

/// How it went: what was printed, and why that is no success.
pub(super) type Attempt = Result<String, (String, String)>;

/// Runs it once.
pub(super) fn attempt(
    job: &mut Job,
    command: &mut Command,
    limit: Duration,
) -> Result<Attempt, Stop> {
    let (printed, status) = job.try_run(command, limit)?;
    if status.success() {
        return Ok(Ok(printed));
    }
    let why = format!("`{}` ended with {status}", line(command));
    Ok(Err((printed, why)))
}

/// Does `once`, which may be several programs, and anew from its beginning where one was late.
pub(super) fn anew(
    job: &mut Job,
    mut once: impl FnMut(&mut Job) -> Result<Attempt, Stop>,
) -> Result<Ran, Stop> {
    let mut turn = 0;
    loop {
        let (printed, why) = match once(job)? {
            Ok(printed) => {
                return Ok(Ran {
                    printed,
                    late: turn,
                });
            }
            Err(failed) => failed,
        };
        turn += 1;
        job.note(&format!(
            "# It was late, or is wrong: turn {turn} of {TURNS}."
        ));
        if turn == TURNS || !LATE.iter().any(|words| printed.contains(words)) {
            return Err(Stop::Failed(blame::with(why, &printed)));
        }
    }
}
