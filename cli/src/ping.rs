//! `ringway ping`: how long one who listens takes to answer.
//!
//! It asks as an observer does, by a socket, and says nothing of how fast frames are: that is `ringway bench`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::exit::{self, Code, Failure};
use crate::observer::{ObserverArgs, code_of, process, seconds};
use crate::options::parse_seconds;

/// Ask one who listens again and again, and say how long each answer takes.
///
/// An answer shows that its process accepts: the question is dealt with by `accept`, as a new client is.
#[derive(Debug, Args)]
#[command(after_help = exit::PING_TABLE)]
pub(crate) struct PingArgs {
    #[command(flatten)]
    observer: ObserverArgs,
    /// How many times.
    #[arg(long, short, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Seconds between two questions.
    #[arg(long, short, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_seconds)]
    interval: f64,
}

pub(crate) fn run(args: &PingArgs) -> ExitCode {
    exit::report("ping", ping(args, &mut io::stdout()))
}

fn ping(args: &PingArgs, output: &mut impl Write) -> Result<(), Failure> {
    crate::standard::output()?;
    let mut times = Vec::new();
    let (mut refused, mut asked) = (None, 0);
    for turn in 1..=args.count {
        asked = turn;
        let began = Instant::now();
        match args.observer.observe() {
            Ok(observed) => {
                let took = began.elapsed();
                writeln!(
                    output,
                    "{turn}: process {} answered in {}",
                    process(&observed),
                    shown(took)
                )?;
                times.push(took);
            }
            Err(error) => {
                writeln!(output, "{turn}: {error}")?;
                let code = code_of(&error);
                if code != Code::NobodyThere {
                    refused = Some(Failure::new(code, error));
                    break;
                }
            }
        }
        output.flush()?;
        if turn < args.count {
            thread::sleep(seconds(args.interval, 0.0));
        }
    }
    times.sort_unstable();
    let (Some(least), Some(most)) = (times.first(), times.last()) else {
        return Err(refused.unwrap_or_else(|| Failure::new(Code::NobodyThere, "no answer")));
    };
    writeln!(
        output,
        "{} of {} answered; least {}, median {}, most {}",
        times.len(),
        asked,
        shown(*least),
        shown(times[times.len() / 2]),
        shown(*most)
    )?;
    Ok(())
}

fn shown(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 1000.0 {
        format!("{micros:.0} us")
    } else {
        format!("{:.1} ms", micros / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_a_unit_that_fits() {
        assert_eq!(shown(Duration::from_micros(83)), "83 us");
        assert_eq!(shown(Duration::from_micros(1_540)), "1.5 ms");
    }
}
