//! Which CPUs there are to run on, what time it is, and how long a pause takes.

use std::sync::OnceLock;
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// The number of CPUs that the calling thread and the process `peer` may run on between them; at least one.
///
/// With one, spinning is never worth it: the peer cannot run while we do. One each is enough: a thread that is pinned to a CPU of its
/// own spins well. A peer that has no process id here counts as running anywhere.
pub(crate) fn between(peer: Option<i32>) -> usize {
    let Ok(own) = sched_getaffinity(Pid::from_raw(0)) else {
        return 1;
    };
    let Some(Ok(theirs)) = peer.map(|pid| sched_getaffinity(Pid::from_raw(pid))) else {
        return CpuSet::count();
    };
    (0..CpuSet::count())
        .filter(|&cpu| {
            [own, theirs]
                .iter()
                .any(|set| set.is_set(cpu).unwrap_or(false))
        })
        .count()
        .max(1)
}

/// Nanoseconds since the first call in this process.
pub(crate) fn nanos() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
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
    fn an_unknown_peer_runs_anywhere_and_ourselves_where_we_may() {
        assert!(between(None) > 1);
        let own = between(Some(std::process::id() as i32));
        assert!(own >= 1 && own <= CpuSet::count());
    }

    #[test]
    fn pauses_are_some_nanoseconds_long() {
        let pauses = pauses(10_000);
        assert!((10..=10_000).contains(&pauses), "{pauses}");
        assert!(nanos() <= nanos());
    }
}
