//! The hidden side of the benchmark: a process that does one piece of work, as told on its standard input.

use std::io::{self, BufRead, Write};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::kit::{Kit, Side};
use super::meter::Sample;
use super::placement::pin;
use super::task::Task;
use super::work::Pass;
use super::{Failure, fail};

/// Arguments of the hidden subcommand.
#[derive(Debug, Args)]
pub(crate) struct PeerArgs {
    /// A `Spec` in JSON.
    spec: String,
}

/// What a process is to be.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) task: Task,
    pub(crate) side: Side,
    pub(crate) cpu: usize,
    /// The descriptors of the kit, in its order.
    pub(crate) descriptors: Vec<RawFd>,
    /// Where the two may meet.
    pub(crate) address: PathBuf,
}

/// One line of standard input. The answer is one line too: a [`Sample`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Do this many operations.
    Run { count: u64, pass: Pass },
    /// Take this parameter.
    Tune { choice: u32 },
    /// Wait for so long for a message that does not come.
    Idle { millis: u64 },
}

/// Runs until standard input ends.
pub(crate) fn run(args: &PeerArgs) -> ExitCode {
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn serve(args: &PeerArgs) -> Result<(), Failure> {
    let spec: Spec = serde_json::from_str(&args.spec)?;
    // Whoever reads along runs where there is room.
    if spec.task != Task::Tap {
        pin(spec.cpu)?;
    }
    // SAFETY: the parent made these descriptors for this process and left them open over exec; this is the first and
    // only place that takes them, and nothing here has opened a descriptor and kept it.
    let kit = unsafe { Kit::inherit(&spec.descriptors) }.ok_or("the kit is not complete")?;
    let mut work = spec.task.make(&kit, spec.side, &spec.address)?;
    answer(Sample::default())?;
    for line in io::stdin().lock().lines() {
        answer(match serde_json::from_str(&line?)? {
            Order::Run { count, pass } => match spec.side {
                Side::Lead => work.lead(count, pass),
                Side::Follow => work.follow(count, pass),
            },
            Order::Tune { choice } => {
                work.tune(choice);
                Sample::default()
            }
            Order::Idle { millis } => {
                work.idle(Duration::from_millis(millis));
                Sample::default()
            }
        })?;
    }
    Ok(())
}

fn answer(sample: Sample) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    serde_json::to_writer(&mut output, &sample)?;
    writeln!(output)?;
    output.flush()?;
    Ok(())
}
