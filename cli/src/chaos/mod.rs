//! `ringway chaos`: runs a command and torments it, at random times and at the steps that it names.
//!
//! Absent on purpose: what a fault must not break. Only whoever runs the command knows that; here it counts whether it failed by itself.

mod child;
mod plan;
mod report;
mod steps;
mod torment;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use nix::sys::signal::SigSet;

use self::plan::{Manner, Plan, Span};
use self::report::{Report, Verdict};
use self::steps::{Asked, Steps};
use self::torment::{Order, Torment};
use crate::exit::{self, Code, Failure};
use crate::fault::{Fault, Gaps};
use crate::interruption::Interruption;
use crate::options::{nanos, parse_seconds};

/// Run a command, and kill it, stop it and slow it down: at random times, or at the steps that it names.
///
/// Faults are for the command and all that it starts in its group. With --at or --each they come at labelled steps, and at random times too only where --mean is given as well.
#[derive(Debug, Args)]
#[command(after_help = exit::CHAOS_TABLE)]
pub(crate) struct ChaosArgs {
    /// Which faults, each as likely as the others; one that is given twice is twice as likely.
    #[arg(
        long,
        value_name = "FAULTS",
        value_enum,
        value_delimiter = ',',
        default_value = "kill,stop,slow"
    )]
    faults: Vec<Fault>,
    /// Seconds between faults at random times, on the average: 1 unless given.
    #[arg(long, value_name = "SECONDS", value_parser = parse_mean)]
    mean: Option<f64>,
    /// Faults at random times begin when the command first comes to this labelled step, instead of when it starts.
    #[arg(long, value_name = "LABEL")]
    from: Option<String>,
    /// How long a stop lasts: seconds, or from how many to how many.
    #[arg(long, value_name = "SECONDS", default_value = "0.05-0.5", value_parser = Span::parse)]
    stop_for: Span,
    /// The same of a slow-down.
    #[arg(long, value_name = "SECONDS", default_value = "0.2-1", value_parser = Span::parse)]
    slow_for: Span,
    /// The part of the time that a slow command runs.
    #[arg(long, value_name = "PART", default_value_t = 0.1, value_parser = parse_share)]
    slow_share: f64,
    /// A labelled step that is hit, and by which fault: LABEL, LABEL=kill, or ringway.* for all that begin so. May be given again.
    #[arg(long, value_name = "LABEL[=FAULT]", value_parser = Asked::parse)]
    at: Vec<Asked>,
    /// How often each label is hit: of --at (1 unless given), or without that every one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    each: Option<u64>,
    /// Each hit is at one of the next so many passes of its label.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    within: u64,
    /// Start the command again when it was killed.
    #[arg(long)]
    restart: bool,
    /// How long in all; then the command is ended. Unless given, until it ends.
    #[arg(long = "for", value_name = "SECONDS", value_parser = parse_seconds)]
    lasting: Option<f64>,
    /// So many faults, and no more.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How long the command is left in peace when there is nothing more to do, before it is ended. Unless given, until it ends.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    rest: Option<f64>,
    /// How long the command may take to end when it is told to by SIGTERM. An interruption meanwhile ends that time.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_seconds)]
    grace: f64,
    /// What chance starts from: the same number, the same faults. Printed, so that a torment can be repeated.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Lines of JSON.
    #[arg(long)]
    json: bool,
    /// Where the report goes, instead of standard error.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The command and its arguments, behind `--`.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn parse_mean(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=1e6).contains(&seconds) => Ok(seconds),
        _ => Err("give seconds, from 0.001 on, such as 0.5".to_owned()),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.01..=0.99).contains(&share) => Ok(share),
        _ => Err("give the part of the time that it runs, from 0.01 to 0.99".to_owned()),
    }
}

/// Runs the command.
pub(crate) fn run(args: &ChaosArgs) -> ExitCode {
    exit::report("chaos", chaos(args))
}

/// A number that is easily typed.
fn chance() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::from(now.map_or(1, |now| now.subsec_nanos())) ^ u64::from(std::process::id())
}

fn chaos(args: &ChaosArgs) -> Result<(), Failure> {
    let at_steps = !args.at.is_empty() || args.each.is_some();
    let mean = args.mean.or((!at_steps).then_some(1.0));
    let seed = args.seed.unwrap_or_else(chance);
    let manner = Manner {
        faults: args.faults.clone(),
        stop_for: args.stop_for,
        slow_for: args.slow_for,
    };
    let each = args.each.unwrap_or(u64::from(at_steps));
    let steps = Steps::new(&args.at, each, args.within, manner.clone(), seed);
    if args.from.is_some() && mean.is_none() {
        let words = "--from is for faults at random times: give --mean too";
        return Err(Failure::new(Code::Usage, words));
    }
    let gaps = mean.and_then(|mean| Gaps::per_second(1.0 / mean));
    let plan = gaps.map(|gaps| Plan::new(manner, gaps, seed));
    let order = Order {
        words: args.command.clone(),
        restart: args.restart,
        // Unless given, as long as there is time.
        end: args.lasting.map_or(u64::MAX, nanos),
        count: args.count.unwrap_or(u64::MAX),
        rest: args.rest.map_or(u64::MAX, nanos),
        grace: nanos(args.grace),
        share: args.slow_share,
        from: args.from.clone(),
    };
    let output: Box<dyn Write> =
        match &args.output {
            None => Box::new(io::stderr()),
            Some(path) => Box::new(File::create(path).map_err(|error| {
                Failure::new(Code::Failed, format!("{}: {error}", path.display()))
            })?),
        };
    let mask = SigSet::thread_get_mask().map_err(|error| Failure::new(Code::Failed, error))?;
    let interruption = Interruption::watch()?;
    let torment = Torment::new(&order, plan, steps, Report::new(output, args.json), mask)?;
    let (verdict, unmet) = torment.run(seed, &interruption)?;
    match verdict {
        Verdict::Interrupted => interruption.deliver(),
        Verdict::Failed => {
            let words = "the command failed by itself";
            Err(Failure::new(Code::CommandFailed, words))
        }
        _ if !unmet.is_empty() => {
            let words = format!("not hit as often as asked: {}", unmet.join(", "));
            Err(Failure::new(Code::Unhit, words))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_shares_are_in_range() {
        assert_eq!((parse_mean("0.5"), parse_share("0.1")), (Ok(0.5), Ok(0.1)));
        for wrong in ["0", "-1", "NaN", "inf", "often"] {
            assert!(
                parse_mean(wrong).is_err() && parse_share(wrong).is_err(),
                "{wrong}"
            );
        }
        assert!(parse_share("1").is_err());
    }
}
