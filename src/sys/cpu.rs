//! Whether two processes can run at the same time.

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

#[cfg(test)]
mod tests {
    use super::*;

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
