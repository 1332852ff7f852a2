//! `ringway load NAME`: drives a service as production does.
//!
//! Open loop: when each request is due is fixed before the first is sent, and its latency counts from then. So what waits behind a slow request
//! counts as slow too, which a driver that sends the next request after the last reply never sees ("coordinated omission").
//!
//! The protocol of a service: a frame goes out, and for each frame one comes back, in order.

mod arrivals;
mod drive;
mod faults;
mod report;
mod sizes;
mod tally;
mod times;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use nix::sys::resource::{UsageWho, getrusage};
use ringway::ErrorKind;

use self::arrivals::{Arrivals, Part};
use self::drive::{Sink, Spec, drive, now};
use self::report::Report;
use self::sizes::Sizes;
use self::tally::{Outcome, Record, Tally};
use self::times::Faults;
use crate::exit::{self, Code, Failure};
use crate::options::{
    WaitMode, deadline_after, nanos, parse_bytes, parse_seconds, parse_uid, patience,
};

pub(crate) use self::faults::run_client;

/// What the gaps between requests are like.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// As of many independent users: bursts and pauses.
    Poisson,
    /// All the same.
    Constant,
}

/// Drive a service that answers each frame with one frame, at times fixed ahead, and say how long the answers took.
///
/// `ringway echo NAME` is such a service.
#[derive(Debug, Args)]
#[command(after_help = exit::LOAD_TABLE)]
pub(crate) struct LoadArgs {
    /// Where the service listens: a name, or the path of a socket if it contains a slash.
    #[arg(value_name = "NAME")]
    address: String,
    /// Requests per second, all clients together.
    #[arg(long, value_name = "RATE", default_value_t = 1000.0, value_parser = parse_rate)]
    rate: f64,
    /// How long requests are due: 10 seconds, or to the end of a recording.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    seconds: Option<f64>,
    /// What the gaps between requests are like.
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Kind::Poisson)]
    arrivals: Kind,
    /// Requests as recorded in a file: on each line the seconds from the start and, if known, the bytes. It ends with the file, or
    /// before it where --seconds says so.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "arrivals"])]
    replay: Option<PathBuf>,
    /// Bytes of a request: one number, `uniform:64-4096`, `lognormal:MEDIAN,SIGMA`, or `file:PATH` with a size on each line, each as likely.
    #[arg(long, value_name = "SIZES", default_value = "64", value_parser = Sizes::parse)]
    sizes: Sizes,
    /// Connections that the requests are divided among.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    clients: u64,
    /// Faults per second: kill=0.1,stop=0.2. Clients are then processes of their own, which are killed and replaced, or stopped for a while.
    #[arg(long, value_name = "FAULTS", value_parser = Faults::parse)]
    faults: Option<Faults>,
    /// How long a stopped client stays so.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.1, value_parser = parse_seconds)]
    stop_for: f64,
    /// How long to wait for replies when nothing more is due.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = parse_seconds)]
    drain: f64,
    /// A reply must be its request, byte by byte.
    #[arg(long)]
    verify: bool,
    /// What chance starts from: the same number, the same requests at the same times.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How clients wait.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = WaitMode::Adaptive)]
    wait_mode: WaitMode,
    /// Size of each ring, a power of two.
    #[arg(long, value_name = "BYTES", default_value = "256K", value_parser = parse_bytes)]
    capacity: usize,
    /// How long to wait for somebody to listen.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = parse_seconds)]
    wait: f64,
    /// Also meet a service of this user id (may be given again; our own is always allowed).
    #[arg(long, value_name = "UID", value_parser = parse_uid)]
    allow_uid: Vec<u32>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e8 => Ok(rate),
        _ => Err("give requests per second, above 0 and up to 1e8".to_owned()),
    }
}

/// Runs the command.
pub(crate) fn run(args: &LoadArgs) -> ExitCode {
    exit::report("load", load(args, &mut io::stdout()))
}

/// How long a load takes that nobody gave a time.
const SECONDS: f64 = 10.0;

/// Given to the clients to connect before the first request is due.
const HEAD_START: u64 = 20_000_000;
/// The same for each client; one that is a process takes longer to start.
const EACH: u64 = 1_000_000;
const EACH_PROCESS: u64 = 3_000_000;

fn load(args: &LoadArgs, output: &mut impl Write) -> Result<(), Failure> {
    crate::standard::output()?;
    let spec = spec(args)?;
    let service = meet(args, &spec)?;
    let before = (processor_time(), service.and_then(time_of));
    let each = if args.faults.is_some() {
        EACH_PROCESS
    } else {
        EACH
    };
    let epoch = now() + HEAD_START + each * args.clients;
    let specs: Vec<Spec> = (0..args.clients)
        .map(|client| Spec {
            epoch,
            part: Part {
                client,
                ..spec.part
            },
            ..spec.clone()
        })
        .collect();
    let tally = Mutex::new(Tally::new());
    let happened = if let Some(faults) = args.faults {
        Some(faults::run(&specs, faults, nanos(args.stop_for), &tally)?)
    } else {
        drive_all(&specs, &tally)?;
        None
    };
    let after = (processor_time(), service.and_then(time_of));
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = |to: u64| Duration::from_nanos(to.saturating_sub(epoch)).as_secs_f64();
    let report = Report {
        tally: &tally,
        seconds: seconds(now()),
        reply_seconds: seconds(tally.last_reply.unwrap_or(epoch)),
        clients: args.clients,
        cpu: after.0 - before.0,
        service_cpu: after.1.zip(before.1).map(|(after, before)| after - before),
        happened,
    };
    if args.json {
        report.print_json(output)?;
    } else {
        report.print(output)?;
    }
    let expected = tally.count(Outcome::Answered) + tally.count(Outcome::Killed);
    match tally.total() - expected {
        0 => Ok(()),
        some => Err(Failure::new(
            Code::Unanswered,
            format!("{some} requests were not answered as they should be"),
        )),
    }
}

/// What is the same for all clients.
fn spec(args: &LoadArgs) -> Result<Spec, Failure> {
    let mut end = nanos(args.seconds.unwrap_or(SECONDS));
    let arrivals = match (&args.replay, args.arrivals) {
        (Some(path), _) => {
            let wrong = |what: &dyn std::fmt::Display| {
                Failure::new(Code::Failed, format!("{}: {what}", path.display()))
            };
            let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
            let lines = arrivals::parse(&text).map_err(|error| wrong(&error))?;
            let given = args.seconds.map_or(u64::MAX, nanos);
            end = lines.last().map_or(given, |last| given.min(last.at + 1));
            Arrivals::Replay(lines)
        }
        (None, Kind::Poisson) => Arrivals::Poisson(args.rate),
        (None, Kind::Constant) => Arrivals::Constant(args.rate),
    };
    Ok(Spec {
        address: args.address.clone(),
        wait: args.wait_mode,
        capacity: args.capacity,
        uids: args.allow_uid.clone(),
        arrivals,
        sizes: args.sizes.clone(),
        part: Part {
            client: 0,
            clients: args.clients,
            seed: args.seed,
            end,
        },
        skip: 0,
        epoch: 0,
        drain: nanos(args.drain),
        verify: args.verify,
    })
}

/// Makes sure that somebody listens, and asks who.
fn meet(args: &LoadArgs, spec: &Spec) -> Result<Option<i32>, Failure> {
    let deadline = deadline_after(args.wait);
    loop {
        let config = spec.config().handshake_timeout(patience(deadline));
        match config.connect(args.address.as_str()) {
            Ok(connection) => return Ok(connection.peer().pid),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Err(Failure::new(Code::NobodyThere, error));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(Failure::new(Code::Failed, error)),
        }
    }
}

/// A thread for each client. None of them begins unless there is one for each: whoever lacks one hears of it now, and not behind a load of some.
fn drive_all(specs: &[Spec], tally: &Mutex<Tally>) -> Result<(), Failure> {
    let all_there = OnceLock::new();
    std::thread::scope(|scope| {
        let (all_there, mut threads) = (&all_there, Vec::with_capacity(specs.len()));
        for spec in specs {
            let mut shared = Shared {
                tally,
                records: Vec::with_capacity(TOLD),
            };
            let begin = move || {
                while all_there.get().is_none() {
                    std::thread::park();
                }
                if all_there.get() == Some(&true) {
                    drive(spec, &mut shared);
                }
            };
            let builder = std::thread::Builder::new().stack_size(256 << 10);
            match builder.spawn_scoped(scope, begin) {
                Ok(made) => threads.push(made),
                Err(error) => {
                    begin_all(all_there, false, &threads);
                    let words = format!("no thread for a client: {error}");
                    return Err(Failure::new(Code::Failed, words));
                }
            }
        }
        begin_all(all_there, true, &threads);
        Ok(())
    })
}

fn begin_all(told: &OnceLock<bool>, all_there: bool, threads: &[ScopedJoinHandle<'_, ()>]) {
    let _ = told.set(all_there);
    for one in threads {
        one.thread().unpark();
    }
}

/// Records that a client keeps before it adds them to those of all.
const TOLD: usize = 256;

/// Adds up in this process.
struct Shared<'a> {
    tally: &'a Mutex<Tally>,
    records: Vec<Record>,
}

impl Sink for Shared<'_> {
    fn add(&mut self, record: Record) {
        self.records.push(record);
        if self.records.len() >= TOLD {
            self.idle();
        }
    }

    fn trouble(&mut self, why: &str) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.trouble = Some(why.to_owned());
    }

    fn idle(&mut self) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        for record in self.records.drain(..) {
            tally.add(&record);
        }
    }
}

/// User and system time of this process and of those that it has waited for, in seconds.
fn processor_time() -> f64 {
    let of = |who| {
        getrusage(who).map_or(0.0, |usage| {
            [usage.user_time(), usage.system_time()]
                .iter()
                .map(|time| {
                    #[expect(clippy::cast_precision_loss, reason = "seconds and microseconds")]
                    let seconds = time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
                    seconds
                })
                .sum()
        })
    };
    of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)
}

/// The same of another process, as far as the kernel tells.
fn time_of(pid: i32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; behind it come the state and, as the 12th and 13th word from there, both times in ticks.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_whitespace().skip(11);
    let ticks = words.next()?.parse::<f64>().ok()? + words.next()?.parse::<f64>().ok()?;
    let rate = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    #[expect(clippy::cast_precision_loss, reason = "it is 100")]
    let rate = rate as f64;
    Some(ticks / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_positive() {
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "inf", "NaN", "many"] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_kernel_tells_our_own_time() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let began = Instant::now();
        while time_of(pid).unwrap() < 0.02 {
            assert!(began.elapsed() < Duration::from_secs(30), "no time passes");
        }
        assert!(processor_time() > 0.0);
    }
}
