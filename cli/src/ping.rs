//! `ringway ping`: how long one who listens takes to answer.
//!
//! It asks as an observer does, by a socket, and says nothing of how fast frames are: that is `ringway bench`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use ringway::{Config, ErrorKind};

use crate::exit::{self, Code, Failure};
use crate::options::{parse_seconds, parse_uid};

/// Ask one who listens again and again, and say how long each answer takes.
///
/// An answer shows that its process accepts: the question is dealt with by `accept`, as a new client is.
#[derive(Debug, Args)]
#[command(after_help = exit::PING_TABLE)]
pub(crate) struct PingArgs {
    /// A name, or the path of a socket if it contains a slash.
    #[arg(value_name = "NAME")]
    address: String,
    /// How many times.
    #[arg(long, short, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Seconds between two questions.
    #[arg(long, short, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_seconds)]
    interval: f64,
    /// How long to wait for each answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = parse_seconds)]
    wait: f64,
    /// Also ask a process of this user id (may be given again; our own is always allowed).
    #[arg(long, value_name = "UID", value_parser = parse_uid)]
    allow_uid: Vec<u32>,
}

/// No wait is longer, in seconds.
const LONGEST: f64 = 1e6;

pub(crate) fn run(args: &PingArgs) -> ExitCode {
    exit::report("ping", ping(args, &mut io::stdout()))
}

fn ping(args: &PingArgs, output: &mut impl Write) -> Result<(), Failure> {
    crate::standard::output()?;
    let patience = Duration::from_secs_f64(args.wait.clamp(0.001, LONGEST));
    let config = Config::new().handshake_timeout(patience);
    let config = args
        .allow_uid
        .iter()
        .fold(config, |config, &uid| config.allow_uid(uid));
    let mut times = Vec::new();
    let mut last = None;
    for turn in 1..=args.count {
        let began = Instant::now();
        match config.observe(args.address.as_str()) {
            Ok(observed) => {
                let took = began.elapsed();
                let process = observed
                    .peer()
                    .pid
                    .map_or_else(|| "?".to_owned(), |pid| pid.to_string());
                writeln!(
                    output,
                    "{turn}: process {process} answered in {}",
                    shown(took)
                )?;
                times.push(took);
            }
            Err(error) => {
                writeln!(output, "{turn}: {error}")?;
                // Waiting changes nothing about a name, or a uid, that is refused.
                let code = match error.kind() {
                    ErrorKind::NotFound | ErrorKind::TimedOut | ErrorKind::PeerGone => {
                        Code::NobodyThere
                    }
                    _ => return Err(Failure::new(Code::Failed, error)),
                };
                last = Some(code);
            }
        }
        output.flush()?;
        if turn < args.count {
            thread::sleep(Duration::from_secs_f64(args.interval.clamp(0.0, LONGEST)));
        }
    }
    times.sort_unstable();
    let (Some(least), Some(most)) = (times.first(), times.last()) else {
        let code = last.unwrap_or(Code::NobodyThere);
        return Err(Failure::new(code, "no answer"));
    };
    writeln!(
        output,
        "{} of {} answered; least {}, median {}, most {}",
        times.len(),
        args.count,
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
