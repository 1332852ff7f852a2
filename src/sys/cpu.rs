//! How many CPUs this thread may run on.

/// The number of CPUs in the calling thread's affinity mask; at least one.
///
/// With one, spinning is never worth it: the peer cannot run while we do.
pub(crate) fn allowed() -> usize {
    let Ok(set) = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)) else {
        return 1;
    };
    (0..nix::sched::CpuSet::count())
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .count()
        .max(1)
}
