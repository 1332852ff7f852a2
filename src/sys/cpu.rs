//! Whether two processes can run at the same time, what time it is, and how long a pause takes.

use std::sync::OnceLock;
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// Whether the calling thread and the process `peer` may both run on one CPU only, and on the same one.
///
/// Then spinning is never worth it: the peer cannot run while we do. A thread that is pinned to a CPU of its own, as low latency
/// asks for, may spin. Where the peer's mask cannot be read, it is taken to be elsewhere unless the host has one CPU.
pub(crate) fn shared_with(peer: Option<i32>) -> bool {
    let Ok(ours) = sched_getaffinity(Pid::from_raw(0)) else {
        return false;
    };
    if members(&ours).count() != 1 {
        return false;
    }
    match peer.map(|pid| sched_getaffinity(Pid::from_raw(pid))) {
        Some(Ok(theirs)) => members(&theirs).eq(members(&ours)),
        _ => std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1),
    }
}

fn members(set: &CpuSet) -> impl Iterator<Item = usize> + '_ {
    (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false))
}

/// Nanoseconds since the first call in this process.
pub(crate) fn nanos() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// What `action` returns, and how many nanoseconds it took; readings of the clock are not counted.
pub(crate) fn timed<T>(action: impl FnOnce() -> T) -> (T, u32) {
    static READING: OnceLock<u32> = OnceLock::new();
    let reading = *READING.get_or_init(|| {
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
    static PER_MICROSECOND: OnceLock<u32> = OnceLock::new();
    let per_microsecond = *PER_MICROSECOND.get_or_init(|| {
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
    fn a_pinned_thread_and_a_free_process_do_not_share() {
        std::thread::spawn(|| {
            let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
            let mut one = CpuSet::new();
            let first = members(&all).next().unwrap();
            one.set(first).unwrap();
            nix::sched::sched_setaffinity(Pid::from_raw(0), &one).unwrap();
            let own = nix::unistd::gettid().as_raw();
            assert!(
                shared_with(Some(own)),
                "a mask of one CPU, the same on both sides"
            );
            if members(&all).count() > 1 {
                let process = i32::try_from(std::process::id()).unwrap();
                assert!(
                    !shared_with(Some(process)),
                    "the main thread may run elsewhere"
                );
            }
        })
        .join()
        .unwrap();
    }
}
