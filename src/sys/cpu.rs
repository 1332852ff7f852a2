//! Whether two processes can run at the same time, what time it is, and how long a pause takes.

use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use super::cgroup;
use crate::sync::{AtomicU64, Ordering};

/// Whether the calling thread and the threads of the process `peer` may run on one CPU only, and on the same one.
///
/// Then spinning is never worth it: the peer cannot run while we do. A thread that is pinned to a CPU of its own, as low latency
/// asks for, may spin, and which of the peer's threads is at the other end nobody knows. Where the peer's mask cannot be read, it is taken to be elsewhere unless the host has
/// one CPU.
pub(crate) fn shared_with(peer: Option<i32>) -> bool {
    let Ok(ours) = sched_getaffinity(Pid::from_raw(0)) else {
        return false;
    };
    if members(&ours).count() != 1 {
        return false;
    }
    let same = |thread| sched_getaffinity(Pid::from_raw(thread)).map(|theirs| theirs == ours);
    match peer.map(|pid| (pid, same(pid))) {
        // A thread that ends meanwhile has no say.
        Some((pid, Ok(first))) => {
            let mut threads = threads(pid).take(THREADS);
            first && threads.all(|thread| same(thread).unwrap_or(true))
        }
        _ => std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1),
    }
}

/// So many of a peer's threads are asked about: where they all have the same one CPU, so will the others.
const THREADS: usize = 64;

/// The threads of a process; none where the kernel does not show them.
fn threads(pid: i32) -> impl Iterator<Item = i32> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/task"));
    let entries = folder.into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether the control groups of this process grant it one CPU's time or less. Read once: a process that is moved later, or whose quota is changed, goes on as it was.
pub(crate) fn is_rationed() -> bool {
    static RATIONED: AtomicU64 = AtomicU64::new(0);
    once(&RATIONED, || u32::from(cgroup::is_rationed())) != 0
}

fn members(set: &CpuSet) -> impl Iterator<Item = usize> + '_ {
    (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false))
}

/// Nanoseconds on the clock that only goes forward.
pub(crate) fn nanos() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    now.as_nanos() as u64
}

/// What `action` returns, and how many nanoseconds it took; readings of the clock are not counted.
pub(crate) fn timed<T>(action: impl FnOnce() -> T) -> (T, u32) {
    static READING: AtomicU64 = AtomicU64::new(0);
    let reading = once(&READING, || {
        let trial = || measured(|| ()).1;
        (0..16).map(|_| trial()).min().unwrap_or(0)
    });
    let (result, nanos) = measured(action);
    (result, nanos.saturating_sub(reading))
}

fn measured<T>(action: impl FnOnce() -> T) -> (T, u32) {
    let start = Instant::now();
    let result = action();
    let nanos = u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX);
    (result, nanos)
}

/// How many `pause` instructions take about `nanos`. Their length differs tenfold between machines, so it is measured, once.
pub(crate) fn pauses(nanos: u32) -> u32 {
    static PER_MICROSECOND: AtomicU64 = AtomicU64::new(0);
    let per_microsecond = once(&PER_MICROSECOND, || {
        // The shortest of some trials: the longer ones were interrupted.
        let trial = || {
            let start = Instant::now();
            for _ in 0..PAUSES {
                core::hint::spin_loop();
            }
            start.elapsed().as_nanos() as u64
        };
        let shortest = (0..5).map(|_| trial()).min().unwrap_or(0).max(1);
        (PAUSES * 1000 / shortest).clamp(1, 1000) as u32
    });
    (u64::from(nanos) * u64::from(per_microsecond) / 1000) as u32
}

/// Measures once; two threads that ask at the same time both do. No `OnceLock`: a child that was forked while another thread fills it
/// would wait for ever.
fn once(known: &AtomicU64, measure: impl FnOnce() -> u32) -> u32 {
    // ORD: measured: Relaxed, the number is all that there is; partner: the store below, in this file.
    let value = known.load(Ordering::Relaxed);
    if value != 0 {
        return (value - 1) as u32;
    }
    let value = measure();
    // ORD: measured: Relaxed, as above; partner: the load in this file.
    known.store(u64::from(value) + 1, Ordering::Relaxed);
    value
}

/// Pauses in a trial.
const PAUSES: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_some_nanoseconds_long() {
        let pauses = pauses(10_000);
        assert!((10..=10_000).contains(&pauses), "{pauses}");
    }

    #[test]
    fn only_who_has_the_same_one_cpu_shares_it() {
        std::thread::spawn(|| {
            let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
            let mut one = CpuSet::new();
            one.set(members(&all).next().unwrap()).unwrap();
            nix::sched::sched_setaffinity(Pid::from_raw(0), &one).unwrap();
            // It inherits our mask.
            let mut child = std::process::Command::new("sleep");
            let mut child = child.arg("100").spawn().unwrap();
            let peer = i32::try_from(child.id()).unwrap();
            assert!(shared_with(Some(peer)));
            if members(&all).count() > 1 {
                nix::sched::sched_setaffinity(Pid::from_raw(peer), &all).unwrap();
                assert!(!shared_with(Some(peer)), "it may run elsewhere");
                let process = i32::try_from(std::process::id()).unwrap();
                assert!(!shared_with(Some(process)));
                nix::sched::sched_setaffinity(Pid::from_raw(0), &all).unwrap();
                assert!(!shared_with(Some(peer)));
            }
            child.kill().unwrap();
            child.wait().unwrap();
        })
        .join()
        .unwrap();
    }
}
