//! Instructions of one frame of 64 bytes: filled, sent, received and copied out, in one process; for Ringway and for the
//! two rings by hand. Of a typed message; and of each frame of a stream, with counters and in a build without them.
//!
//! The command runs itself under callgrind, with two counts of frames, and divides the difference of the totals by the
//! difference of the counts: what setting up costs cancels out. The filling and the copies count, for everyone.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use clap::{Args, ValueEnum};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use ringway::{Config, Wait};
use zerocopy::IntoBytes;

use super::crew::Meeting;
use super::kit::{Kit, Side};
use super::limits::commit::Swapped;
use super::limits::frames::Frames;
use super::limits::slots::Slots;
use super::ours::duplex::Duplex;
use super::ours::ticks::{self, Tick, WORDS};
use super::pattern::{Broadcast, Pattern};
use super::rounds::Outcome;
use super::row::Counted;
use super::tasks::counted;
use super::work::Link;
use super::{Failure, fail};

/// The hidden subcommand whose instructions are counted.
pub(crate) const COUNT_COMMAND: &str = "bench-count";

/// Frames of the two runs. The difference is large, because what two threads need to connect is not always the same.
const FEW: u64 = 1_000;
const MANY: u64 = 101_000;

/// Frames whose every word is compared, in both runs.
const CHECKED: u64 = 100;

/// A run takes a second or two; after so many it hangs.
const PATIENCE: u32 = 300;

/// What carries the frames.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Ring {
    /// A connection, as it is by default.
    Ringway,
    /// Limit: the ring of frames with its look at the sleeper, which Ringway has by default too.
    Frames,
    /// Limit: the ring of slots, with the same.
    Slots,
    /// A connection, with typed messages of 56 bytes.
    Typed,
    /// Limit: a connection, with as many bytes as those have.
    Untyped,
    /// A connection, with a stream of frames: many are sent, then they are received.
    Stream,
    /// The same in tasks, by a sink of slices and a stream that copies out.
    Items,
    /// The same by a sink and a stream of `Bytes`.
    Bytes,
    /// Limit: the same, by a command that was built without counters. Any other refuses.
    Uncounted,
    /// Limit: a connection whose receiver has declared that it only spins, so that no send looks whether it sleeps.
    Spinning,
    /// A connection whose sender leaves its barrier out and looks all the same.
    Unfenced,
}

/// Arguments of the hidden subcommand.
#[derive(Debug, Args)]
pub(crate) struct CountArgs {
    ring: Ring,
    frames: u64,
}

/// Why there is no count.
#[derive(Debug)]
pub(crate) enum NoCount {
    /// The tool is not there.
    NoValgrind,
    /// The build to compare with was not named.
    NoBuild,
    /// It is there, and something went wrong.
    Failed(Failure),
}

/// Counts for Ringway and for the better ring by hand, or for messages and for bytes. In the outcome, instructions stand where the times are
/// otherwise.
pub(crate) fn count(what: Counted, uncounted: Option<&Path>) -> Result<Outcome, NoCount> {
    let here = std::env::current_exe().map_err(|error| NoCount::Failed(error.into()))?;
    let (ours, limit) = match what {
        Counted::Bytes => {
            let by_hand = per_frame(&here, Ring::Frames)?.min(per_frame(&here, Ring::Slots)?);
            (per_frame(&here, Ring::Ringway)?, by_hand)
        }
        Counted::Typed => (
            per_frame(&here, Ring::Typed)?,
            per_frame(&here, Ring::Untyped)?,
        ),
        Counted::Check => (
            per_frame(&here, Ring::Ringway)?,
            per_frame(&here, Ring::Spinning)?,
        ),
        Counted::Unfenced => (
            per_frame(&here, Ring::Unfenced)?,
            per_frame(&here, Ring::Spinning)?,
        ),
        Counted::Items => (
            per_frame(&here, Ring::Items)?,
            per_frame(&here, Ring::Stream)?,
        ),
        Counted::ItemsOfBytes => (
            per_frame(&here, Ring::Bytes)?,
            per_frame(&here, Ring::Stream)?,
        ),
        Counted::Counters => {
            let other = uncounted.ok_or(NoCount::NoBuild)?;
            (
                per_frame(&here, Ring::Stream)?,
                per_frame(other, Ring::Uncounted)?,
            )
        }
    };
    Ok(Outcome {
        nanos: ours,
        limit_nanos: limit,
        slowness: ours / limit,
        rounds: 1,
        ..Outcome::default()
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a run of a second has far fewer than 2^52 instructions"
)]
fn per_frame(command: &Path, ring: Ring) -> Result<f64, NoCount> {
    let few = total(command, ring, FEW)?;
    let many = total(command, ring, MANY)?;
    Ok((many as f64 - few as f64) / (MANY - FEW) as f64)
}

/// Instructions of a whole run.
fn total(command: &Path, ring: Ring, frames: u64) -> Result<u64, NoCount> {
    let failed = |error: Failure| NoCount::Failed(error);
    let name = ring
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned());
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(command)
        .args([COUNT_COMMAND, &name, &frames.to_string()])
        .stdin(Stdio::null());
    let output = valgrind.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => NoCount::NoValgrind,
        _ => failed(error.into()),
    })?;
    let printed = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let ours = printed.lines().find(|line| !line.starts_with("=="));
        let why = ours.unwrap_or("it does not say why");
        let what = format!("valgrind ended with {}: {why}", output.status);
        return Err(failed(what.into()));
    }
    collected(&printed).ok_or_else(|| failed("callgrind printed no count".into()))
}

/// The count in callgrind's line `==1234== Collected : 5678`.
fn collected(printed: &str) -> Option<u64> {
    let (_, count) = printed
        .lines()
        .find_map(|line| line.split_once("Collected :"))?;
    count.trim().parse().ok()
}

/// The hidden subcommand: what is counted. Its parent ends it, and so does a clock.
pub(crate) fn run(args: &CountArgs) -> ExitCode {
    let watched = set_pdeathsig(Signal::SIGKILL).map_err(Failure::from);
    nix::unistd::alarm::set(PATIENCE);
    match watched.and_then(|()| exchange(args.ring, args.frames)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn exchange(ring: Ring, frames: u64) -> Result<(), Failure> {
    match ring {
        Ring::Ringway => connection::<8>(frames),
        Ring::Spinning => manner(frames, &Config::new().wait(Wait::Spin)),
        Ring::Unfenced => manner(frames, &Config::new().membarrier(true)),
        Ring::Typed | Ring::Untyped => messages(ring, frames),
        Ring::Uncounted if !cfg!(ringway_uncounted) => {
            Err("this command was built with counters".into())
        }
        Ring::Stream | Ring::Uncounted => stream(frames),
        Ring::Items => counted::items(frames),
        Ring::Bytes => counted::bytes(frames),
        Ring::Frames => by_hand(frames, Frames::<Swapped>::new),
        Ring::Slots => by_hand(frames, Slots::<Swapped, false>::new),
    }
}

/// Apart from the loops that are compared with the rings by hand: loops in one function share its registers.
#[inline(never)]
fn messages(ring: Ring, frames: u64) -> Result<(), Failure> {
    match ring {
        Ring::Typed => typed(frames),
        _ => connection::<WORDS>(frames),
    }
}

fn connection<const N: usize>(frames: u64) -> Result<(), Failure> {
    let (mut sender, mut receiver) = pair(&Config::new())?;
    repeat::<N, _>(frames, &mut sender, &mut receiver)
}

/// More frames than a sender waits for before it leaves its barrier out, in more than the time; the same in both runs.
const CALM: u64 = 60_000;

/// Apart, as `messages` is.
#[inline(never)]
fn manner(frames: u64, config: &Config) -> Result<(), Failure> {
    let (mut sender, mut receiver) = pair(config)?;
    repeat::<8, _>(CALM, &mut sender, &mut receiver)?;
    repeat::<8, _>(frames, &mut sender, &mut receiver)
}

/// Frames that are sent before they are received: about half a ring, so that room is made, releases are told and counters too as often as in
/// a stream between two processes.
pub(crate) const BURST: u64 = 1_800;

/// Apart, as `messages` is. Each frame is filled, and checked when it has come, as in the row `stream`.
#[inline(never)]
fn stream(frames: u64) -> Result<(), Failure> {
    let (mut sender, mut receiver) = pair(&Config::new())?;
    let mut buffer = [0; 8];
    let mut left = frames;
    while left != 0 {
        let burst = left.min(BURST);
        for n in 0..burst {
            let mut payload = [0; 8];
            Broadcast.fill(&mut payload, n);
            observe(&payload);
            sender.send(payload.as_bytes());
        }
        for n in 0..burst {
            receiver.recv(buffer.as_mut_bytes());
            observe(&buffer);
            if !Broadcast.matches(&buffer, n) {
                return Err("a frame is not what was sent".into());
            }
        }
        left -= burst;
    }
    Ok(())
}

/// Both ends of a connection.
fn pair(config: &Config) -> Result<(Duplex, Duplex), Failure> {
    let mut meeting = Meeting::new()?;
    let address = meeting.address();
    let (path, theirs) = (address.clone(), config.clone());
    let other = std::thread::spawn(move || {
        Duplex::new(&theirs, &path, Side::Follow).map_err(|error| error.to_string())
    });
    let sender = Duplex::new(config, &address, Side::Lead)?;
    let receiver = other.join().map_err(|_| "the other end panicked")??;
    Ok((sender, receiver))
}

fn by_hand<L: Link>(frames: u64, end: fn(&Kit, Side) -> std::io::Result<L>) -> Result<(), Failure> {
    let kit = Kit::new()?;
    let (mut sender, mut receiver) = (end(&kit, Side::Lead)?, end(&kit, Side::Follow)?);
    repeat::<8, _>(frames, &mut sender, &mut receiver)
}

#[inline(always)]
fn repeat<const N: usize, L: Link>(
    frames: u64,
    sender: &mut L,
    receiver: &mut L,
) -> Result<(), Failure> {
    let mut buffer = [0; N];
    for n in 0..CHECKED {
        let payload: [u64; N] = std::array::from_fn(|place| !n << place);
        sender.send(payload.as_bytes());
        receiver.recv(buffer.as_mut_bytes());
        if buffer != payload {
            return Err("a frame is not what was sent".into());
        }
    }
    // Downwards: one instruction less for the loop.
    let mut n = frames;
    while n != 0 {
        let payload = [n; N];
        observe(&payload);
        sender.send(payload.as_bytes());
        receiver.recv(buffer.as_mut_bytes());
        observe(&buffer);
        n -= 1;
    }
    Ok(())
}

/// The same for messages.
fn typed(frames: u64) -> Result<(), Failure> {
    let mut meeting = Meeting::new()?;
    let (mut sender, mut receiver) = ticks::lane(&meeting.address())?;
    for n in 0..CHECKED {
        let tick = Tick::new(std::array::from_fn(|place| !n << place));
        sender.send(&tick)?;
        if receiver.recv()? != tick {
            return Err("a message is not what was sent".into());
        }
    }
    let mut n = frames;
    let mut received = Tick::new([0; WORDS]);
    while n != 0 {
        let tick = Tick::new([n; WORDS]);
        observe(&tick);
        if let Err(error) = sender.send(&tick) {
            fail(&error);
        }
        if let Err(error) = receiver.recv_into(&mut received) {
            fail(&error);
        }
        observe(&received);
        n -= 1;
    }
    Ok(())
}

/// Makes the compiler write everything that `value` holds, as a reader would have it. `black_box` does the same with three
/// instructions more.
#[inline(always)]
pub(crate) fn observe<T>(value: &T) {
    // SAFETY: no instruction; the pointer is only named, so that what it points to must be in memory.
    unsafe { std::arch::asm!("/* {0} */", in(reg) value, options(nostack, preserves_flags)) };
}

#[cfg(test)]
mod tests {
    use super::{Ring, collected, exchange};
    use clap::ValueEnum;

    #[test]
    fn the_count_is_found() {
        let printed = "==7== Events    : Ir\n==7== Collected : 1896512\n==7== \n";
        assert_eq!(collected(printed), Some(1_896_512));
        assert_eq!(collected("valgrind: no such tool"), None);
    }

    #[test]
    fn every_ring_carries_the_frames_round_and_round() {
        for ring in Ring::value_variants() {
            let done = exchange(*ring, 10_000);
            let refused = matches!(ring, Ring::Uncounted) && !cfg!(ringway_uncounted);
            assert_eq!(done.is_err(), refused, "{ring:?}: {done:?}");
        }
    }
}
