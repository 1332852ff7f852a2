//! One of the two processes whose jitter is measured, with the options that are tried.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use ringway::thread::{self, Class};
use ringway::{Config, Receiver, RecvError, Sender, Wait};
use serde::{Deserialize, Serialize};

use super::super::kit::Side;
use super::super::ours::meet;
use super::super::{Failure, fail};
use super::kernel::{Host, Thread};

/// Arguments of the hidden subcommand.
#[derive(Debug, Args)]
pub(crate) struct MemberArgs {
    /// A `Spec` in JSON.
    spec: String,
}

/// Options for steady latency.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Options {
    pub(crate) pin: bool,
    pub(crate) prefault: bool,
    pub(crate) lock: bool,
    pub(crate) numa: bool,
    pub(crate) fifo: bool,
}

/// What a process is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) options: Options,
    pub(crate) side: Side,
    pub(crate) cpu: usize,
    pub(crate) address: PathBuf,
    /// Length of each of the two loops.
    pub(crate) millis: u64,
}

/// What it found, on one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Round trips: nanoseconds, and how many took so long.
    pub(crate) trips: Vec<(u64, u64)>,
    /// The same of the distances between two looks at an empty ring.
    pub(crate) polls: Vec<(u64, u64)>,
    pub(crate) thread: Thread,
    /// How long both loops took, in microseconds.
    pub(crate) wall_micros: u64,
    /// What happened to the processors meanwhile: told by the side that leads.
    pub(crate) host: Option<Host>,
}

/// Small enough to go round many times, large enough to have pages that are touched while the clock runs.
const RING: usize = 4 << 20;
/// Round trips at the least, however long they take. Where somebody else has the processors, both sides may share one, and then a spinning side lets the other go on
/// only when its slice is used up: a handful of round trips in all the time, which would not leave the ring's first page, and tell nothing of what new pages cost. So many frames of
/// 72 bytes are on six pages of each ring.
const LEAST_TRIPS: u32 = 300;
/// The lowest priority above all that is not of its class.
const PRIORITY: u8 = 1;

/// Runs one process.
pub(crate) fn run(args: &MemberArgs) -> ExitCode {
    match measure(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn measure(args: &MemberArgs) -> Result<(), Failure> {
    set_pdeathsig(Signal::SIGKILL)?;
    let spec: Spec = serde_json::from_str(&args.spec)?;
    let mut config = Config::new()
        .wait(Wait::Spin)
        .capacity(RING)
        .peer_capacity(RING)
        .prefault(spec.options.prefault)
        .lock_memory(spec.options.lock);
    if spec.options.numa {
        config = config.numa_node(node_of(spec.cpu));
    }
    if spec.options.pin {
        thread::pin(spec.cpu)?;
    }
    let (mut sender, mut receiver) = meet(&config, &spec.address, spec.side)?.split();
    if spec.options.fifo {
        thread::schedule(Class::Fifo(PRIORITY))?;
    }
    let time = Duration::from_millis(spec.millis);
    let (mut trips, mut polls) = (histogram()?, histogram()?);
    // While the loops run, and not while two processes start: that interrupts a lot. Read before the thread's own counters, which it adds to.
    let host = (spec.side == Side::Lead).then(Host::now);
    let (before, began) = (Thread::now(), Instant::now());
    match spec.side {
        Side::Lead => ask(&mut sender, &mut receiver, time, &mut trips)?,
        Side::Follow => answer(&mut sender, &mut receiver)?,
    }
    look(&mut receiver, time, &mut polls)?;
    let (thread, wall) = (Thread::now().since(before), began.elapsed());
    let host = host.map(|before| Host::now().since(&before));
    if spec.options.fifo {
        thread::schedule(Class::Other)?;
    }
    let found = Found {
        trips: counts(&trips),
        polls: counts(&polls),
        thread,
        wall_micros: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
        host,
    };
    println!("{}", serde_json::to_string(&found)?);
    // The other one may still be looking at our ring; it ends by itself.
    std::thread::sleep(Duration::from_millis(20));
    Ok(())
}

/// All of it in memory from the start: up to a minute, within 0.1 %.
pub(super) fn histogram() -> Result<Histogram<u64>, Failure> {
    let mut histogram = Histogram::new_with_max(60_000_000_000, 3)?;
    // Written once, so that no page of it is new when the clock runs.
    for power in 0..36 {
        histogram.saturating_record(1 << power);
    }
    histogram.reset();
    Ok(histogram)
}

fn counts(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let recorded = histogram.iter_recorded();
    recorded
        .map(|step| (step.value_iterated_to(), step.count_at_value()))
        .collect()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Round trips until the time is up and there were enough of them; an empty frame says so.
fn ask(
    sender: &mut Sender,
    receiver: &mut Receiver,
    time: Duration,
    trips: &mut Histogram<u64>,
) -> Result<(), Failure> {
    let mut message = [7u8; 64];
    let began = Instant::now();
    let mut count = 0;
    while count < LEAST_TRIPS || began.elapsed() < time {
        let sent = Instant::now();
        sender.send(&message)?;
        receiver.recv_into(&mut message)?;
        trips.saturating_record(nanos(sent.elapsed()));
        count += 1;
    }
    Ok(sender.send(&[])?)
}

fn answer(sender: &mut Sender, receiver: &mut Receiver) -> Result<(), Failure> {
    let mut message = [0u8; 64];
    while receiver.recv_into(&mut message)? > 0 {
        sender.send(&message)?;
    }
    Ok(())
}

/// Looks at an empty ring again and again: whatever makes two looks far apart took the processor away, but for one look in each millisecond, which asks
/// the kernel whether the peer is alive, by two system calls: those gaps are our own.
fn look(
    receiver: &mut Receiver,
    time: Duration,
    polls: &mut Histogram<u64>,
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut last = began;
    while last.duration_since(began) < time {
        match receiver.try_recv() {
            // The other process is through a moment earlier.
            Err(RecvError::Empty | RecvError::Closed) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Err("a message that nobody sent".into()),
        }
        let now = Instant::now();
        polls.saturating_record(nanos(now - last));
        last = now;
    }
    Ok(())
}

/// Whether this machine has but one NUMA node, as far as the kernel tells.
pub(super) fn one_node() -> bool {
    let online = std::fs::read_to_string("/sys/devices/system/node/online");
    online.is_ok_and(|nodes| nodes.trim() == "0")
}

/// The NUMA node of a processor; the first where the kernel does not tell.
fn node_of(cpu: usize) -> u32 {
    let folder = std::fs::read_dir(format!("/sys/devices/system/cpu/cpu{cpu}"));
    folder
        .into_iter()
        .flatten()
        .flatten()
        .find_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_prefix("node")?
                .parse()
                .ok()
        })
        .unwrap_or(0)
}
