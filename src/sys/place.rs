//! Where a thread runs, in which class, and where memory lies: pinning, scheduling, locking and NUMA.
//!
//! Absent on purpose: which threads and which memory, and what a refusal means to whoever asked.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::Pid;

use super::{check, last_error};

/// The processors that the calling thread may use.
pub(crate) fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count())
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .collect())
}

/// Keeps the calling thread on processor `cpu`.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Puts the calling thread into a scheduling class, by the kernel's number of it.
pub(crate) fn schedule(policy: libc::c_int, priority: u8) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid `sched_param`; other libraries have more fields than one.
    let mut parameters: libc::sched_param = unsafe { core::mem::zeroed() };
    parameters.sched_priority = priority.into();
    // By number: musl's function of this name does nothing.
    // SAFETY: `parameters` is valid for reads for the duration of the call; 0 is the calling thread.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            policy,
            &raw const parameters,
        )
    };
    if result == -1 {
        Err(last_error())
    } else {
        Ok(())
    }
}

/// The most that `resource` may be for this process; `None` where nothing limits it.
pub(crate) fn limit(resource: Resource) -> Option<u64> {
    match getrlimit(resource) {
        Ok((soft, _)) if soft != libc::RLIM_INFINITY => Some(soft),
        _ => None,
    }
}

/// Keeps the pages of a range in memory until it is unmapped.
///
/// # Safety
/// The range is mapped, and stays so for the duration of the call.
pub(crate) unsafe fn lock(base: *const u8, bytes: usize) -> io::Result<()> {
    // SAFETY: locking changes no byte; by the caller's promise the range is there.
    check(unsafe { libc::mlock(base.cast(), bytes) }).map(drop)
}

/// Linux's `MPOL_BIND`: pages of the given nodes only.
const MPOL_BIND: libc::c_int = 2;
/// Bits in the mask of nodes that we can give.
const NODES: u32 = 1024;

/// Has the first `bytes` bytes of a memory file, which has that size, come from one NUMA node. Pages that it already has stay where they are.
///
/// The kernel keeps the rule with the file, so it holds for everybody who maps it, and for `fallocate`.
pub(crate) fn bind_to_node(fd: BorrowedFd<'_>, bytes: usize, node: u32) -> io::Result<()> {
    if node >= NODES {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut mask = [0u64; NODES as usize / 64];
    mask[node as usize / 64] = 1 << (node % 64);
    // SAFETY: no address is asked for, so the kernel picks a range that nothing uses.
    let address = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            bytes,
            libc::PROT_NONE,
            libc::MAP_SHARED,
            fd.as_raw_fd(),
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(last_error());
    }
    // The kernel takes one bit less than it is told.
    let bits = libc::c_ulong::from(NODES) + 1;
    // SAFETY: the range was just mapped and is ours; `mask` has more than `bits - 1` bits and is valid for reads during the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mbind,
            address,
            bytes,
            MPOL_BIND,
            mask.as_ptr(),
            bits,
            0,
        )
    };
    let outcome = if result == -1 {
        Err(last_error())
    } else {
        Ok(())
    };
    super::map::unmap(address.cast(), bytes);
    outcome
}

/// The NUMA nodes of this host that have memory, as the kernel lists them ("0-1,3"); `None` where it does not say.
pub(crate) fn nodes() -> Option<String> {
    let list = std::fs::read_to_string("/sys/devices/system/node/has_memory").ok()?;
    Some(list.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memfd;
    use std::os::fd::AsFd;

    #[test]
    fn a_file_on_a_node_says_so_to_everybody_who_maps_it() {
        let page = memfd::page_size();
        let fd = memfd::create(c"ringway-test-node", false).unwrap();
        memfd::resize(fd.as_fd(), 4 * page).unwrap();
        match bind_to_node(fd.as_fd(), 4 * page, 0) {
            // A kernel without NUMA, or a container that forbids it.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                return;
            }
            other => other.unwrap(),
        }
        memfd::allocate(fd.as_fd(), 4 * page).unwrap();
        let mapping = crate::sys::map::Mapping::doubled(
            fd.as_fd(),
            page,
            (3 * page, 1),
            false,
            crate::sys::map::Access::ReadWrite,
            true,
        )
        .unwrap();
        let maps = std::fs::read_to_string("/proc/self/numa_maps").unwrap();
        let start = format!("{:x} ", mapping.base().addr());
        let line = maps.lines().find(|line| line.starts_with(&start)).unwrap();
        assert!(line.contains("bind:0") && line.contains("N0=4"), "{line}");
    }

    #[test]
    fn a_node_that_is_not_there_is_refused() {
        let fd = memfd::create(c"ringway-test", false).unwrap();
        memfd::resize(fd.as_fd(), 4096).unwrap();
        for node in [1000, 1024, u32::MAX] {
            assert!(bind_to_node(fd.as_fd(), 4096, node).is_err(), "{node}");
        }
    }
}
