//! Clients that are processes of their own, so that they can be killed and stopped while they are at it.
//!
//! A killed client's requests that were due and of which it had not said what became of them are counted as killed; a new process takes over
//! with the next one. A stopped client goes on after a while, and what was due meanwhile is late.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Exp};

use super::drive::{Sink, Spec, drive, now};
use super::tally::{Outcome, RECORD_BYTES, Record, Tally};
use crate::exit::{self, Code, Failure};

/// Faults per second, over all clients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Faults {
    pub(crate) kill: f64,
    pub(crate) stop: f64,
}

impl Faults {
    /// Reads `kill=0.1,stop=0.2`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "give faults per second, such as kill=0.1,stop=0.2".to_owned();
        let mut faults = Self::default();
        for part in text.split(',') {
            let (name, rate) = part.split_once('=').ok_or_else(wrong)?;
            let rate: f64 = rate.parse().map_err(|_| wrong())?;
            if !(0.0..=1000.0).contains(&rate) {
                return Err("a rate of faults is from 0 to 1000 per second".to_owned());
            }
            match name {
                "kill" => faults.kill = rate,
                "stop" => faults.stop = rate,
                _ => return Err(wrong()),
            }
        }
        Ok(faults)
    }

    /// When which fault happens, from the start; nothing behind `end`.
    fn times(self, end: u64, random: &mut SmallRng) -> Vec<(u64, Fault)> {
        let mut times = Vec::new();
        for (rate, fault) in [(self.kill, Fault::Kill), (self.stop, Fault::Stop)] {
            let Some(gaps) = Exp::new(rate / 1e9).ok().filter(|_| rate > 0.0) else {
                continue;
            };
            let mut at = 0.0;
            loop {
                at += gaps.sample(random);
                #[expect(clippy::cast_sign_loss, reason = "times are positive")]
                let time = at as u64;
                if time >= end {
                    break;
                }
                times.push((time, fault));
            }
        }
        times.sort_by_key(|(at, _)| *at);
        times
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Stop,
}

/// How many faults there were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Happened {
    pub(crate) kills: u64,
    pub(crate) stops: u64,
}

/// One client's process.
struct Running<'scope> {
    child: Child,
    /// Counts what it says, to its end.
    reader: ScopedJoinHandle<'scope, u64>,
    skip: u64,
    /// When it goes on, if it is stopped.
    resume: Option<u64>,
}

/// Drives all clients of `specs`, each in a process, and disturbs them.
pub(crate) fn run(
    specs: &[Spec],
    faults: Faults,
    stop_for: u64,
    tally: &Mutex<Tally>,
) -> Result<Happened, Failure> {
    let Some(first) = specs.first() else {
        return Ok(Happened::default());
    };
    let (epoch, end) = (first.epoch, first.part.end);
    let mut random = SmallRng::seed_from_u64(first.part.seed ^ 0xFA);
    let times = faults.times(end, &mut random);
    let mut happened = Happened::default();
    std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for spec in specs {
            clients.push(start(scope, spec, 0, tally)?);
        }
        let mut times = times.into_iter().peekable();
        loop {
            let resume = clients.iter().filter_map(|client| client.resume).min();
            let next = times.peek().map(|(at, _)| epoch.saturating_add(*at));
            let Some(moment) = resume.into_iter().chain(next).min() else {
                break;
            };
            std::thread::sleep(Duration::from_nanos(moment.saturating_sub(now())));
            for client in &mut clients {
                if client.resume.is_some_and(|resume| resume <= now()) {
                    signal(&client.child, Signal::SIGCONT);
                    client.resume = None;
                }
            }
            let Some((_, fault)) = times.next_if(|(at, _)| epoch.saturating_add(*at) <= now())
            else {
                continue;
            };
            let number = random.random_range(0..clients.len());
            let client = &mut clients[number];
            if !matches!(client.child.try_wait(), Ok(None)) {
                continue; // it has done its part
            }
            if fault == Fault::Stop {
                signal(&client.child, Signal::SIGSTOP);
                client.resume = Some(now() + stop_for);
                happened.stops += 1;
                continue;
            }
            let _ = client.child.kill();
            let _ = client.child.wait();
            // Only what was due when it was dead can have been its business.
            let due = due_before(&specs[number], now());
            let new = start(scope, &specs[number], due, tally)?;
            let old = std::mem::replace(client, new);
            settle(old, due, Outcome::Killed, tally);
            happened.kills += 1;
        }
        for (mut client, spec) in clients.into_iter().zip(specs) {
            let _ = client.child.wait();
            settle(client, due_before(spec, u64::MAX), Outcome::Lost, tally);
        }
        Ok(happened)
    })
}

/// How many requests of a client are due before a moment.
fn due_before(spec: &Spec, moment: u64) -> u64 {
    let past = |at: u64| spec.epoch.saturating_add(at) < moment;
    spec.schedule().take_while(|due| past(due.at)).count() as u64
}

/// Counts what an ended client, whose part went to request `to`, has not told of.
fn settle(client: Running<'_>, to: u64, outcome: Outcome, tally: &Mutex<Tally>) {
    let told = client.reader.join().unwrap_or(0);
    let missing = (to - client.skip).saturating_sub(told);
    locked(tally).add_failed(outcome, missing);
}

fn signal(child: &Child, signal: Signal) {
    // Not waited for yet, so the number is still its own.
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn locked(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    spec: &Spec,
    skip: u64,
    tally: &'scope Mutex<Tally>,
) -> Result<Running<'scope>, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(Code::Failed, format!("no process for a client: {error}"))
    };
    let mut command = Command::new("/proc/self/exe");
    command.arg0("ringway").arg("load-client");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    let spec = Spec {
        skip,
        ..spec.clone()
    };
    let told = serde_json::to_vec(&spec).map_err(|error| failed(&error))?;
    if let Some(mut input) = child.stdin.take() {
        // One that has ended at once is counted as lost.
        let _ = input.write_all(&told);
    }
    let output = child.stdout.take().ok_or_else(|| failed(&"no pipe"))?;
    let reader = scope.spawn(move || count(output, tally));
    Ok(Running {
        child,
        reader,
        skip,
        resume: None,
    })
}

/// Adds up what a client says, to its end.
fn count(mut output: impl Read, tally: &Mutex<Tally>) -> u64 {
    let mut told = 0;
    let mut bytes = [0; RECORD_BYTES];
    while output.read_exact(&mut bytes).is_ok() {
        let Some(record) = Record::from_bytes(&bytes) else {
            break;
        };
        locked(tally).add(&record);
        told += 1;
    }
    told
}

/// The hidden command: one client, as told on standard input.
pub(crate) fn run_client() -> ExitCode {
    exit::report("load-client", client())
}

fn client() -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Code::Failed, error);
    set_pdeathsig(Signal::SIGKILL).map_err(|error| failed(&error))?;
    let mut told = Vec::new();
    std::io::stdin().lock().read_to_end(&mut told)?;
    let spec: Spec = serde_json::from_slice(&told).map_err(|error| failed(&error))?;
    let mut piped = Piped {
        bytes: Vec::with_capacity(WRITTEN),
        troubled: false,
    };
    drive(&spec, &mut piped);
    Ok(())
}

/// Bytes that a pipe takes whole or not at all.
const WRITTEN: usize = 4096 / RECORD_BYTES * RECORD_BYTES;

/// Tells the process that started us.
struct Piped {
    bytes: Vec<u8>,
    troubled: bool,
}

impl Sink for Piped {
    fn add(&mut self, record: Record) {
        self.bytes.extend_from_slice(&record.to_bytes());
        if self.bytes.len() >= WRITTEN {
            self.idle();
        }
    }

    fn trouble(&mut self, why: &str) {
        // Said once; a client that is killed often connects often.
        if !std::mem::replace(&mut self.troubled, true) {
            let _ = writeln!(std::io::stderr(), "ringway load: {why}");
        }
    }

    fn idle(&mut self) {
        // Whoever listened is gone, and so are we then.
        let _ = std::io::stdout().lock().write_all(&self.bytes);
        let _ = std::io::stdout().lock().flush();
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_nonsense_is_not() {
        let parse = Faults::parse;
        assert_eq!(
            parse("kill=0.1,stop=2"),
            Ok(Faults {
                kill: 0.1,
                stop: 2.0
            })
        );
        assert_eq!(
            parse("stop=1"),
            Ok(Faults {
                kill: 0.0,
                stop: 1.0
            })
        );
        for wrong in ["", "kill", "kill=-1", "kill=NaN", "maim=1", "kill=1e9"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn faults_come_at_their_rate_and_not_behind_the_end() {
        let mut random = SmallRng::seed_from_u64(5);
        let faults = Faults {
            kill: 10.0,
            stop: 0.0,
        };
        let times = faults.times(100_000_000_000, &mut random);
        // 1,000 on average; the standard deviation is 32.
        assert!((850..1150).contains(&times.len()), "{}", times.len());
        assert!(
            times
                .iter()
                .all(|(at, fault)| *at < 100_000_000_000 && *fault == Fault::Kill)
        );
    }
}
