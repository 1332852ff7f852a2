//! Clients that are processes of their own, so that they can be killed and stopped while they are at it.
//!
//! A killed client's requests that were due and of which it had not said what became of them are counted as killed; a new process takes over
//! with the next one. A stopped client goes on after a while, and what was due meanwhile is late.

use std::io::{self, Read, Write};
use std::iter::Peekable;
use std::process::{Child, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::arrivals::Schedule;
use super::drive::{Sink, Spec, drive, now};
use super::tally::{Outcome, RECORD_BYTES, Record, Tally};
use super::times::Faults;
use crate::exit::{self, Code, Failure};
use crate::fault::{self, Fault};
use crate::ourselves;
use crate::standard::remark;

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
    reader: Option<ScopedJoinHandle<'scope, u64>>,
    skip: u64,
    /// When it goes on, if it is stopped.
    resume: Option<u64>,
}

/// The requests of one client, passed as they come due: each once, however often somebody is killed.
struct Walk {
    requests: Peekable<Schedule>,
    epoch: u64,
    passed: u64,
}

impl Walk {
    fn new(spec: &Spec) -> Self {
        Self {
            requests: spec.schedule().peekable(),
            epoch: spec.epoch,
            passed: 0,
        }
    }

    /// How many are due before `moment`, which does not go back.
    fn due_before(&mut self, moment: u64) -> u64 {
        let epoch = self.epoch;
        let past = |at: u64| epoch.saturating_add(at) < moment;
        while self.requests.next_if(|due| past(due.at)).is_some() {
            self.passed += 1;
        }
        self.passed
    }
}

/// Makes a client's process, which is told by its standard input.
type Spawn<'a> = &'a mut dyn FnMut() -> io::Result<Child>;

/// Drives all clients of `specs`, each in a process, and disturbs them.
pub(crate) fn run(
    specs: &[Spec],
    faults: Faults,
    stop_for: u64,
    tally: &Mutex<Tally>,
) -> Result<Happened, Failure> {
    run_with(specs, faults, stop_for, tally, &mut || {
        let mut command = ourselves::again("load-client");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
    })
}

fn run_with(
    specs: &[Spec],
    faults: Faults,
    stop_for: u64,
    tally: &Mutex<Tally>,
    spawn: Spawn<'_>,
) -> Result<Happened, Failure> {
    let mut walks: Vec<Walk> = specs.iter().map(Walk::new).collect();
    std::thread::scope(|scope| {
        let mut clients = Vec::new();
        let mut start = |spec: &Spec, skip| start(scope, spec, skip, tally, spawn);
        let outcome = specs
            .iter()
            .try_for_each(|spec| start(spec, 0).map(|client| clients.push(client)))
            .and_then(|()| {
                let Some(first) = specs.first() else {
                    return Ok(Happened::default());
                };
                let mut random = SmallRng::seed_from_u64(first.part.seed ^ 0xFA);
                let times = faults.times(first.part.end, first.part.seed ^ 0xFA);
                let times = times.map(|(at, fault)| (first.epoch.saturating_add(at), fault));
                disturb(&mut clients, times, stop_for, &mut random, |number, old| {
                    // Only what was due when it was dead can have been its business.
                    let due = walks[number].due_before(now());
                    // Not while it is locked: what the old one has said may still be read, and is added to it.
                    let missing = old.settle(due);
                    locked(tally).add_killed(missing);
                    start(&specs[number], due)
                })
            });
        if outcome.is_err() {
            // The scope waits for the end of what they say, and one that is stopped would keep it waiting for ever.
            for client in &mut clients {
                client.end();
            }
            return outcome;
        }
        for ((mut client, spec), walk) in clients.into_iter().zip(specs).zip(&mut walks) {
            let _ = client.child.wait();
            let due = walk.due_before(u64::MAX);
            let missing = usize::try_from(client.settle(due)).unwrap_or(usize::MAX);
            // It told of them nearly in order, so that the last ones are missing: which have waited for the shortest time, in any case.
            let due = usize::try_from(due).unwrap_or(usize::MAX);
            let lost = spec.schedule().skip(due.saturating_sub(missing));
            let mut tally = locked(tally);
            for request in lost.take(missing) {
                let due = spec.epoch.saturating_add(request.at);
                tally.add(&Record::failed(Outcome::Lost, due, spec.last()));
            }
        }
        outcome
    })
}

/// Stops and kills clients when it is time to; `replace` counts what a killed one has not told of, and starts another one in its place.
fn disturb<'scope>(
    clients: &mut [Running<'scope>],
    times: impl Iterator<Item = (u64, Fault)>,
    stop_for: u64,
    random: &mut SmallRng,
    mut replace: impl FnMut(usize, &mut Running<'scope>) -> Result<Running<'scope>, Failure>,
) -> Result<Happened, Failure> {
    let mut happened = Happened::default();
    let mut times = times.peekable();
    loop {
        let resume = clients.iter().filter_map(|client| client.resume).min();
        let next = times.peek().map(|(at, _)| *at);
        let Some(moment) = resume.into_iter().chain(next).min() else {
            return Ok(happened);
        };
        std::thread::sleep(Duration::from_nanos(moment.saturating_sub(now())));
        for client in clients.iter_mut() {
            if client.resume.is_some_and(|resume| resume <= now()) {
                signal(&client.child, Signal::SIGCONT);
                client.resume = None;
            }
        }
        let Some((_, fault)) = times.next_if(|(at, _)| *at <= now()) else {
            continue;
        };
        let number = random.random_range(0..clients.len());
        let client = &mut clients[number];
        if !matches!(client.child.try_wait(), Ok(None)) {
            continue; // it has done its part
        }
        if fault == Fault::Stop {
            signal(&client.child, Signal::SIGSTOP);
            client.resume = Some(now().saturating_add(stop_for));
            happened.stops += 1;
            continue;
        }
        client.end();
        *client = replace(number, client)?;
        happened.kills += 1;
    }
}

impl Running<'_> {
    /// Ends it, stopped or not.
    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How many requests it has not told of, of those up to request `to`. It has ended.
    fn settle(&mut self, to: u64) -> u64 {
        let told = self
            .reader
            .take()
            .map_or(0, |reader| reader.join().unwrap_or(0));
        (to - self.skip).saturating_sub(told)
    }
}

fn signal(child: &Child, signal: Signal) {
    // Not waited for yet, so the number is still its own.
    if let Ok(pid) = i32::try_from(child.id()) {
        fault::signal(pid, signal);
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
    spawn: Spawn<'_>,
) -> Result<Running<'scope>, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(Code::Failed, format!("no process for a client: {error}"))
    };
    let spec = Spec {
        skip,
        ..spec.clone()
    };
    let told = serde_json::to_vec(&spec).map_err(|error| failed(&error))?;
    let mut child = spawn().map_err(|error| failed(&error))?;
    if let Some(mut input) = child.stdin.take() {
        // One that has ended at once is counted as lost.
        let _ = input.write_all(&told);
    }
    let output = child.stdout.take().ok_or_else(|| failed(&"no pipe"))?;
    let reader = Some(scope.spawn(move || count(output, tally)));
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
            remark("load", &why);
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
    use std::process::Command;

    use super::*;

    fn spec(rate: f64, seconds: u64) -> Spec {
        Spec {
            address: "nobody".to_owned(),
            wait: crate::options::WaitMode::Park,
            capacity: 4096,
            uids: Vec::new(),
            arrivals: super::super::arrivals::Arrivals::Poisson(rate),
            sizes: super::super::sizes::Sizes::Fixed(8),
            part: super::super::arrivals::Part {
                client: 0,
                clients: 1,
                seed: 3,
                end: seconds * 1_000_000_000,
            },
            skip: 0,
            epoch: now(),
            drain: 0,
            verify: false,
        }
    }

    #[test]
    fn a_walk_passes_each_request_when_it_is_due() {
        let spec = spec(1000.0, 2);
        let mut walk = Walk::new(&spec);
        for moment in [0, 0, 1, 500_000_000, 500_000_000, 1_999_999_999, u64::MAX] {
            let due = spec.schedule().filter(|due| due.at < moment).count() as u64;
            assert_eq!(walk.due_before(spec.epoch.saturating_add(moment)), due);
        }
    }

    /// What is told of a load of so many clients, each a `script` that ends as a `sleep`, of whom none can be replaced when it is killed.
    fn told_of(clients: usize, faults: Faults, script: &'static str) -> String {
        let (done, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let specs = vec![spec(10.0, 60); clients];
            let mut started = 0;
            let mut spawn = || {
                started += 1;
                if started > clients {
                    return Err(io::Error::other("no other"));
                }
                let mut command = Command::new("sh");
                command.args(["-c", script]).stdin(Stdio::piped());
                let child = command.stdout(Stdio::piped()).spawn()?;
                // Not killed before it has come to that.
                let program = format!("/proc/{}/comm", child.id());
                while std::fs::read_to_string(&program)? != "sleep\n" {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(child)
            };
            let tally = Mutex::new(Tally::new());
            let hour = 3_600_000_000_000;
            let outcome = run_with(&specs, faults, hour, &tally, &mut spawn);
            done.send(outcome.map_err(|failure| failure.to_string()))
        });
        // A watchdog: it takes a tenth of a second.
        let outcome = told.recv_timeout(Duration::from_secs(60));
        let outcome = outcome.expect("it waits for a client");
        outcome.unwrap_err()
    }

    /// A client that is stopped when another one cannot be replaced is killed like the others, and the failure is told.
    #[test]
    fn a_client_that_cannot_be_replaced_ends_the_load_though_others_are_stopped() {
        let faults = Faults {
            kill: 20.0,
            stop: 200.0,
        };
        let told = told_of(2, faults, "exec sleep 100");
        assert!(told.contains("no other"), "{told}");
    }

    /// What a client has said before it was killed is read to its end, however late that comes.
    #[test]
    fn what_a_killed_client_has_said_is_read_though_it_comes_late() {
        let faults = Faults {
            kill: 20.0,
            stop: 0.0,
        };
        // Its child says it, when the client is gone.
        let script =
            "(while kill -0 $$; do :; done 2>/dev/null; head -c 4800 /dev/zero) & exec sleep 100";
        let told = told_of(1, faults, script);
        assert!(told.contains("no other"), "{told}");
    }
}
